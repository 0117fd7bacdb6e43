package wasi

import (
	"context"
	"math"
	"time"
)

const (
	subscriptionSize = 48
	eventSize        = 32
	// subscriptionMax is room for a read and a write of every descriptor a
	// process has by default, and for clocks.
	subscriptionMax = 4 * defaultMaxFiles

	eventClock   = 0
	eventFdRead  = 1
	eventFdWrite = 2

	subclockAbstime = 1 << 0
	eventHangup     = 1 << 0
)

// pollOneoff: in*, out*, nsubscriptions, nevents*.
//
// The subscriptions are looked at once. If none has happened the call waits for
// the earliest clock, standard input or the answer to a call, whichever is
// subscribed to, and looks again. Pipes are within the process, so waiting
// cannot change them.
func pollOneoff(c call) errno {
	p, count, e := c.newPoll()
	if e != 0 {
		return e
	}
	p.scan()
	if len(p.events) == 0 {
		if e := p.wait(); e != 0 {
			return e
		}
		p.scan()
	}
	n := copy(p.out, p.events)
	putU32(count, 0, uint32(n/eventSize))
	return 0
}

// poll is the state of one poll_oneoff.
type poll struct {
	call
	in, out []byte
	// Events are collected apart: the guest may have put out over in.
	events []byte

	waits  bool          // a clock is subscribed to
	first  time.Duration // until the earliest clock
	waited time.Duration // by which the clocks have advanced
	input  bool          // standard input is subscribed to and not ready
	calls  []*answer     // that are subscribed to and not ready

	now    [clockMonotonic + 1]uint64 // see began
	looked [clockMonotonic + 1]bool
}

func (c call) newPoll() (*poll, []byte, errno) {
	n := c.u32(2)
	if n == 0 || n > subscriptionMax {
		return nil, nil, errnoInval
	}
	in, e := c.out(0, n*subscriptionSize)
	if e != 0 {
		return nil, nil, e
	}
	out, e := c.out(1, n*eventSize)
	if e != 0 {
		return nil, nil, e
	}
	count, e := c.out(3, 4)
	if e != 0 {
		return nil, nil, e
	}
	return &poll{call: c, in: in, out: out}, count, 0
}

// scan collects an event of every subscription that has happened.
func (p *poll) scan() {
	for s := p.in; len(s) > 0; s = s[subscriptionSize:] {
		switch kind := s[8]; kind {
		case eventClock:
			p.clock(s)
		case eventFdRead, eventFdWrite:
			p.file(s, kind)
		default:
			p.emit(s, errnoInval, readiness{})
		}
	}
}

// emit appends the event that answers subscription s.
func (p *poll) emit(s []byte, e errno, r readiness) {
	var event [eventSize]byte
	copy(event[:8], s[:8]) // userdata
	putU16(event[:], 8, uint16(e))
	event[10] = s[8]
	putU64(event[:], 16, r.bytes)
	if r.hangup {
		putU16(event[:], 24, eventHangup)
	}
	p.events = append(p.events, event[:]...)
}

func (p *poll) clock(s []byte) {
	left, e := p.untilClock(s)
	if e != 0 || left <= p.waited {
		p.emit(s, e, readiness{})
		return
	}
	if !p.waits || left < p.first {
		p.waits, p.first = true, left
	}
}

// untilClock returns how long after the call began a clock's subscription
// happens.
func (p *poll) untilClock(s []byte) (time.Duration, errno) {
	id, timeout, flags := getU32(s, 16), getU64(s, 24), getU16(s, 40)
	if id > clockMonotonic || flags&^subclockAbstime != 0 {
		return 0, errnoInval
	}
	if flags&subclockAbstime != 0 {
		timeout -= min(p.began(id), timeout)
	}
	return time.Duration(min(timeout, math.MaxInt64)), 0
}

// began returns what a clock said when it was first looked at. Waiting is
// counted from there, so that a clock that stands still does not prolong it.
func (p *poll) began(id uint32) uint64 {
	if !p.looked[id] {
		p.looked[id] = true
		p.now[id], _ = p.Clock.read(id)
	}
	return p.now[id]
}

func (p *poll) file(s []byte, kind byte) {
	needed := rightFdRead
	if kind == eventFdWrite {
		needed = rightFdWrite
	}
	d, e := p.files.lookup(getU32(s, 16))
	if e == 0 && (needed|rightPollFdReadwrite)&^d.base != 0 {
		e = d.lacks((needed | rightPollFdReadwrite) &^ d.base)
	}
	if e != 0 {
		p.emit(s, e, readiness{})
		return
	}
	r := d.readiness(kind)
	if r.ready {
		p.emit(s, 0, r)
	} else if d.reads(p.stdin) {
		p.input = true
	} else if a, ok := d.object.(*answer); ok {
		p.calls = append(p.calls, a)
	}
}

// reads reports whether in is what is read through d.
func (d *descriptor) reads(in *input) bool {
	t, ok := d.object.(*terminal)
	return d.object == object(in) || ok && t.in == in
}

func (d *descriptor) readiness(kind byte) readiness {
	if kind == eventFdWrite {
		return d.writable()
	}
	return d.readable()
}

// wait returns when something has happened, or ends the run with the context.
func (p *poll) wait() errno {
	switch {
	case !p.input && !p.waits && len(p.calls) == 0:
		return errnoDeadlk // on pipes only: nothing can ever happen
	case p.signals.interrupted():
		return errnoIntr
	case p.waits && !p.input && len(p.calls) == 0:
		return p.sleep()
	}
	return p.waitForEvents()
}

func (p *poll) sleep() errno {
	err := p.Clock.sleep(p.ctx, p.first, p.signals.wake)
	if err == errnoIntr {
		return errnoIntr
	}
	p.endWith(err)
	p.waited = p.first
	return 0
}

func (p *poll) waitForEvents() errno {
	var input chan struct{}
	if p.input {
		p.stdin.fetch(0)
		input = p.stdin.done
	}
	timer := p.timer()
	if timer != nil {
		defer timer.Stop()
	} else {
		timer = &time.Timer{} // one that never fires
	}
	defer p.Clock.waiting()()
	for {
		select {
		case <-input:
			p.stdin.done = nil
			p.stdin.take()
			return 0
		case <-timer.C:
			p.waited = p.first
			return 0
		case <-p.Process.calls.answered:
			if p.answered() {
				return 0
			}
		case <-p.signals.wake:
			return errnoIntr
		case <-p.ctx.Done():
			p.endWith(p.ctx.Err())
		}
	}
}

// timer is of the earliest clock. Where time is made up none passes while calls are answered.
func (p *poll) timer() *time.Timer {
	if !p.waits || p.madeUp() && len(p.calls) > 0 {
		return nil
	}
	return time.NewTimer(p.first)
}

// madeUp reports whether waiting moves the clock, rather than the clock the waiting.
func (p *poll) madeUp() bool { return p.Clock.Sleep != nil }

// answered reports whether there is an answer to one of the calls: where time is made up to all of them, so that their
// order is always the same.
func (p *poll) answered() bool {
	ready := 0
	for _, a := range p.calls {
		if a.ready() {
			ready++
		}
	}
	return ready == len(p.calls) || ready > 0 && !p.madeUp()
}

// sleep returns when d has passed, or else the error of ctx, or EINTR.
func (c *Clock) sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	defer c.waiting()()
	if c.Sleep != nil {
		return c.Sleep(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-wake:
		return errnoIntr
	case <-ctx.Done():
		return ctx.Err()
	}
}
