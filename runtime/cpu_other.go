//go:build !linux

package runtime

import (
	"sync"
	"time"
)

// measuresAll says that work can only be that of programs, which tell when they wait.
const measuresAll = false

// workClock is a clock that stands still while a program waits.
type workClock struct {
	began  time.Time
	lock   sync.Mutex
	since  time.Time // when it began to wait; zero: it does not
	waited time.Duration
}

func newWorkClock() *workClock { return &workClock{began: time.Now()} }

func (w *workClock) thread() any { return w }

func (w *workClock) read() (time.Duration, bool) {
	w.lock.Lock()
	defer w.lock.Unlock()
	now := time.Now()
	if !w.since.IsZero() {
		now = w.since
	}
	return now.Sub(w.began) - w.waited, true
}

// waiting is how a program tells that it waits, and that it has.
func (w *workClock) waiting() func(bool) {
	if w == nil {
		return nil
	}
	return func(waits bool) {
		w.lock.Lock()
		defer w.lock.Unlock()
		if waits {
			w.since = time.Now()
		} else {
			w.waited += time.Since(w.since)
			w.since = time.Time{}
		}
	}
}
