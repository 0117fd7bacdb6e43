// Package hint adds to errors what their reader can do about them.
package hint

import "fmt"

// Error is an error with a hint. Its text is the error's alone.
type Error struct {
	error
	hint string
}

// To adds a hint to an error.
func To(err error, format string, args ...any) error {
	return &Error{err, fmt.Sprintf(format, args...)}
}

// Unwrap returns the error without the hint.
func (e *Error) Unwrap() error { return e.error }

// Hint is what can be done.
func (e *Error) Hint() string { return e.hint }
