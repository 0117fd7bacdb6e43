package wasi

import (
	"context"
	"io/fs"

	"boxer.dev/vfs"
)

// The device files of the standard streams, by the numbers that vfs.Devices
// gives them: major shifted left by 8, minor.
const (
	deviceStdin  = 136 << 8
	deviceStdout = 136<<8 | 1
	deviceStderr = 136<<8 | 2
	deviceTTY    = 5 << 8
)

// deviceTransfer bounds what one call moves to or from a device, so that an
// endless one cannot keep a call busy for long. It is Linux's bound for urandom.
const deviceTransfer = 32 << 20

// stream returns the standard stream that a device file stands for, or nil. A
// program that opens /dev/stdin shares what was read ahead, and a read through
// it ends with the context too.
func (p *Process) stream(st vfs.Stat) object {
	if st.Mode&fs.ModeCharDevice == 0 {
		return nil
	}
	switch st.Rdev {
	case deviceStdin:
		return p.stdin
	case deviceStdout:
		return p.outputs[0]
	case deviceStderr:
		return p.outputs[1]
	case deviceTTY:
		return &terminal{p.stdin, p.outputs[0]}
	}
	return nil
}

// terminal is /dev/tty: standard input and output as one file.
type terminal struct {
	in  *input
	out *output
}

func (t *terminal) mode() fs.FileMode { return streamMode(true) }
func (t *terminal) rights() rights    { return streamRights }
func (t *terminal) close() error      { return nil }

func (t *terminal) stat() (vfs.Stat, error) {
	return vfs.Stat{Mode: t.mode() | 0o666, Dev: streamDevice, Nlink: 1, Rdev: deviceTTY}, nil
}

func (t *terminal) read(ctx context.Context, p []byte, wait bool) (int, error) {
	return t.in.read(ctx, p, wait)
}

func (t *terminal) write(ctx context.Context, p []byte, wait bool) (int, error) {
	return t.out.write(ctx, p, wait)
}

func (t *terminal) readable() readiness { return t.in.readable() }
func (t *terminal) writable() readiness { return t.out.writable() }
