package builder

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"boxer.dev/internal/hint"
)

// Error is what went wrong at a place in a Boxfile.
type Error struct {
	File        string // as it was given to Parse
	Line        int    // from 1; 0: the file as a whole
	Instruction string // in capitals; empty: none
	Excerpt     string // the lines about it, its own marked, each after a line end
	Err         error
	hint        string
}

// Error returns "Boxfile:3: COPY: …" and, below it, the lines about it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	b.WriteString(": ")
	if e.Instruction != "" {
		b.WriteString(e.Instruction + ": ")
	}
	for i, line := range strings.Split(e.Err.Error(), "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(printable(line)) // it may quote anything
	}
	return b.String() + e.Excerpt
}

func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do about it; empty if nobody knows.
func (e *Error) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	return hintOf(e.Err)
}

// RunError is a command of RUN that failed.
type RunError struct {
	Args   []string
	Status int    // exit status; -1 if it did not come to one
	Output string // the last lines that it wrote, control characters removed
	Err    error

	Attempt *Attempt // to run it again; nil if there is none

	heard bool // somebody was told of what it wrote while it ran
}

func (e *RunError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", quoteArgs(e.Args), e.Err)
	}
	return fmt.Sprintf("%s: exit status %d", quoteArgs(e.Args), e.Status)
}

func (e *RunError) Unwrap() error { return e.Err }

// statusNotFound is how a shell says that there is no such command (POSIX.1-2024, 2.8.2).
const statusNotFound = 127

// Hint is that of the error or what the command, pip say, wrote last after "hint:"; nothing if that has been read already.
func (e *RunError) Hint() string {
	if hint := hintOf(e.Err); hint != "" {
		return hint
	}
	hint, found := e.printedHint()
	switch {
	case !found && e.Status == statusNotFound:
		return "the box has no such command: COPY a WebAssembly program of that name in, or start from a base that has it"
	case e.heard:
		return ""
	}
	return hint
}

// printedHint looks for a line that begins with "hint: ", and returns the rest of the last one.
func (e *RunError) printedHint() (hint string, found bool) {
	const begin = "\nhint: "
	text := "\n" + e.Output
	i := strings.LastIndex(text, begin)
	if i < 0 {
		return "", false
	}
	hint, _, _ = strings.Cut(text[i+len(begin):], "\n")
	return hint, true
}

func withHint(err error, format string, args ...any) error { return hint.To(err, format, args...) }

// orHint adds a hint to an error that has none.
func orHint(err error, hint string) error {
	if hintOf(err) != "" {
		return err
	}
	return withHint(err, "%s", hint)
}

// hintOf returns the outermost hint in err's chain.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if err != nil && errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// quote makes a name from the context or the box fit for a message: names may hold anything, terminal escapes included.
func quote(name string) string {
	for _, r := range name {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) || r == ' ' || r == '"' {
			return strconv.Quote(name)
		}
	}
	if name == "" {
		return `""`
	}
	return name
}

func quoteArgs(args []string) string {
	const limit = 80
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = quote(a)
	}
	s := strings.Join(quoted, " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

func closeAll(closers []func() error) error {
	var errs []error
	for i := len(closers) - 1; i >= 0; i-- {
		errs = append(errs, closers[i]())
	}
	return errors.Join(errs...)
}
