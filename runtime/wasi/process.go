package wasi

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"

	"boxer.dev/vfs"
)

// Process is one run of a program: all that its system calls can reach. The
// zero value is a program with no arguments, an empty environment, an empty
// root directory, no input, and output that is discarded. The fields are read
// when the run starts ([NewContext]) and are not to be changed after.
type Process struct {
	FS   *vfs.FS  // the tree; nil: an empty one
	Args []string // argv, the program's name first
	Env  []string // "NAME=value"
	Dir  string   // working directory that cwd_get tells; empty: "/"

	// Descriptors 0, 1 and 2. Nil: end of file at once; discarded. Readers and
	// writers may block: a call that waits for one ends with the context. Then,
	// and only then, a Read or Write may be left running, so neither is to be
	// handed to anyone else before it has returned. Files and connections are
	// woken by a deadline where they support one.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Directories that are open from the start, as descriptors 3 and up. Nil:
	// the root, named "/".
	Preopens []Preopen

	UID, GID uint32      // what ids_get tells
	PID      uint32      // likewise; 0: 1
	Umask    fs.FileMode // permissions withheld from what the program creates
	Clock    Clock
	Random   io.Reader // source of random_get; nil: crypto/rand
	Terminal Terminal
	// Patient says that asking whether there is input is answered by yes, and that reading it waits, so that a program does
	// the same whenever it comes.
	Patient  bool
	MaxFiles int // bound on open descriptors; 0: 1024

	Functions Functions
	Dialogue  Dialogue // may be changed between the program's calls

	// Kill, if not nil, ends a program that exports no function ExportSignal, wherever it is. It is called from any goroutine.
	Kill func(Signal)

	// Opened, if not nil, is told the path of every file that path_open opens
	// or looks for in vain.
	Opened func(path string)

	files      table
	started    bool
	given      int          // descriptors that were open when the run started
	createMode *fs.FileMode // set by create_mode for the next creation
	stdin      *input
	outputs    [2]*output
	scratch    []byte // of joined
	pipes      uint64 // made so far
	signals    signals
	attention  attention
	calls      calls
}

// Preopen is a directory that a program finds open when it starts.
type Preopen struct {
	Name string  // what the program knows it by
	Path string  // where it is in the tree; empty: at Name
	FS   *vfs.FS // another tree to find it in; nil: the process's
}

// Terminal says which of the standard streams are terminals.
type Terminal struct {
	Stdin, Stdout, Stderr bool
	Size                  func() (rows, columns int) // nil: 24 by 80
}

// NewContext starts p, opening its streams and directories, and returns a
// context for the calls of its program. A Process starts once.
func NewContext(ctx context.Context, p *Process) (context.Context, error) {
	if !p.started {
		if err := p.start(); err != nil {
			p.Close()
			return nil, err
		}
	}
	return &processContext{ctx, p}, nil
}

func (p *Process) start() error {
	p.started = true
	p.signals.wake = make(chan struct{}, 1)
	p.calls.answered = make(chan struct{}, 1)
	if p.FS == nil {
		p.FS = vfs.New()
	}
	if p.Dir == "" {
		p.Dir = "/"
	}
	if p.PID == 0 {
		p.PID = 1
	}
	p.files.max = p.MaxFiles
	if p.files.max <= 0 {
		p.files.max = defaultMaxFiles
	}
	p.Clock.start()
	p.openStreams()
	return p.openPreopens()
}

func (p *Process) newStreams() {
	p.stdin = newInput(p.Stdin, p.Terminal.Stdin, &p.Clock)
	p.stdin.signals = &p.signals
	p.stdin.patient = p.Patient
	p.outputs[0] = newOutput(p.Stdout, p.Terminal.Stdout, 1, &p.Clock)
	p.outputs[1] = newOutput(p.Stderr, p.Terminal.Stderr, 2, &p.Clock)
}

func (p *Process) openStreams() {
	p.newStreams()
	for fd, o := range []object{p.stdin, p.outputs[0], p.outputs[1]} {
		p.files.put(uint32(fd), descriptor{description: &description{object: o}, base: o.rights()})
	}
}

func (p *Process) openPreopens() error {
	preopens := p.Preopens
	if preopens == nil {
		preopens = []Preopen{{Name: "/"}}
	}
	for _, pre := range preopens {
		f, err := pre.open(p.FS)
		if err != nil {
			return fmt.Errorf("opening %s for the program: %w", pre.Name, err)
		}
		dir := &node{f, fs.ModeDir, path.Clean(pre.Name) == "/" && pre.at() == "/"}
		p.files.insert(3, descriptor{&description{object: dir}, directoryRights, inheritedRights, &pre.Name})
	}
	p.given = len(p.files.entries)
	return nil
}

// LeftOpen names what the program has opened and not closed.
func (p *Process) LeftOpen() (names []string) {
	for _, d := range p.files.entries[min(p.given, len(p.files.entries)):] {
		if d.description == nil {
			continue
		}
		name := "a pipe or stream"
		if n, ok := d.object.(*node); ok {
			name = path.Join("/", n.Name())
		}
		names = append(names, name)
	}
	return names
}

func (p Preopen) open(tree *vfs.FS) (*vfs.File, error) {
	if p.FS != nil {
		tree = p.FS
	}
	return tree.Open(p.at(), vfs.O_RDONLY|vfs.O_DIRECTORY, 0)
}

func (p Preopen) at() string {
	if p.Path == "" {
		return path.Join("/", p.Name)
	}
	return path.Join("/", p.Path)
}

// Close ends the run: it closes the descriptors that the program left open and
// wakes a read or write that outlived its call, where the stream can be woken.
// The streams themselves stay open. It returns the first error of a file.
func (p *Process) Close() error {
	var first error
	for fd := range p.files.entries {
		if p.files.entries[fd].description == nil {
			continue
		}
		if err := p.files.remove(uint32(fd)); err != nil && first == nil {
			first = err
		}
	}
	if p.stdin != nil {
		p.stdin.wake()
	}
	for _, o := range p.outputs {
		if o != nil {
			o.wake()
		}
	}
	return first
}

// creationMode returns the permissions for what the call creates: those that
// create_mode asked for, else usual, less the umask. It uses create_mode up.
func (p *Process) creationMode(usual fs.FileMode) fs.FileMode {
	mode := usual
	if p.createMode != nil {
		mode = *p.createMode
		p.createMode = nil
	}
	return mode &^ p.Umask
}
