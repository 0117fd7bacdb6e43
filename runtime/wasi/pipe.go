package wasi

import (
	"context"
	"io/fs"

	"boxer.dev/vfs"
)

const (
	pipeCapacity = 64 << 10 // bytes, as on Linux
	pipeAtomic   = 4096     // PIPE_BUF: a write up to this size is not split
)

// pipe is a POSIX pipe in memory. Both ends are in one process with one thread,
// so nobody else could fill or drain it: where POSIX would block, it answers
// errnoAgain.
type pipe struct {
	buf              []byte // unread bytes
	readers, writers bool   // whether that end is open
	ino              uint64
}

func newPipe(ino uint64) (pipeReader, pipeWriter) {
	p := &pipe{readers: true, writers: true, ino: ino}
	return pipeReader{p}, pipeWriter{p}
}

func (p *pipe) mode() fs.FileMode { return fs.ModeNamedPipe }

func (p *pipe) stat() (vfs.Stat, error) {
	return vfs.Stat{Mode: fs.ModeNamedPipe | 0o600, Dev: streamDevice, Ino: p.ino, Nlink: 1}, nil
}

type pipeReader struct{ *pipe }

func (r pipeReader) rights() rights { return streamRights &^ rightFdWrite }

func (r pipeReader) read(_ context.Context, p []byte, _ bool) (int, error) {
	if len(r.buf) == 0 && r.writers && len(p) > 0 {
		return 0, errnoAgain
	}
	n := copy(p, r.buf)
	r.buf = r.buf[:copy(r.buf, r.buf[n:])]
	return n, nil
}

func (r pipeReader) write(context.Context, []byte, bool) (int, error) { return 0, errnoBadf }

func (r pipeReader) readable() readiness {
	return readiness{ready: len(r.buf) > 0 || !r.writers, bytes: uint64(len(r.buf)), hangup: !r.writers}
}

func (r pipeReader) writable() readiness { return readiness{ready: true} }

func (r pipeReader) close() error {
	r.readers = false
	return nil
}

type pipeWriter struct{ *pipe }

func (w pipeWriter) rights() rights { return streamRights &^ rightFdRead }

func (w pipeWriter) read(context.Context, []byte, bool) (int, error) { return 0, errnoBadf }

func (w pipeWriter) write(_ context.Context, p []byte, _ bool) (int, error) {
	if !w.readers {
		return 0, errnoPipe
	}
	room := pipeCapacity - len(w.buf)
	if len(p) > room && (len(p) <= pipeAtomic || room == 0) {
		return 0, errnoAgain
	}
	n := min(len(p), room)
	w.buf = append(w.buf, p[:n]...)
	return n, nil
}

func (w pipeWriter) readable() readiness { return readiness{ready: true} }

func (w pipeWriter) writable() readiness {
	room := pipeCapacity - len(w.buf)
	return readiness{ready: room >= pipeAtomic || !w.readers, bytes: uint64(room), hangup: !w.readers}
}

func (w pipeWriter) close() error {
	w.writers = false
	return nil
}
