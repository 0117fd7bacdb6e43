package isolate

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"boxer.dev/vfs"
)

// processAttributes make a worker the leader of a session, where no terminal's signals reach it, that dies with this process.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// slack is how much later than asked a worker's timers may wake it. Go's monitor looks after threads in system calls each 20 µs while
// anything runs, which is a tenth of what a short run costs; by this it looks as often as a run has use for.
const slack = 200 * time.Microsecond

// unhurried starts a process whose threads have that slack: they inherit it from the thread that starts them (PR_SET_TIMERSLACK
// of prctl(2)).
func unhurried(start func() error) error {
	before, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err == nil {
		err = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack.Nanoseconds()), 0, 0, 0)
	}
	if err != nil {
		return start()
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(before), 0, 0, 0) }()
	return start()
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
