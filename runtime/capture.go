package runtime

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"boxer.dev/internal/wasm"
	"boxer.dev/runtime/memory"
	"boxer.dev/runtime/wasi"
	"boxer.dev/vfs"
)

// Capture is an account of a memory image that was taken.
type Capture struct {
	Module  memory.Digest // of the program
	Digest  memory.Digest // of the image
	Parent  *memory.Digest
	Pages   int           // that the image stores, of memory.PageSize bytes
	Size    uint64        // of the memory, in bytes
	Entropy int64         // bytes of it that initialisation drew, and that all runs will share
	Elapsed time.Duration // of initialisation: what each start is spared
}

// NotCapturableError says why no memory image can be taken of a program.
type NotCapturableError struct {
	Program string
	Reason  string
	hint    string
}

func (e *NotCapturableError) Error() string {
	return fmt.Sprintf("no memory image can be taken of %q: %s", e.Program, e.Reason)
}

// Hint says what to do about it; empty if nobody knows.
func (e *NotCapturableError) Hint() string { return e.hint }

// Capture initialises the program that c names and writes an image of its memory to w: what wizer.initialize, which it must
// export, has left behind. Arguments, environment and directory are there as in a run; what the program writes to files
// is dropped. c has neither FS nor Mounts. If the box has an image of the program already, the new one consists of the pages that are different.
//
// What cannot be captured is a *NotCapturableError: files that were left open, tables that the program may have changed.
func (b *Box) Capture(ctx context.Context, c *Cmd, w io.Writer) (_ *Capture, err error) {
	if c.FS != nil || len(c.Mounts)+len(c.Preopens) > 0 {
		return nil, errors.New("a memory image is taken of a program in its box, without other files")
	}
	s, err := b.sandbox(c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	first, err := b.command(s, c)
	if err != nil {
		return nil, err
	}
	found, err := s.find(&first)
	if err != nil {
		return nil, err
	}
	if err := checkCapturable(found); err != nil {
		return nil, err
	}
	shot := &shot{sandbox: s, command: first, found: found}
	if err := shot.initialize(ctx); err != nil {
		return nil, err
	}
	defer shot.instance.close()
	return shot.write(w)
}

func checkCapturable(found executable) error {
	refuse := func(reason string) error { return &NotCapturableError{Program: found.path, Reason: reason} }
	if found.module.data == nil {
		return refuse("it is part of boxer, and starts at once")
	}
	m, err := wasm.Parse(found.module.data)
	if err != nil {
		return refuse(err.Error())
	}
	if e, ok := m.Export(exportInitialize); !ok || e.Kind != wasm.ExternFunc {
		return &NotCapturableError{
			Program: found.path, Reason: "it exports no function " + exportInitialize,
			hint: "only a program that was built for it can be captured: it exports that function, as Wizer's convention has it",
		}
	}
	if err := m.CheckCapturable(); err != nil {
		return refuse(err.Error())
	}
	return nil
}

// shot is a memory image in the making.
type shot struct {
	sandbox  *sandbox
	command  command
	found    executable
	instance *instance
	opened   map[string]bool
	entropy  counter
	elapsed  time.Duration
}

// counter counts the bytes that are read through it.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (n int, err error) {
	n, err = c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// initialize brings the program to the point that is to be captured.
func (s *shot) initialize(ctx context.Context) (err error) {
	module := s.found.module
	module.form, module.meters = exporting, s.sandbox.engine.usual
	p, err := s.sandbox.engine.load(ctx, module, &Stats{})
	if err != nil {
		return notRunnable(s.found.path, err)
	}
	s.entropy.Reader = s.sandbox.cmd.Random
	if s.entropy.Reader == nil {
		s.entropy.Reader = rand.Reader
	}
	s.opened = map[string]bool{}
	process := s.sandbox.process(s.command)
	process.Random = &s.entropy
	process.Opened = func(path string) { s.opened[path] = true }
	ctx, err = wasi.NewContext(ctx, process)
	if err != nil {
		return err
	}
	defer process.Close()
	if s.instance, err = p.instantiate(ctx, nil, nil); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.instance.close()
		}
	}()
	defer s.instance.enter(ctx)()
	started := time.Now()
	for _, function := range []api.Function{s.instance.initialize, s.instance.module.ExportedFunction(exportInitialize)} {
		if function == nil {
			continue
		}
		if _, err := function.Call(ctx); err != nil {
			return s.failed(ctx, err)
		}
	}
	s.elapsed = time.Since(started)
	if left := process.LeftOpen(); len(left) > 0 {
		return &NotCapturableError{
			Program: s.found.path, Reason: "its initialisation leaves open " + printable(strings.Join(left, ", ")),
			hint: "open files when they are needed, or close them before the initialisation ends",
		}
	}
	return nil
}

func (s *shot) refuse(reason string) error {
	return &NotCapturableError{Program: s.found.path, Reason: reason}
}

// failed says how an initialisation ended that should have returned.
func (s *shot) failed(ctx context.Context, err error) error {
	var exit *sys.ExitError
	if ctx.Err() == nil && errors.As(err, &exit) {
		return s.refuse(fmt.Sprintf("its initialisation ended with exit status %d", exit.ExitCode()&0xff))
	}
	return s.sandbox.engine.usual.ending(ctx, s.found.path, err)
}

// write stores the image.
func (s *shot) write(w io.Writer) (*Capture, error) {
	parent := s.sandbox.box.image(s.found.module.digest, s.sandbox.box.layers)
	header := memory.Header{
		Module:  memory.Digest(s.found.module.digest),
		Program: s.command.args[0],
		Entropy: s.entropy.n,
		Globals: s.globals(),
	}
	var linear []byte
	if m := s.instance.module.Memory(); m != nil {
		header.Size = bytesOf(m)
		linear = s.instance.memory.Reallocate(header.Size)
	}
	if err := s.sources(&header); err != nil {
		return nil, err
	}
	var base *memory.Image
	if parent != nil {
		base = parent.Image
	}
	d, pages, err := memory.Encode(w, &header, linear, base)
	if err != nil {
		return nil, fmt.Errorf("storing the memory image: %w", err)
	}
	return &Capture{
		Module: header.Module, Digest: d, Parent: header.Parent, Pages: pages, Size: header.Size,
		Entropy: header.Entropy, Elapsed: s.elapsed,
	}, nil
}

func (s *shot) globals() (globals []memory.Global) {
	_, names, err := wasm.Restorable(s.found.module.data)
	if err != nil {
		return nil // it was loaded in this form
	}
	for _, name := range names {
		globals = append(globals, memory.Global{Name: name, Value: s.instance.module.ExportedGlobal(name).Get()})
	}
	return globals
}

// sources lists what was read. Files that are not in a layer are none that a later run could have; the tree of the
// capture itself is gone then.
func (s *shot) sources(h *memory.Header) error {
	for name := range s.opened {
		if now, err := s.sandbox.tree.Stat(name); err == nil && !now.Mode.IsRegular() {
			continue // directories are looked at by name, devices are the same everywhere
		}
		file, err := s.sandbox.box.tree.Open(name, vfs.O_RDONLY, 0)
		if err != nil {
			h.Absent = append(h.Absent, name)
			continue
		}
		_, _, _, inLayer := file.InLayer()
		regular := file.Type().IsRegular()
		file.Close()
		switch {
		case inLayer:
			h.Files = append(h.Files, name)
		case regular:
			return s.refuse(fmt.Sprintf("it reads %q, which is not in a layer yet", printable(name)))
		}
	}
	slices.Sort(h.Files)
	slices.Sort(h.Absent)
	return nil
}
