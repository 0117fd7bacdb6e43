package bench

import (
	goruntime "runtime"
	"time"

	"golang.org/x/sys/unix"
)

// alone keeps a thread for a goroutine until it calls what this gives.
func alone() (shared func()) {
	goruntime.LockOSThread()
	return goruntime.UnlockOSThread
}

// sleepUntil sleeps in the system: timers of a Go program that has nothing else to do are a millisecond late.
func sleepUntil(at time.Time) {
	left := time.Until(at)
	if left <= 0 {
		return
	}
	for request := unix.NsecToTimespec(left.Nanoseconds()); unix.Nanosleep(&request, &request) == unix.EINTR; {
	}
}
