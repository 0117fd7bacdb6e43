package runtime

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/vfs"
)

// FuzzEntry reads files of the cache of machine code whose sums are right, whatever they say.
func FuzzEntry(f *testing.F) {
	whole := (&entry{standIn: []byte("stand-in"), restorable: []byte("r"), code: engineFile{front: []byte("front"), back: []byte("back"), segment: segment{bytes: []byte("code"), size: 4}}}).head()
	f.Add(append(whole, "code"...))
	f.Add(make([]byte, entryTable))
	name := filepath.Join(f.TempDir(), "entry")
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) >= entryTable {
			binary.LittleEndian.PutUint32(content, crc32.Checksum(content[4:entryTable], castagnoli))
		}
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, form := range []form{plain, restorable} {
			e, err := openEntry(name, form)
			if err != nil {
				continue
			}
			for _, part := range e.parts() {
				if len(*part) > len(content) {
					t.Errorf("a part of %d bytes in a file of %d", len(*part), len(content))
				}
			}
			if _, err := e.code.segment.read(make([]byte, len(content)), 0, false); err != nil && e.code.segment.size > 0 {
				t.Error(err)
			}
			e.close()
		}
	})
}

// FuzzEngineFile: what is taken apart is, put together, what it was.
func FuzzEngineFile(f *testing.F) {
	f.Add([]byte("WAZEVO\x03dev\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00code\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		e := parseEngineFile(file)
		if string(e.front)+string(e.segment.bytes)+string(e.back) != string(file) {
			t.Errorf("%q became %+v", file, e)
		}
	})
}

// FuzzTrap: of what an engine says about a program, names that the program chose among it, nothing can hurt a terminal.
func FuzzTrap(f *testing.F) {
	f.Add("wasm error: unreachable\nwasm stack trace:\n\t.$0()\n\t\x1b[2J()")
	f.Add("wasm error: \n\n\t\n\t")
	f.Add("wasm error: unreachable\nwasm stack trace:\n\t.\u202eelif\u2066()")
	f.Fuzz(func(t *testing.T, account string) {
		trap := parseTrap(account, 1)
		if trap == nil {
			return
		}
		for _, frame := range trap.Frames {
			if strings.IndexFunc(frame, unicode.IsControl) >= 0 || strings.IndexFunc(frame, func(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }) >= 0 || len(frame) > 3*maxFrame+3 {
				t.Errorf("%q", frame)
			}
		}
	})
}

// FuzzShebang: an interpreter has no blanks around it, and nothing of the line gets lost.
func FuzzShebang(f *testing.F) {
	f.Add("#!/usr/bin/env python3 -u")
	f.Add("#! \t/bin/sh \r")
	f.Fuzz(func(t *testing.T, line string) {
		interpreter, argument := parseShebang([]byte(line))
		if strings.ContainsAny(interpreter, " \t") || strings.Trim(argument, " \t\r") != argument {
			t.Errorf("%q is %q and %q", line, interpreter, argument)
		}
	})
}

// FuzzModule runs any module as a program: it is refused, or it ends, by itself or by a limit, and the process lives on.
func FuzzModule(f *testing.F) {
	f.Add(startModule(0x41, 0, 0x1a).module())
	f.Add(startModule(0x03, 0x40, 0x0c, 0, 0x0b).module())
	f.Add(startModule(0x10, 0).module())
	f.Add(answerModule(3))
	f.Fuzz(func(t *testing.T, module []byte) {
		if len(module) > 4096 {
			return
		}
		defer time.AfterFunc(30*time.Second, func() { panic(fmt.Sprintf("%x does not end", module)) }).Stop()
		e := newEngine(t, Options{})
		tree := vfs.New()
		if err := tree.WriteFile("/program", module, 0o755); err != nil {
			t.Fatal(err)
		}
		b, err := e.NewBox(tree, v1.Config{})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = run(t, b, Cmd{Args: []string{"/program"}, Limits: Limits{Memory: 4 << 20, Fuel: 1e6, Timeout: time.Second, Output: 1 << 16, Writable: 1 << 20, Files: 100}})
	})
}

// FuzzValue: whatever a session's interpreter says of a value, what is kept of it is bounded, and JSON is JSON.
func FuzzValue(f *testing.F) {
	f.Add([]byte("\x00\x0242\x01\x0242"), "user")
	f.Add([]byte("\x01\x05[1,2]\x02\x01E\x03\xff\xe4\x05\x04-123"), "0:0")
	f.Fuzz(func(t *testing.T, parts []byte, who string) {
		v := valueBuilder{limit: 16}
		for len(parts) > 1 {
			n := min(int(parts[1]), len(parts)-2)
			v.add(uint32(parts[0]), parts[2:2+n])
			parts = parts[2+n:]
		}
		value := v.value()
		if len(value.Repr) > 16 || len(value.JSON) > 16 || value.JSON != nil && !json.Valid(value.JSON) || v.status < 0 || v.status > 255 {
			t.Errorf("%+v", value)
		}
		tree := vfs.New()
		if err := errors.Join(tree.Mkdir("/etc", 0o755), tree.WriteFile("/etc/passwd", parts, 0o644), tree.WriteFile("/etc/group", []byte(who), 0o644)); err != nil {
			t.Fatal(err)
		}
		_, _ = lookupUser(tree, who)
	})
}
