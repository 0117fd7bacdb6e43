package wasi

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"boxer.dev/vfs"
)

// A Go Read or Write cannot be abandoned, but a call that waits for one must
// end with the context. So where one may block it runs in a goroutine of its
// own, on a buffer of ours (the guest's memory may be gone when it ends), and
// the call waits for either. At most one such goroutine per stream exists: what
// an abandoned read brings is kept for the next one, and input that poll_oneoff
// waited for is read ahead the same way.

// transferSize bounds the bytes that one Read or Write moves through the buffer.
const transferSize = 64 << 10

// transfer is a Read or Write that may be running.
type transfer struct {
	clock   *Clock
	signals *signals // that may interrupt it; nil: none
	buf     []byte
	done    chan struct{} // closed when it ends; nil: none is running
	n       int           // the outcome, to be read after done
	err     error
}

// start runs op on the first size bytes of the buffer.
func (t *transfer) start(op func([]byte) (int, error), size int) {
	if len(t.buf) < size {
		t.buf = make([]byte, size)
	}
	done, p := make(chan struct{}), t.buf[:size]
	t.done = done
	go func() {
		defer close(done)
		t.n, t.err = op(p)
	}()
}

// wait returns when the transfer has ended, or else the error of ctx, or EINTR.
func (t *transfer) wait(ctx context.Context) error {
	var wake chan struct{}
	if t.signals != nil {
		if t.signals.interrupted() {
			return errnoIntr
		}
		wake = t.signals.wake
	}
	defer t.clock.waiting()()
	select {
	case <-t.done:
		t.done = nil
		return nil
	case <-wake:
		return errnoIntr
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ended reports, without waiting, whether no transfer is running any more.
func (t *transfer) ended() bool {
	if t.done == nil {
		return true
	}
	select {
	case <-t.done:
		t.done = nil
		return true
	default:
		return false
	}
}

// input is standard input.
type input struct {
	r        io.Reader
	terminal bool
	prompt   bool // reading never waits
	patient  bool // reading always waits, and is said not to
	ahead    []byte
	failure  error // what ended the last read, to be told after ahead
	transfer
}

func newInput(r io.Reader, terminal bool, clock *Clock) *input {
	if r == nil {
		r = strings.NewReader("")
	}
	return &input{r: r, terminal: terminal, prompt: readsPromptly(r), transfer: transfer{clock: clock}}
}

func readsPromptly(r io.Reader) bool {
	switch r := r.(type) {
	case *bytes.Reader, *bytes.Buffer, *strings.Reader:
		return true
	case *os.File:
		return isRegular(r)
	}
	return false
}

func isRegular(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

func (i *input) mode() fs.FileMode { return streamMode(i.terminal) }
func (i *input) rights() rights    { return streamRights &^ rightFdWrite }
func (i *input) close() error      { return nil }

func (i *input) stat() (vfs.Stat, error) {
	return vfs.Stat{Mode: i.mode() | 0o400, Dev: streamDevice, Ino: 1, Nlink: 1}, nil
}

func (i *input) read(ctx context.Context, p []byte, wait bool) (int, error) {
	if i.prompt || len(p) == 0 {
		return endIsZero(i.r.Read(p))
	}
	for !i.fetched() {
		i.fetch(len(p))
		if !wait && !i.patient {
			return 0, errnoAgain
		}
		if err := i.wait(ctx); err != nil {
			return 0, err
		}
		i.take()
	}
	if len(i.ahead) > 0 {
		n := copy(p, i.ahead)
		i.ahead = i.ahead[n:]
		return n, nil
	}
	// A terminal's end of file, or an error, is told once and then retried.
	err := i.failure
	i.failure = nil
	return endIsZero(0, err)
}

// fetch starts reading ahead if nothing is at hand.
func (i *input) fetch(n int) {
	if !i.fetched() && i.done == nil {
		i.start(i.r.Read, min(max(n, 1<<10), transferSize))
	}
}

// fetched reports whether a read would return at once.
func (i *input) fetched() bool {
	if i.done != nil && i.ended() {
		i.take()
	}
	return i.done == nil && (len(i.ahead) > 0 || i.failure != nil)
}

// take keeps the outcome of a fetch that has ended.
func (i *input) take() { i.ahead, i.failure = i.buf[:i.n], i.err }

func (i *input) write(context.Context, []byte, bool) (int, error) { return 0, errnoBadf }
func (i *input) writable() readiness                              { return readiness{ready: true} }

func (i *input) readable() readiness {
	if i.patient {
		return readiness{ready: true, bytes: 1}
	}
	if l, ok := i.r.(interface{ Len() int }); ok && i.prompt {
		return readiness{ready: true, bytes: uint64(l.Len())}
	}
	return readiness{ready: i.prompt || i.fetched(), bytes: uint64(len(i.ahead))}
}

// wake ends a read that outlived its call, if the reader can be woken.
func (i *input) wake() {
	d, ok := i.r.(interface{ SetReadDeadline(time.Time) error })
	if !ok || i.done == nil || d.SetReadDeadline(time.Unix(1, 0)) != nil {
		return
	}
	<-i.done
	d.SetReadDeadline(time.Time{})
}

// output is standard output or error.
type output struct {
	w        io.Writer
	terminal bool
	prompt   bool // writing never waits
	ino      uint64
	transfer
}

func newOutput(w io.Writer, terminal bool, ino uint64, clock *Clock) *output {
	if w == nil {
		w = io.Discard
	}
	return &output{w: w, terminal: terminal, prompt: Prompt(w), ino: ino + 1, transfer: transfer{clock: clock}}
}

// Prompt reports whether writing to w is known never to wait. A writer that hands on what it is given tells by a method of
// that name.
func Prompt(w io.Writer) bool {
	switch w := w.(type) {
	case interface{ Prompt() bool }:
		return w.Prompt()
	case *bytes.Buffer, *strings.Builder:
		return true
	case *os.File:
		return isRegular(w)
	}
	return w == io.Discard
}

func (o *output) mode() fs.FileMode { return streamMode(o.terminal) }
func (o *output) rights() rights    { return streamRights &^ rightFdRead }
func (o *output) close() error      { return nil }

func (o *output) stat() (vfs.Stat, error) {
	return vfs.Stat{Mode: o.mode() | 0o200, Dev: streamDevice, Ino: o.ino, Nlink: 1}, nil
}

func (o *output) read(context.Context, []byte, bool) (int, error) { return 0, errnoBadf }

// write hands p on at once: nothing is held back. A write longer than the
// buffer is partial.
func (o *output) write(ctx context.Context, p []byte, _ bool) (int, error) {
	p = p[:min(len(p), transferSize)] // however it is written: what a program does, and its fuel, depend on it
	if o.prompt || ctx.Done() == nil {
		return o.w.Write(p)
	}
	if o.done != nil { // left by a call whose context ended
		if err := o.wait(ctx); err != nil {
			return 0, err
		}
	}
	if len(o.buf) < len(p) {
		o.buf = make([]byte, max(len(p), 4<<10))
	}
	copy(o.buf, p)
	o.start(o.w.Write, len(p))
	if err := o.wait(ctx); err != nil {
		return 0, err
	}
	return o.n, o.err
}

func (o *output) readable() readiness { return readiness{ready: true} }
func (o *output) writable() readiness { return readiness{ready: true, bytes: pipeCapacity} }

// wake ends a write that outlived its call, if the writer can be woken.
func (o *output) wake() {
	d, ok := o.w.(interface{ SetWriteDeadline(time.Time) error })
	if !ok || o.done == nil || d.SetWriteDeadline(time.Unix(1, 0)) != nil {
		return
	}
	<-o.done
	d.SetWriteDeadline(time.Time{})
}

// Streams and pipes lie in no tree: their device is one of its own, in which the
// standard streams are inodes 1 to lastStreamIno.
const (
	streamDevice  = 1<<64 - 1
	lastStreamIno = 3
)

func streamMode(terminal bool) fs.FileMode {
	if terminal {
		return fs.ModeDevice | fs.ModeCharDevice
	}
	return fs.ModeNamedPipe
}
