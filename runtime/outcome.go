package runtime

import (
	"context"
	"errors"
	"slices"

	"boxer.dev/runtime/capability"
)

// Outcome is how a run ended: one of the closed set below. As text it is the same everywhere: here, in JSON, in metrics.
type Outcome string

// The outcomes. docs/outcomes.md has the exit status of each.
const (
	OutcomeOK            Outcome = "ok"             // the program ended with status 0
	OutcomeExit          Outcome = "exit"           // it ended by itself, with another status
	OutcomeTimeout       Outcome = "timeout"        // it took longer than Limits.Timeout, or than its context allowed
	OutcomeCPULimit      Outcome = "cpu_limit"      // it used more processor time than Limits.CPU
	OutcomeOutOfMemory   Outcome = "out_of_memory"  // it failed for want of memory, or did not start within Limits.Memory
	OutcomeOutOfFuel     Outcome = "out_of_fuel"    // it executed more than Limits.Fuel
	OutcomeOutputLimit   Outcome = "output_limit"   // it wrote more than Limits.Output
	OutcomeDiskFull      Outcome = "disk_full"      // it failed because it could write no more files
	OutcomeTrap          Outcome = "trap"           // a WebAssembly trap
	OutcomeKilled        Outcome = "killed"         // whoever ran it ended it
	OutcomeNotFound      Outcome = "not_found"      // the box has no such program
	OutcomeNotExecutable Outcome = "not_executable" // the file is no program
	OutcomeRefused       Outcome = "refused"        // the run was not granted what the box cannot do without
	OutcomeError         Outcome = "error"          // boxer itself failed
)

var outcomes = []Outcome{
	OutcomeOK, OutcomeExit, OutcomeTimeout, OutcomeCPULimit, OutcomeOutOfMemory, OutcomeOutOfFuel, OutcomeOutputLimit,
	OutcomeDiskFull, OutcomeTrap, OutcomeKilled, OutcomeNotFound, OutcomeNotExecutable, OutcomeRefused, OutcomeError,
}

// Outcomes are all that there are.
func Outcomes() []Outcome { return slices.Clone(outcomes) }

// String is the outcome's one name.
func (o Outcome) String() string { return string(o) }

// status is the exit status of a run that did not end by itself.
func (o Outcome) status() int {
	switch o {
	case OutcomeOK:
		return 0
	case OutcomeTimeout:
		return StatusDeadline
	case OutcomeCPULimit:
		return StatusCPU
	case OutcomeOutOfMemory:
		return StatusMemory
	case OutcomeOutOfFuel:
		return StatusOutOfFuel
	case OutcomeOutputLimit:
		return StatusOutput
	case OutcomeTrap:
		return StatusTrap
	case OutcomeKilled:
		return StatusInterrupted
	case OutcomeNotFound:
		return StatusNotFound
	case OutcomeNotExecutable:
		return StatusNotExecutable
	}
	return StatusFailure
}

// Result is what became of a run.
type Result struct {
	Outcome Outcome `json:"outcome"`
	// Status is what a process reports. It is the program's own where it ended by itself, for want of memory or room, too.
	Status  int    `json:"exit_status"`
	Message string `json:"message,omitempty"` // for people; empty if all is well
	Hint    string `json:"hint,omitempty"`    // what they can do about it
	// Limit is the limit that was reached, in the words of LIMIT: "memory=64M".
	Limit string `json:"limit,omitempty"`
}

// ResultOf reads the error of Box.Run. Any error has a result, and nil has: OutcomeOK.
func ResultOf(err error) Result {
	r := Result{Outcome: outcomeOf(err)}
	r.Status = r.Outcome.status()
	if err == nil {
		return r
	}
	r.Message = err.Error()
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		r.Hint = hinted.Hint()
	}
	var exit *ExitError
	var limit *LimitError
	var killed *KilledError
	switch {
	case errors.As(err, &limit):
		r.Limit = limit.Limit.String()
	case errors.As(err, &exit):
		r.Status = exit.Code
		r.Limit = exit.Limit.String()
	case errors.As(err, &killed) && killed.Status != 0:
		r.Status = killed.Status
	}
	return r
}

// Report is a run's result and what it used.
type Report struct {
	Result
	Stats *Stats `json:"stats,omitempty"`
}

func outcomeOf(err error) Outcome {
	var (
		exit          *ExitError
		limit         *LimitError
		notFound      *NotFoundError
		notExecutable *NotExecutableError
		trap          *TrapError
		missing       *capability.MissingError
		killed        *KilledError
	)
	switch {
	case err == nil:
		return OutcomeOK
	case errors.As(err, &limit):
		return limit.Outcome
	case errors.As(err, &exit):
		return exit.outcome()
	case errors.As(err, &notFound):
		return OutcomeNotFound
	case errors.As(err, &notExecutable):
		return OutcomeNotExecutable
	case errors.As(err, &trap):
		return trap.outcome()
	case errors.As(err, &missing):
		return OutcomeRefused
	case errors.Is(err, ErrOutOfFuel):
		return OutcomeOutOfFuel
	case errors.Is(err, errMemory):
		return OutcomeOutOfMemory
	case errors.Is(err, context.DeadlineExceeded):
		return OutcomeTimeout
	case errors.Is(err, context.Canceled), errors.As(err, &killed):
		return OutcomeKilled
	}
	return OutcomeError
}

// ExitStatus is the status that a process reports when a run returned err.
func ExitStatus(err error) int { return ResultOf(err).Status }
