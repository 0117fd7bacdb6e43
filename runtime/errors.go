package runtime

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"boxer.dev/internal/shell"
)

// Exit statuses of runs that did not end by themselves. 125 to 127 are docker run's, as is 137 for want of memory; 134, 152
// and 153 are what a shell reports of a process that abort(3) or a limit of setrlimit(2), by SIGXCPU or SIGXFSZ, ended; 124 is
// timeout(1)'s and 130 that of an interrupt.
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
)

// ExitError is the end of a program with a status other than 0: its own decision, not a failure of boxer.
type ExitError struct {
	Code int // 1 to 255; 128 + n if signal n ended the program
}

func (e *ExitError) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

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

// ExitStatus is the status that a process reports when a run returned err: 0 for nil, a program's own status for an
// ExitError, and a Status constant for everything else.
func ExitStatus(err error) int {
	var (
		exit          *ExitError
		notFound      *NotFoundError
		notExecutable *NotExecutableError
		trap          *TrapError
		limit         *LimitError
	)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &limit):
		return limit.Status
	case errors.As(err, &exit):
		return exit.Code
	case errors.As(err, &notFound):
		return StatusNotFound
	case errors.As(err, &notExecutable):
		return StatusNotExecutable
	case errors.As(err, &trap):
		return StatusTrap
	case errors.Is(err, ErrOutOfFuel):
		return StatusOutOfFuel
	case errors.Is(err, context.DeadlineExceeded):
		return StatusDeadline
	case errors.Is(err, context.Canceled):
		return StatusInterrupted
	}
	return StatusFailure
}
