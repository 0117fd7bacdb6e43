package wasi

import (
	"context"
	"math"
	"time"
)

// Clock is the time that a program sees. The zero value is the host's. A clock
// that does not move by itself must move by Sleep, or a program that waits for
// a time to come, as Python's asyncio does, waits for ever.
type Clock struct {
	Now       func() time.Time     // wall clock; nil: time.Now
	Monotonic func() time.Duration // since any fixed moment; nil: since the run started
	CPU       func() time.Duration // processor time used; nil: Monotonic less the time that calls waited

	// Sleep waits for d or until ctx ends, whose error it then returns. Nil
	// waits in real time. A clock that the host moves by itself can move it here
	// and return at once.
	Sleep func(ctx context.Context, d time.Duration) error

	// Waiting, if not nil, is told when a call begins to wait, and when it has.
	Waiting func(bool)

	Off bool // the time of day cannot be read (EPERM)

	Resolution time.Duration // what clock_res_get tells; 0: 1 ns

	waited time.Duration // by Monotonic, in sleeps and for streams
}

func (c *Clock) start() {
	began := time.Now()
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Monotonic == nil {
		c.Monotonic = func() time.Duration { return time.Since(began) }
	}
	if c.CPU == nil {
		c.CPU = func() time.Duration { return c.Monotonic() - c.waited }
	}
	if c.Resolution <= 0 {
		c.Resolution = 1
	}
}

// waiting counts the time from now until the function that it returns is called
// as spent without the processor.
func (c *Clock) waiting() (done func()) {
	if c.Waiting != nil {
		c.Waiting(true)
	}
	since := c.Monotonic()
	return func() {
		c.waited += c.Monotonic() - since
		if c.Waiting != nil {
			c.Waiting(false)
		}
	}
}

const (
	clockRealtime uint32 = iota
	clockMonotonic
	clockProcessCPU
	clockThreadCPU
)

// read returns the time of one of the clocks in nanoseconds.
func (c *Clock) read(id uint32) (uint64, errno) {
	if c.Off && id == clockRealtime {
		return 0, errnoPerm
	}
	switch id {
	case clockRealtime:
		return timestamp(c.Now()), 0
	case clockMonotonic:
		return uint64(max(c.Monotonic(), 1)), 0 // 0 is an error to Go's runtime
	case clockProcessCPU, clockThreadCPU:
		return uint64(max(c.CPU(), 0)), 0
	}
	return 0, errnoInval
}

func clockResGet(c call) errno {
	out, e := c.out(1, 8)
	if e != 0 {
		return e
	}
	if c.u32(0) > clockThreadCPU {
		return errnoInval
	}
	putU64(out, 0, uint64(c.Clock.Resolution))
	return 0
}

func clockTimeGet(c call) errno {
	out, e := c.out(2, 8)
	if e != 0 {
		return e
	}
	t, e := c.Clock.read(c.u32(0))
	if e != 0 {
		return e
	}
	putU64(out, 0, t)
	return 0
}

// timestamp returns t as preview 1 counts: nanoseconds since 1970, unsigned.
// What it cannot express becomes the nearest that it can.
func timestamp(t time.Time) uint64 {
	seconds := t.Unix()
	if seconds < 0 {
		return 0
	}
	if seconds >= math.MaxUint64/1_000_000_000 {
		return math.MaxUint64
	}
	return uint64(seconds)*1e9 + uint64(t.Nanosecond())
}

func fromTimestamp(ns uint64) time.Time { return time.Unix(int64(ns/1e9), int64(ns%1e9)) }
