package runtime

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"boxer.dev/runtime/capability"
)

// Limits bound a run; the zero value is no bound. The box's own, which its Boxfile sets by LIMIT, count too: of two the
// smaller.
type Limits = capability.Limits

// LimitError is the end of a run that reached a limit, or of one that cannot start within it.
type LimitError struct {
	Limit Limits // the one limit
	Own   bool   // it is the box's own
	Start bool   // the run could not start within it
	// Outcome is OutcomeTimeout, OutcomeCPULimit, OutcomeOutOfFuel, OutcomeOutputLimit or OutcomeOutOfMemory.
	Outcome Outcome
}

// Unwrap is ErrOutOfFuel, if that is what the run was.
func (e *LimitError) Unwrap() error {
	if e.Outcome == OutcomeOutOfFuel {
		return ErrOutOfFuel
	}
	return nil
}

func (e *LimitError) Error() string {
	switch e.Outcome {
	case OutcomeOutOfMemory:
		if e.Start {
			return fmt.Sprintf("it does not start within %s", e.Limit)
		}
		return fmt.Sprintf("the run was ended: it took more than %s", e.Limit)
	case OutcomeTimeout:
		return fmt.Sprintf("the run was ended: it took longer than %s", e.Limit)
	case OutcomeCPULimit:
		return fmt.Sprintf("the run was ended: it computed for longer than %s", e.Limit)
	case OutcomeOutOfFuel:
		return fmt.Sprintf("the run was ended: it executed more than %s", e.Limit)
	}
	return fmt.Sprintf("the run was ended: it wrote more than %s", e.Limit)
}

// Hint says whose limit it is.
func (e *LimitError) Hint() string { return whose(e.Limit, e.Own) }

func whose(limit Limits, own bool) string {
	if own {
		return fmt.Sprintf("it is the box's own: LIMIT %s in its Boxfile", limit)
	}
	name, _, _ := strings.Cut(limit.String(), "=")
	return fmt.Sprintf("it may be given more: boxer run --limit %s=…", name)
}

// granted is a run as it may be: its limits narrowed by those of the box, and the box granted what it cannot do without. It is
// a copy of the caller's.
func (b *Box) granted(c *Cmd) (*Cmd, error) {
	narrowed := *c
	narrowed.Limits = c.Limits.Narrow(b.requests.Limits).Complete()
	if len(b.requests.Needs) > 0 {
		if err := b.requests.Check(b.grants(&narrowed)); err != nil {
			return nil, err
		}
	}
	narrowed.withhold()
	return &narrowed, nil
}

func (b *Box) grants(c *Cmd) capability.Grants {
	g := capability.Grants{Stdin: c.Stdin != nil, FixedClock: c.Limits.FixedClock, SeededRandom: c.Limits.SeededRandom}
	for _, variable := range b.environ(c) {
		name, _, _ := strings.Cut(variable, "=")
		g.Env = append(g.Env, name)
	}
	for _, m := range c.Mounts {
		g.Mounts = append(g.Mounts, capability.Mounted{Path: path.Clean(m.Target), ReadOnly: m.ReadOnly || c.Limits.ReadOnly})
	}
	for _, p := range c.Preopens {
		g.Mounts = append(g.Mounts, capability.Mounted{Path: path.Clean(p.Guest), ReadOnly: p.ReadOnly || c.Limits.ReadOnly})
	}
	return g
}

// reached is the error for one limit of a run.
func (s *sandbox) reached(one Limits, outcome Outcome) *LimitError {
	return &LimitError{Limit: one, Outcome: outcome, Own: s.own(one)}
}

// outOfFuel ends the run, not only the program, so that what a shell does next does not depend on when that was noticed.
func (s *sandbox) outOfFuel() { s.end(s.reached(Limits{Fuel: s.cmd.Limits.Fuel}, OutcomeOutOfFuel)) }

// charged gives how a program has ended: out of fuel if that has been used up, whatever came to light first.
func (s *sandbox) charged(ended error) error {
	if !s.fuel.usedUp() {
		return ended
	}
	s.outOfFuel()
	return ErrOutOfFuel
}

// tooSmall is the error of a program that does not start within the memory that the run may have.
func (s *sandbox) tooSmall() *LimitError {
	err := s.reached(Limits{Memory: s.cmd.Limits.Memory}, OutcomeOutOfMemory)
	err.Start = true
	return err
}

// own reports whether a limit is the box's own.
func (s *sandbox) own(one Limits) bool {
	return s.box.requests.Limits.Narrow(one) == s.box.requests.Limits
}

// begin starts the clock of the run's deadline when its first program starts: what boxer does before that is not the run's.
func (s *sandbox) begin() {
	s.begun.Do(func() {
		s.cpu.start()
		if timeout := s.cmd.Limits.Timeout; timeout > 0 {
			s.deadline = time.AfterFunc(timeout, func() { s.over(s.reached(Limits{Timeout: timeout}, OutcomeTimeout), Deadline) })
		}
	})
}

// atLimit is the error of a run whose first command ended with err: the limit that it reached, if it did. The programs of a
// run do not always say so: a shell only knows that it was ended, and who writes may think of a full disk.
func (s *sandbox) atLimit(ctx context.Context, err error) error {
	if errors.Is(err, ErrOutOfFuel) {
		return s.reached(Limits{Fuel: s.cmd.Limits.Fuel}, OutcomeOutOfFuel)
	}
	if told := s.grace.told(); told != nil {
		return told
	}
	var limit *LimitError
	if errors.As(context.Cause(ctx), &limit) && (err != nil || limit.Outcome == OutcomeOutputLimit) {
		return limit
	}
	return err
}
