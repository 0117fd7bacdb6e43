package isolate

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"boxer.dev/vfs"
)

// processAttributes make a worker the leader of a session, where no terminal's signals reach it, that dies with this process.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// holdsBack is whether output waits for company until the pool wants it.
const holdsBack = true

// self is this executable, even if another has taken its place.
const self = "/proc/self/exe"

// disconnected reports whether an error is of a connection whose other end is gone.
func disconnected(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// unread reports whether the other end was gone before it had read what was sent (unix_release_sock of net/unix/af_unix.c).
func unread(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// inherit gives a process that is about to start the layer, as a descriptor behind those of its connection.
func (l *broughtLayer) inherit(command *exec.Cmd) {
	command.ExtraFiles = append(command.ExtraFiles, l.file)
}

// openBrought opens it, in that process.
func openBrought() (*vfs.Layer, error) {
	const descriptor = firstDescriptor + 2
	defer unix.Close(descriptor)
	return vfs.OpenLayer(fmt.Sprint("/proc/self/fd/", descriptor))
}
