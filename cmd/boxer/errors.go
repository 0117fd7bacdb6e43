package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"boxer.dev/runtime"
)

// hintError adds to an error what its reader can do about it.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }
func (e *hintError) Hint() string  { return e.hint }

func withHint(err error, format string, args ...any) error {
	return &hintError{err: err, hint: fmt.Sprintf(format, args...)}
}

// usageError is a command line that boxer cannot make sense of.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// flagError marks what is wrong with a flag as a usage error, unless it explains itself.
func flagError(_ *cobra.Command, err error) error {
	var hinted *hintError
	if errors.As(err, &hinted) {
		return hinted
	}
	return &usageError{err: err}
}

// report prints an error once and answers the exit status that stands for it.
func (a *app) report(command *cobra.Command, err error) int {
	var exit *runtime.ExitError
	if errors.As(err, &exit) {
		return runtime.ExitStatus(err)
	}
	fmt.Fprintf(a.stderr, "boxer: error: %s\n", printable(err.Error()))
	if hint := hintOf(command, err); hint != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", printable(hint))
	}
	if command.Name() == "run" {
		return runtime.ExitStatus(err)
	}
	return 1
}

func (a *app) warn(err error) {
	fmt.Fprintf(a.stderr, "boxer: warning: %s\n", printable(err.Error()))
}

func hintOf(command *cobra.Command, err error) string {
	var hinter interface{ Hint() string }
	if errors.As(err, &hinter) {
		return hinter.Hint()
	}
	var usage *usageError
	if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command") {
		return fmt.Sprintf("see `%s --help`", command.CommandPath())
	}
	return ""
}

// printable keeps what a guest, a file or a registry put into a message from reaching the terminal as
// control sequences; line ends and tabs stay.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0):
			return '\uFFFD'
		}
		return r
	}, text)
}

// arguments wraps a cobra check of positional arguments so that its failure counts as a usage error.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if err := check(command, args); err != nil {
			return &usageError{err: err}
		}
		return nil
	}
}
