package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// grace is how a run ends that may still clean up: its programs are told once, by a signal, and what is still there when the
// grace is over is ended. However they end in between, the run counts as ended by what they were told of, as timeout(1) has it.
type grace struct {
	lock  sync.Mutex
	cause error // what the programs were told of; nil: nothing
	timer *time.Timer
}

// over is called when the run is to end: at once without grace, and where there is no program that could be told.
func (s *sandbox) over(cause error, signal Signal) {
	if s.cmd.Grace <= 0 {
		s.end(cause)
		return
	}
	g := &s.grace
	g.lock.Lock()
	defer g.lock.Unlock()
	if g.cause != nil {
		return
	}
	g.cause = cause
	if !s.running.signal(signal) {
		s.end(cause)
		return
	}
	g.timer = time.AfterFunc(s.cmd.Grace, func() { s.end(cause) })
}

// told is what the programs were told of.
func (g *grace) told() error {
	g.lock.Lock()
	defer g.lock.Unlock()
	return g.cause
}

func (g *grace) stop() {
	g.lock.Lock()
	defer g.lock.Unlock()
	if g.timer != nil {
		g.timer.Stop()
	}
}

// bounded gives a context that ends with the limits of the run which end it, and with ctx, after the grace.
func (s *sandbox) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	l, c := s.cmd.Limits, s.cmd
	if l.Timeout <= 0 && l.CPU <= 0 && l.Output <= 0 && l.Fuel <= 0 && c.Grace <= 0 && c.Signals == nil && s.heap == nil {
		return ctx, func() {} // what can never end can be written to without ado
	}
	outer := ctx
	if s.cmd.Grace > 0 {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, s.end = context.WithCancelCause(ctx)
	forget := func() bool { return true }
	if s.cmd.Grace > 0 && outer.Done() != nil {
		forget = context.AfterFunc(outer, func() {
			signal := Interrupt
			if outer.Err() == context.DeadlineExceeded || errors.Is(context.Cause(outer), context.DeadlineExceeded) {
				signal = Deadline
			}
			s.over(fmt.Errorf("the run was ended: %w", ended(outer)), signal)
		})
	}
	return ctx, func() {
		forget()
		if s.deadline != nil {
			s.deadline.Stop()
		}
		s.grace.stop()
		s.cpu.stop()
		s.end(nil)
	}
}
