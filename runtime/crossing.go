package runtime

import (
	"context"
	"errors"
	"slices"

	"boxer.dev/runtime/capability"
)

// Failure is an error of Box.Run as plain data, to be taken to another process. Whoever receives it need not trust who made it:
// whatever it holds, Err makes some error of it.
type Failure struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`

	Status  int          `json:"status,omitempty"`
	Limit   *plainLimits `json:"limit,omitempty"`
	Outcome Outcome      `json:"outcome,omitempty"`
	Own     bool         `json:"own,omitempty"`
	Start   bool         `json:"start,omitempty"`
	Program string       `json:"program,omitempty"`
	Reason  string       `json:"reason,omitempty"`
	Wanted  string       `json:"wanted,omitempty"`
	Here    bool         `json:"here,omitempty"`
	Frames  []string     `json:"frames,omitempty"`

	Need *capability.Need `json:"need,omitempty"`
	Half bool             `json:"half,omitempty"`
}

// plainLimits are in JSON what they are in Go.
type plainLimits Limits

// Kinds of failures.
const (
	failedExit          = "exit"
	failedLimit         = "limit"
	failedNotFound      = "not found"
	failedNotExecutable = "not executable"
	failedTrap          = "trap"
	failedMissing       = "missing"
	failedKilled        = "killed"
	failedPlace         = "place"
	failedStopped       = "stopped" // by the end of its context
	failedOtherwise     = "error"
)

// FailureOf gives the data of an error that is not nil.
func FailureOf(err error) *Failure {
	var (
		exit          *ExitError
		notFound      *NotFoundError
		notExecutable *NotExecutableError
		trap          *TrapError
		limit         *LimitError
		missing       *capability.MissingError
		killed        *KilledError
		place         *PlaceError
	)
	f := &Failure{Kind: failedOtherwise, Text: err.Error(), Hint: hintOf(err)}
	switch {
	case errors.As(err, &limit):
		f.Kind, f.Limit, f.Own, f.Start, f.Outcome = failedLimit, (*plainLimits)(&limit.Limit), limit.Own, limit.Start, limit.Outcome
	case errors.As(err, &exit):
		f.Kind, f.Status, f.Outcome, f.Limit = failedExit, exit.Code, exit.Want, (*plainLimits)(&exit.Limit)
	case errors.As(err, &notFound):
		f.Kind, f.Program, f.Wanted, f.Here = failedNotFound, notFound.Name, notFound.Wanted, notFound.here
	case errors.As(err, &notExecutable):
		f.Kind, f.Program, f.Reason = failedNotExecutable, notExecutable.Path, notExecutable.Reason
	case errors.As(err, &trap):
		f.Kind, f.Program, f.Reason, f.Frames, f.Outcome = failedTrap, trap.Program, trap.Reason, trap.Frames, trap.Want
	case errors.As(err, &missing):
		f.Kind, f.Need, f.Half = failedMissing, &missing.Need, missing.Half
	case errors.As(err, &killed):
		f.Kind, f.Status = failedKilled, killed.Status
	case errors.As(err, &place):
		f.Kind, f.Program, f.Reason = failedPlace, place.Path, place.Err.Error()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		f.Kind = failedStopped
	}
	return f
}

func hintOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

// Err gives the error back, of its own type where that has one. ctx is the context of the run where it was asked for: what was
// stopped there was stopped for its sake.
func (f *Failure) Err(ctx context.Context) error {
	var limit Limits
	if f.Limit != nil {
		limit = Limits(*f.Limit)
	}
	want := f.Outcome
	if want != OutcomeOutOfMemory && want != OutcomeDiskFull {
		want = ""
	}
	switch {
	case f.Kind == failedExit && f.Status > 0 && f.Status <= 0xff:
		return &ExitError{Code: f.Status, Want: want, Limit: limit}
	case f.Kind == failedLimit && slices.Contains(limitOutcomes, f.Outcome):
		return &LimitError{Limit: limit, Own: f.Own, Start: f.Start, Outcome: f.Outcome}
	case f.Kind == failedNotFound:
		return &NotFoundError{Name: f.Program, Wanted: f.Wanted, here: f.Here}
	case f.Kind == failedNotExecutable:
		return &NotExecutableError{Path: f.Program, Reason: f.Reason, hint: f.Hint}
	case f.Kind == failedTrap:
		return &TrapError{Program: f.Program, Reason: f.Reason, Frames: f.Frames, Want: want}
	case f.Kind == failedMissing && f.Need != nil:
		return &capability.MissingError{Need: *f.Need, Half: f.Half}
	case f.Kind == failedPlace:
		return &PlaceError{Path: f.Program, Err: &crossedError{text: f.Reason}}
	case f.Kind == failedKilled && ctx.Err() == nil:
		return &crossedError{f.Text, f.Hint, errors.Join(context.Canceled, &KilledError{f.Text, f.Status & 0xff})}
	case (f.Kind == failedStopped || f.Kind == failedKilled) && ctx.Err() != nil:
		return &crossedError{f.Text, f.Hint, ended(ctx)}
	}
	return &crossedError{text: f.Text, hint: f.Hint}
}

// limitOutcomes are those of a *LimitError.
var limitOutcomes = []Outcome{OutcomeTimeout, OutcomeCPULimit, OutcomeOutOfFuel, OutcomeOutputLimit, OutcomeOutOfMemory}

// crossedError is an error of which only the text has crossed.
type crossedError struct {
	text, hint string
	cause      error
}

func (e *crossedError) Error() string { return e.text }
func (e *crossedError) Hint() string  { return e.hint }
func (e *crossedError) Unwrap() error { return e.cause }
