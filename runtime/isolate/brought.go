package isolate

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/vfs"
)

// Programs that a run brings are on nobody's disk: a worker gets them as a layer on top of the box's, in a file without a name.

// compileTime bounds how long a worker may take to compile what was brought. A module that is compiled for as long is made for that.
const compileTime = time.Minute

var errSlowCompile = errors.New("it takes longer than a minute to compile")

var magic = []byte("\x00asm")

// broughtBy tells the programs among a command's files from the others.
func broughtBy(c *runtime.Cmd, config v1.Config) (programs, others []runtime.File) {
	isModule := func(f runtime.File) bool { return bytes.HasPrefix(f.Data, magic) }
	if !slices.ContainsFunc(c.Files, isModule) {
		return nil, c.Files
	}
	dir := c.DirIn(config)
	for _, f := range c.Files {
		if !isModule(f) || f.Mode&0o111 == 0 && !starts(c, dir, f.Path) {
			others = append(others, f)
			continue
		}
		f.Path = absolute(dir, f.Path)
		programs = append(programs, f)
	}
	return programs, others
}

// starts reports whether a command names a file as what it starts, by its path or by its name.
func starts(c *runtime.Cmd, dir, file string) bool {
	words := slices.Concat(c.Entrypoint, c.Args)
	if len(words) == 0 {
		return false
	}
	name := words[0]
	if path.Base(file) == name {
		return true
	}
	return absolute(dir, file) == absolute(dir, name)
}

func absolute(dir, name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}

// digestOf tells sets of programs apart; "" if there are none.
func digestOf(programs []runtime.File) string {
	if len(programs) == 0 {
		return ""
	}
	h := sha256.New()
	for _, f := range programs {
		head := binary.AppendUvarint(appendText(nil, f.Path), uint64(f.Mode.Perm()))
		h.Write(binary.AppendUvarint(head, uint64(len(f.Data))))
		h.Write(f.Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// broughtLayer is the file of such a layer.
type broughtLayer struct {
	file    *os.File
	size    int64
	program string // the first, for people
}

func (l *broughtLayer) bytes() int64 {
	if l == nil {
		return 0
	}
	return l.size
}

// layBrought makes a layer that shows programs over a box's tree.
func layBrought(root *oci.Rootfs, programs []runtime.File) (_ *broughtLayer, err error) {
	before := root.FS()
	after := before.Fork()
	for _, f := range programs {
		mode := f.Mode.Perm()
		if mode == 0 {
			mode = 0o644
		}
		if err = after.MkdirAll(path.Dir(f.Path), 0o755); err == nil {
			err = after.WriteFile(f.Path, f.Data, mode)
		}
		if err != nil {
			return nil, fmt.Errorf("bringing %q: %w", f.Path, err)
		}
	}
	changes, err := vfs.Diff(before, after)
	if err != nil {
		return nil, fmt.Errorf("bringing programs: %w", err)
	}
	file, err := os.CreateTemp("", "boxer-*.layer")
	if err != nil {
		return nil, fmt.Errorf("bringing programs: %w", err)
	}
	l := &broughtLayer{file: file, program: programs[0].Path}
	for _, f := range programs {
		l.size += int64(len(f.Data))
	}
	if err := l.write(changes); err != nil {
		l.close()
		return nil, fmt.Errorf("bringing programs: %w", err)
	}
	if passesFiles {
		err = os.Remove(file.Name())
	}
	return l, err
}

func (l *broughtLayer) write(changes []vfs.Change) error {
	w, err := vfs.CreateLayer(l.file.Name())
	if err != nil {
		return err
	}
	for _, c := range changes {
		if err := addChange(w, c); err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	l.file.Close()
	l.file, err = os.Open(l.file.Name())
	return err
}

func addChange(w *vfs.LayerWriter, c vfs.Change) error {
	if !c.Mode.IsRegular() || c.Whiteout || c.HardLink != "" {
		return w.Add(c.Entry, nil)
	}
	contents, err := c.Open()
	if err != nil {
		return err
	}
	defer contents.Close()
	return w.Add(c.Entry, contents)
}

// close lets go of the file. Workers that have it keep it.
func (l *broughtLayer) close() {
	if l != nil {
		l.file.Close()
		_ = os.Remove(l.file.Name()) // where files have no way to be there without a name
	}
}

// blame says of a worker that could not be started for what was brought that it cannot be run.
func (l *broughtLayer) blame(err error) error {
	var died *WorkerError
	program := "program"
	if l != nil {
		program = l.program
	}
	switch {
	case errors.Is(err, errSlowCompile):
		return &runtime.NotExecutableError{Path: program, Reason: errSlowCompile.Error()}
	case errors.As(err, &died):
		return &runtime.NotExecutableError{Path: program, Reason: "compiling it: " + died.Reason}
	}
	return err
}
