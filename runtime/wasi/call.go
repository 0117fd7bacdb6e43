package wasi

import (
	"context"
	"io/fs"
	"sync/atomic"

	"boxer.dev/vfs"
)

// Functions are what the program can call in the program that embeds it.
type Functions struct {
	Names []string // sorted
	// Call carries a call out and gives its answer. It runs in a goroutine of its own. Its context ends with the run, or
	// when the program does not want the answer any more; nobody waits for it then.
	Call         func(ctx context.Context, name string, arguments []byte) (answer []byte)
	MaxArguments int // bytes
	MaxCalls     int // that go on at the same time
}

// named gives the name that a program has written.
func (f *Functions) named(text []byte) (name string, ok bool) {
	for _, n := range f.Names {
		if n == string(text) {
			return n, true
		}
	}
	return "", false
}

// calls are those of a process that go on.
type calls struct {
	running  atomic.Int64  // Call functions that have not returned
	answered chan struct{} // holds something when one may have
	made     uint64
}

// answer is what a descriptor of a call reads: nothing until the function has returned, then what it gave, then the end.
type answer struct {
	process *Process
	ino     uint64
	cancel  context.CancelFunc
	done    chan struct{}
	text    []byte // to be read, after done
}

// startCall: name, name_len, arguments, arguments_len, fd*. The call goes on while the program does; the descriptor that it
// gets reads the answer, and can be polled. Closing it cancels the call.
//
// ENOENT: no such function; E2BIG: too large arguments; EAGAIN: too many calls that go on.
func startCall(c call) errno {
	out, e := c.out(4, 4)
	if e != 0 {
		return e
	}
	text, e := c.mem.view(c.u32(0), c.u32(1))
	if e != 0 {
		return e
	}
	arguments, e := c.mem.view(c.u32(2), c.u32(3))
	if e != 0 {
		return e
	}
	f := &c.Functions
	name, known := f.named(text)
	switch {
	case !known:
		return errnoNoent
	case len(arguments) > f.MaxArguments:
		return errno2big
	case c.calls.running.Load() >= int64(f.MaxCalls):
		return errnoAgain
	case c.files.full(0):
		return errnoMfile
	}
	a := c.startAnswer(c.ctx, name, append([]byte(nil), arguments...))
	putU32(out, 0, c.files.insert(0, newDescriptor(a)))
	return 0
}

func (p *Process) startAnswer(ctx context.Context, name string, arguments []byte) *answer {
	ctx, cancel := context.WithCancel(ctx)
	p.calls.made++
	a := &answer{process: p, ino: p.calls.made, cancel: cancel, done: make(chan struct{})}
	p.calls.running.Add(1)
	go func() {
		a.text = p.Functions.Call(ctx, name, arguments)
		p.calls.running.Add(-1)
		close(a.done)
		select {
		case p.calls.answered <- struct{}{}:
		default:
		}
	}()
	return a
}

func (a *answer) mode() fs.FileMode { return fs.ModeNamedPipe }
func (a *answer) rights() rights    { return streamRights &^ rightFdWrite }

func (a *answer) stat() (vfs.Stat, error) {
	return vfs.Stat{Mode: fs.ModeNamedPipe | 0o400, Dev: answerDevice, Ino: a.ino, Nlink: 1}, nil
}

// answerDevice is the device of answers, which are in no tree.
const answerDevice = streamDevice - 1

func (a *answer) read(ctx context.Context, p []byte, wait bool) (int, error) {
	if !a.ready() {
		if !wait {
			return 0, errnoAgain
		}
		if err := a.wait(ctx); err != nil {
			return 0, err
		}
	}
	n := copy(p, a.text)
	a.text = a.text[n:]
	return n, nil
}

func (a *answer) wait(ctx context.Context) error {
	s := &a.process.signals
	if s.interrupted() {
		return errnoIntr
	}
	defer a.process.Clock.waiting()()
	select {
	case <-a.done:
		return nil
	case <-s.wake:
		return errnoIntr
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *answer) ready() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

func (a *answer) readable() readiness {
	if !a.ready() {
		return readiness{}
	}
	return readiness{ready: true, bytes: uint64(len(a.text)), hangup: len(a.text) == 0}
}

func (a *answer) write(context.Context, []byte, bool) (int, error) { return 0, errnoBadf }
func (a *answer) writable() readiness                              { return readiness{ready: true} }

func (a *answer) close() error {
	a.cancel()
	return nil
}

// listFunctions: buf, buf_len, used*: the names, each followed by a NUL. ERANGE tells the length needed in used.
func listFunctions(c call) errno {
	buf, e := c.sized(sizeOf(c.Functions.Names))
	if e != 0 {
		return e
	}
	for _, name := range c.Functions.Names {
		n := copy(buf, name)
		buf[n] = 0
		buf = buf[n+1:]
	}
	return 0
}
