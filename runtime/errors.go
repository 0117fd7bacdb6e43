package runtime

import (
	"fmt"
	"path"
	"strings"

	"boxer.dev/internal/shell"
)

// Exit statuses of runs that did not end by themselves. 125 to 127 are docker run's, as is 137 for want of memory; 134, 152,
// 153 and 154 are what a shell reports of a process that abort(3), a limit of setrlimit(2) or setitimer(2) ended, by SIGABRT,
// SIGXCPU, SIGXFSZ or SIGVTALRM; 124 is timeout(1)'s and 130 that of an interrupt.
const (
	StatusDeadline      = 124
	StatusFailure       = 125
	StatusNotExecutable = 126
	StatusNotFound      = 127
	StatusInterrupted   = 130
	StatusTrap          = 134
	StatusMemory        = 137
	StatusOutOfFuel     = 152
	StatusOutput        = 153
	StatusCPU           = 154
)

// PlaceError says that a run could not begin for a path that it was given: of a file to begin with, or its working directory.
type PlaceError struct {
	Path string
	Err  error
}

func (e *PlaceError) Error() string { return fmt.Sprintf("%q: %v", e.Path, e.Err) }
func (e *PlaceError) Unwrap() error { return e.Err }

// ExitError is the end of a program with a status other than 0: its own decision, not a failure of boxer.
type ExitError struct {
	Code int // 1 to 255; 128 + n if signal n ended the program
	// Want is OutcomeOutOfMemory or OutcomeDiskFull if that is what the program failed of, OutcomeKilled if it ended because it
	// was interrupted, and else empty.
	Want  Outcome
	Limit Limits // that it had reached, if it was one
	Own   bool   // it is the box's own
}

// Hint says whose limit it is.
func (e *ExitError) Hint() string {
	if e.Limit == (Limits{}) {
		return ""
	}
	return whose(e.Limit, e.Own)
}

func (e *ExitError) Error() string {
	text := fmt.Sprintf("exit status %d", e.Code)
	switch e.Want {
	case OutcomeOutOfMemory:
		text += ": out of memory"
	case OutcomeDiskFull:
		text += ": no room for files"
	}
	return text
}

func (e *ExitError) outcome() Outcome {
	if e.Want != "" {
		return e.Want
	}
	return OutcomeExit
}

// KilledError is a cause for the end of a context (context.WithCancelCause) that gives the run an exit status.
type KilledError struct {
	Reason string // "interrupted", …
	Status int    // 128 + n for signal n
}

func (e *KilledError) Error() string { return e.Reason }

// NotFoundError says that a box has no program of that name.
type NotFoundError struct {
	Name string
	// Wanted is the script whose first line names the program; empty if the command line does.
	Wanted string

	here bool // the working directory has a file of that name
}

func (e *NotFoundError) Error() string {
	if e.Wanted != "" {
		return fmt.Sprintf("%q: the interpreter %q that its first line names is not in the box", e.Wanted, e.Name)
	}
	if strings.Contains(e.Name, "/") {
		return fmt.Sprintf("%q: no such file in the box", e.Name)
	}
	return fmt.Sprintf("%q: no such program on the box's PATH", e.Name)
}

// Hint says what to do instead, for a well-known command that no box has and for a file that is named like one.
func (e *NotFoundError) Hint() string {
	switch hint := shell.Hint(path.Base(e.Name)); {
	case hint != "":
		return hint
	case e.Wanted == "" && strings.HasSuffix(e.Name, ".py"):
		return "a script is the interpreter's argument: python3 " + printable(e.Name)
	case e.here:
		return "there is one in the working directory: ./" + printable(e.Name)
	}
	return ""
}

// NotExecutableError says why a file of a box cannot be run.
type NotExecutableError struct {
	Path   string
	Reason string // "ELF executable for x86-64, not a WebAssembly module", "is a directory", …
	hint   string
	err    error
}

func (e *NotExecutableError) Error() string {
	return fmt.Sprintf("%q cannot be run: %s", e.Path, e.Reason)
}
func (e *NotExecutableError) Unwrap() error { return e.err }

// Hint says what can be done about it, or nothing.
func (e *NotExecutableError) Hint() string { return e.hint }

// TrapError is the end of a program by a WebAssembly trap (core specification, 4.4): an instruction that has no result,
// such as a load outside of memory or `unreachable`, which is how compilers spell abort.
type TrapError struct {
	Program string
	Reason  string   // "unreachable", "out of bounds memory access", …
	Frames  []string // functions that were active, innermost first, with their types; names if the module has them
	Want    Outcome  // OutcomeOutOfMemory or OutcomeDiskFull if that is what the program failed of, and else empty
}

func (e *TrapError) outcome() Outcome {
	if e.Want != "" {
		return e.Want
	}
	return OutcomeTrap
}

func (e *TrapError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%q trapped: %s", e.Program, e.Reason)
	if len(e.Frames) > 0 {
		text.WriteString("\nwasm backtrace:")
	}
	for i, frame := range e.Frames {
		fmt.Fprintf(&text, "\n  %2d: %s", i, frame)
	}
	return text.String()
}
