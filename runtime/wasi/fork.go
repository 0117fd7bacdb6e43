package wasi

import (
	"io"
	"path"

	"boxer.dev/vfs"
)

// SetStreams gives a program other standard streams, between its calls. What was read ahead of the former input is lost.
func (p *Process) SetStreams(stdin io.Reader, stdout, stderr io.Writer) {
	p.Stdin, p.Stdout, p.Stderr = stdin, stdout, stderr
	if !p.started {
		return
	}
	old := map[object]object{}
	in, out := p.stdin, p.outputs
	p.newStreams()
	old[in] = p.stdin
	for i := range out {
		old[out[i]] = p.outputs[i]
		out[i].wake()
	}
	in.wake()
	for _, d := range p.files.entries {
		if d.description == nil {
			continue
		}
		if t, ok := d.object.(*terminal); ok {
			t.in, t.out = p.stdin, p.outputs[0]
		} else if now, ok := old[d.object]; ok {
			d.object = now
		}
	}
}

// Fork gives a process that is as p is between its calls, in another tree, which is a fork of p's. What the program has
// open is open there too, at the same position. Files that have been removed, and calls of functions, are closed. The
// result has not been started for a program yet: that is for NewContext.
func (p *Process) Fork(tree *vfs.FS) (*Process, error) {
	f := &Process{
		FS: tree, Args: p.Args, Env: p.Env, Dir: p.Dir, Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr,
		Preopens: p.Preopens, UID: p.UID, GID: p.GID, PID: p.PID, Umask: p.Umask, Clock: p.Clock, Random: p.Random,
		Terminal: p.Terminal, MaxFiles: p.MaxFiles, Functions: p.Functions, pipes: p.pipes,
	}
	f.Patient = p.Patient
	f.Clock.CPU = nil // that of p counts what p waits
	if err := f.start(); err != nil {
		f.Close()
		return nil, err
	}
	c := &copier{from: p, to: f, descriptions: map[*description]*description{}, pipes: map[*pipe]*pipe{}}
	for fd := range max(len(p.files.entries), len(f.files.entries)) {
		if err := c.copy(uint32(fd)); err != nil {
			f.Close()
			return nil, err
		}
	}
	f.given = p.given
	return f, nil
}

// copier makes one process's table of descriptors like another's.
type copier struct {
	from, to     *Process
	descriptions map[*description]*description
	pipes        map[*pipe]*pipe
}

func (c *copier) copy(fd uint32) error {
	was, e := c.from.files.lookup(fd)
	given, other := c.to.files.lookup(fd)
	if e == 0 && other == 0 && was.preopen != nil && given.preopen != nil {
		given.base, given.inheriting = was.base, was.inheriting
		return nil
	}
	if other == 0 {
		if err := c.to.files.remove(fd); err != nil {
			return err
		}
	}
	if e != 0 {
		return nil
	}
	d := c.description(was.description)
	if d == nil {
		return nil
	}
	copied := *was
	copied.description, copied.preopen = d, nil
	c.to.files.put(fd, copied)
	return nil
}

// description gives the copy of an open file description, or nil if there can be none.
func (c *copier) description(was *description) *description {
	if d, ok := c.descriptions[was]; ok {
		return d
	}
	d := &description{flags: was.flags}
	switch o := was.object.(type) {
	case *node:
		d.object = c.node(o)
	case *input:
		d.object = c.to.stdin
	case *output:
		d.object = c.to.outputs[0]
		if o == c.from.outputs[1] {
			d.object = c.to.outputs[1]
		}
	case *terminal:
		d.object = &terminal{c.to.stdin, c.to.outputs[0]}
	case pipeReader:
		d.object = pipeReader{c.pipe(o.pipe)}
	case pipeWriter:
		d.object = pipeWriter{c.pipe(o.pipe)}
	}
	if d.object == nil {
		d = nil
	}
	c.descriptions[was] = d
	return d
}

func (c *copier) pipe(was *pipe) *pipe {
	p, ok := c.pipes[was]
	if !ok {
		p = &pipe{buf: append([]byte(nil), was.buf...), readers: was.readers, writers: was.writers, ino: was.ino}
		c.pipes[was] = p
	}
	return p
}

// node opens a file again, if it is still there. Nil is an object of no type.
func (c *copier) node(was *node) object {
	flags := was.Flags()
	if was.kind.IsDir() {
		flags |= vfs.O_DIRECTORY
	}
	before, err := was.Stat()
	if err != nil {
		return nil
	}
	file, err := c.to.FS.Open(path.Join("/", was.Name()), flags, 0)
	if err != nil {
		return nil
	}
	if now, err := file.Stat(); err != nil || now.Ino != before.Ino || now.Dev != before.Dev {
		file.Close()
		return nil
	}
	if at, err := was.Seek(0, io.SeekCurrent); err == nil {
		_, _ = file.Seek(at, io.SeekStart)
	}
	return &node{file, was.kind, was.rooted}
}
