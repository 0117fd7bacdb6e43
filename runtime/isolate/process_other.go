//go:build !linux

package isolate

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"

	"boxer.dev/vfs"
)

func processAttributes() *syscall.SysProcAttr { return nil }

// unhurried starts a process.
func unhurried(start func() error) error { return start() }

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

// broughtVariable has the name of the layer's file.
const broughtVariable = "BOXER_BROUGHT"

func (l *broughtLayer) inherit(command *exec.Cmd) {
	command.Env = append(command.Env, broughtVariable+"="+l.file.Name())
}

func openBrought() (*vfs.Layer, error) { return vfs.OpenLayer(os.Getenv(broughtVariable)) }
