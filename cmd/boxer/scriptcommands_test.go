package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"

	"boxer.dev/internal/onefile/othertest"
)

// nowhere is a script command: `nowhere TEXT DIR` wants that no file below a directory has the text in it or in its name, as it
// is or compressed.
func nowhere(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: nowhere TEXT DIR")
	}
	files := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[1]), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, text := range [][]byte{[]byte(name), data, unzstd(data), gunzip(data)} {
			if bytes.Contains(text, []byte(args[0])) {
				ts.Fatalf("%s has it", name)
			}
		}
		return nil
	}))
	if files == 0 {
		ts.Fatalf("there are no files below %s", args[1])
	}
}

func unzstd(data []byte) []byte {
	r, err := zstd.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	defer r.Close()
	text, _ := io.ReadAll(r)
	return text
}

func gunzip(data []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(r)
	return text
}

// again is a script command: `again N` pastes the command that the last failed build printed into a shell, and wants exit
// status N of it.
func again(ts *testscript.TestScript, neg bool, args []string) {
	_, command, found := strings.Cut(ts.ReadFile("stderr"), "to reproduce: ")
	if neg || len(args) != 1 || !found {
		ts.Fatalf("usage: again N, after a build that failed and said how to run the command again")
	}
	command, _, _ = strings.Cut(command, "\n")
	status(ts, false, []string{args[0], "sh", "-c", command})
}

// other is a script command: `other STATUS RUNTIME [--env NAME=VALUE] [--dir HOST::GUEST] MODULE [ARG...]` runs a module under
// another runtime and wants that exit status of it.
func other(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < 3 {
			ts.Fatalf("usage: other STATUS RUNTIME [OPTION...] MODULE [ARG...]")
		}
		status(ts, false, slices.Concat(args[:1], othertest.Command(t, args[1]), args[2:]))
	}
}
