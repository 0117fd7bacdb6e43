//go:build !linux

package isolate

import (
	"errors"
	"io"
	"os"
	"syscall"
)

func processAttributes() *syscall.SysProcAttr { return nil }

// holdsBack is whether output waits for company until the pool wants it, which it cannot tell here.
const holdsBack = false

// self is asked of the system.
const self = ""

// disconnected reports whether an error is of a connection whose other end is gone.
func disconnected(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.EPIPE)
}

// unread reports whether the other end was gone before it had read what was sent. Of pipes that cannot be told.
func unread(error) bool { return false }
