package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"boxer.dev/internal/hint"
	"boxer.dev/runtime"
)

func withHint(err error, format string, args ...any) error { return hint.To(err, format, args...) }

// usageError is a command line that boxer cannot make sense of.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// flagError marks what is wrong with a flag as a usage error, unless it explains itself.
func flagError(_ *cobra.Command, err error) error {
	var hinted *hint.Error
	if errors.As(err, &hinted) {
		return hinted
	}
	return &usageError{err: err}
}

// report prints an error once and answers the exit status that stands for it.
func (a *app) report(command *cobra.Command, err error) int {
	var exit *runtime.ExitError
	if errors.As(err, &exit) {
		if exit.Hint() != "" { // the program has said what it wanted, not what it may have
			a.warn(fmt.Errorf("it may have no more than %s", exit.Limit))
			fmt.Fprintf(a.stderr, "hint: %s\n", printable(exit.Hint()))
		}
		return runtime.ExitStatus(err)
	}
	var reported *reportedError
	if errors.As(err, &reported) {
		return reported.status
	}
	fmt.Fprintf(a.stderr, "boxer: error: %s\n", printable(err.Error()))
	if hint := hintOf(command, err); hint != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", printable(hint))
	}
	var failed *failedRun
	if errors.As(err, &failed) {
		fmt.Fprintf(a.stderr, "to reproduce: %s\n", printable(failed.command))
	}
	var status *statusError
	switch {
	case errors.As(err, &status):
		return status.status
	case command.Name() == "run":
		return runtime.ExitStatus(err)
	}
	return 1
}

// statusError is an error with an exit status of its own.
type statusError struct {
	err    error
	status int
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func (a *app) warn(err error) {
	fmt.Fprintf(a.stderr, "boxer: warning: %s\n", printable(err.Error()))
}

func hintOf(command *cobra.Command, err error) string {
	var hinter interface{ Hint() string }
	if errors.As(err, &hinter) {
		return hinter.Hint()
	}
	var usage *usageError
	var name string
	switch n, _ := fmt.Sscanf(err.Error(), "unknown command %q", &name); {
	case n == 1:
		if similar := similarTo(command, name); similar != "" {
			return fmt.Sprintf("did you mean `%s %s`?", command.CommandPath(), similar)
		}
	case !errors.As(err, &usage):
		return ""
	}
	return fmt.Sprintf("see `%s --help`", command.CommandPath())
}

// similarTo is the one subcommand that could have been meant, if there is one: the nearest.
func similarTo(command *cobra.Command, name string) string {
	const edits = 2 // cobra's own default
	for distance := 1; distance <= edits && len(name) > edits; distance++ {
		command.SuggestionsMinimumDistance = distance
		if similar := command.SuggestionsFor(name); len(similar) == 1 {
			return similar[0]
		}
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
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return '\uFFFD'
		}
		return r
	}, text)
}

// arguments wraps a cobra check of positional arguments so that its failure is a usage error, which says what is wanted.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		err := check(command, args)
		switch {
		case err == nil:
			return nil
		case command.HasSubCommands(): // what is no subcommand
			return err
		}
		_, wanted, _ := strings.Cut(command.Use, " ")
		if wanted = strings.TrimPrefix(wanted, "[OPTIONS]"); wanted == "" {
			wanted = "no arguments"
		}
		return &usageError{err: fmt.Errorf("`%s` takes %s", command.CommandPath(), strings.TrimSpace(wanted))}
	}
}
