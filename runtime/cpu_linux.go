package runtime

import (
	"time"

	"golang.org/x/sys/unix"
)

// measuresAll says that work may be anything.
const measuresAll = true

// workClock is the clock of a thread.
type workClock struct {
	tid int
	id  int32
}

// The clock of another thread, as pthread_getcpuclockid(3) makes it: the complement of its number, shifted, with the kernel's
// CPUCLOCK_PERTHREAD_MASK and CPUCLOCK_SCHED (include/linux/posix-timers_types.h).
func newWorkClock() *workClock {
	tid := unix.Gettid()
	return &workClock{tid: tid, id: ^int32(tid)<<3 | 4 | 2}
}

func (w *workClock) thread() any { return w.tid }

func (w *workClock) read() (time.Duration, bool) {
	var now unix.Timespec
	if unix.ClockGettime(w.id, &now) != nil {
		return 0, false
	}
	return time.Duration(now.Nano()), true
}

// waiting is how a program tells that it waits: nil, for threads that wait do not compute.
func (w *workClock) waiting() func(bool) { return nil }
