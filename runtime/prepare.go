package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"boxer.dev/vfs"
)

// A process can give up its access to files of the host before it runs anything of a box, if all that runs need is in memory
// by then (package isolate). Box.Prepare loads it, Engine.Seal says that there will be nothing more.

// maxPrepared is how many programs are loaded for a shell, which may start any of the box's.
const maxPrepared = 64

// Prepare loads what a run of c needs: the program that it names, or, for the shell and the utilities, which start others, the
// programs of the box. Instances of those with a memory image are made ready. No instruction of them is executed. Whether an image
// serves a run is for the program to say: unless all is to be loaded, a program with an image is taken to be served.
func (b *Box) Prepare(ctx context.Context, c *Cmd, all bool) error {
	s, found, err := b.lookup(c, b.granted)
	if err != nil {
		return err
	}
	defer s.close()
	if !found.startsOthers() {
		return s.prepare(ctx, found.path, found.module, plain, all)
	}
	if err := s.prepareAll(ctx); err != nil {
		return err
	}
	b.engine.mutex.Lock()
	defer b.engine.mutex.Unlock()
	if b.complete == nil {
		b.complete = map[metering]bool{}
	}
	b.complete[s.metering()] = true
	return nil
}

// lookup finds what a run of c would start, once it is granted what it needs. The sandbox is to be closed.
func (b *Box) lookup(c *Cmd, granted func(*Cmd) (*Cmd, error)) (*sandbox, executable, error) {
	c, err := granted(c)
	if err != nil {
		return nil, executable{}, err
	}
	s, err := b.sandbox(c)
	if err != nil {
		return nil, executable{}, err
	}
	first, err := b.command(s, c)
	if err != nil {
		return nil, executable{}, errors.Join(err, s.close())
	}
	found, err := s.find(&first)
	if err != nil {
		return nil, executable{}, errors.Join(err, s.close())
	}
	return s, found, nil
}

// startsOthers reports whether it is the shell or a utility.
func (e executable) startsOthers() bool { return e.shell || e.utility != nil }

// prepareAll prepares the programs of the box. One that cannot be run is left out: whoever starts it is told why.
func (s *sandbox) prepareAll(ctx context.Context) error {
	prepared := 0
	tree := s.box.tree.Fork()
	return fs.WalkDir(tree.IOFS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil // what cannot be read cannot be run
		}
		found, err := s.moduleAt(tree, "/"+name)
		if err == nil && found.module.data != nil {
			if prepared++; prepared > maxPrepared {
				return fs.SkipAll
			}
			err = s.prepare(ctx, found.path, found.module, plain, true)
		}
		var unfit *NotExecutableError
		if errors.As(err, &unfit) {
			return nil
		}
		return err
	})
}

// moduleAt reads a file that begins as a module does. Of others the result is empty.
func (s *sandbox) moduleAt(tree *vfs.FS, name string) (executable, error) {
	file, err := tree.Open(name, vfs.O_RDONLY, 0)
	if err != nil {
		return executable{}, nil
	}
	defer file.Close()
	if head, err := readHead(file); err != nil || !bytes.HasPrefix(head, []byte("\x00asm")) {
		return executable{}, nil
	}
	found, _, err := s.load(file, name)
	return found, err
}

// PrepareSession loads what a session of c needs, likewise.
func (b *Box) PrepareSession(ctx context.Context, c *Cmd, all bool) error {
	s, found, err := b.lookup(c, b.grantedSession)
	if err != nil {
		return err
	}
	defer s.close()
	if found.startsOthers() {
		return notForSessions(found.path)
	}
	return s.prepare(ctx, found.path, found.module, exporting, all)
}

// prepare loads a program in a form for those who start it from nothing, and for each of its memory images, of which there may be
// none that serves. Unless whole is set, one with an image is loaded for that only.
func (s *sandbox) prepare(ctx context.Context, name string, module source, fresh form, whole bool) error {
	var stats Stats
	module.meters, module.form = s.metering(), fresh
	if whole || s.imageFor(module.digest) == nil {
		if _, err := s.engine.load(ctx, module, &stats); err != nil {
			return notRunnable(name, err)
		}
	}
	module.form = restorable
	for i := s.box.image(module.digest, s.box.layers); i != nil; i = s.box.image(module.digest, i.at) {
		p, err := s.engine.load(ctx, module, &stats)
		if err != nil {
			return notRunnable(name, err)
		}
		if err := p.warm(ctx, i, s.engine.options.Keep); err != nil {
			return notRunnable(name, err)
		}
	}
	return nil
}

// warm makes an instance and resets it, which opens all that a reset needs.
func (p *program) warm(ctx context.Context, image *boxImage, keep int) error {
	i, err := p.instance(ctx, image.Image, nil)
	if err != nil {
		return err
	}
	if _, err := i.reset(); err != nil || keep == 0 {
		i.close()
		return err
	}
	p.pools.put(i, true, true, keep)
	return nil
}

// Part has the engine keep to itself from now on: what it loads it compiles, in memory only. A process that is to compile what it does
// not trust gives up its access to files before.
func (e *Engine) Part() { e.alone.Store(true) }

// Seal makes the engine refuse programs that it has not loaded: a run that would start with one ends with a *NotPreparedError
// before anything has happened.
func (e *Engine) Seal() { e.sealed.Store(true) }

// NotPreparedError says that a sealed engine has not been prepared for a run.
type NotPreparedError struct{ Program string }

func (e *NotPreparedError) Error() string {
	return fmt.Sprintf("%q was not loaded before the engine was sealed", e.Program)
}

// errSealed is what a sealed engine says of what it has not loaded.
var errSealed = errors.New("it was not there when the process gave up its access to files")

// unprepared tells a run that has not begun from one that has: only the first command's program can still be loaded.
func (s *sandbox) unprepared(ctx context.Context, found executable) error {
	if depthOf(ctx) > 1 {
		return &NotExecutableError{Path: found.path, Reason: errSealed.Error(), err: errSealed}
	}
	return &NotPreparedError{found.path}
}

// ready reports whether a sealed engine has all programs that a first command of this kind may start.
func (s *sandbox) ready(found executable) bool {
	if !s.engine.sealed.Load() || !found.startsOthers() {
		return true
	}
	s.engine.mutex.Lock()
	defer s.engine.mutex.Unlock()
	return s.box.complete[s.metering()]
}
