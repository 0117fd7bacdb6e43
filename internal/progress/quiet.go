package progress

import (
	"fmt"
	"io"

	"boxer.dev/builder"
)

// Quiet tells nothing of a build that succeeds, and of another what the command that failed wrote last.
type Quiet struct{ Out io.Writer }

// Start says nothing.
func (Quiet) Start(*builder.Step) {}

// Output says nothing.
func (Quiet) Output(*builder.Step, []byte) {}

// Done says nothing.
func (Quiet) Done(*builder.Step, error) {}

// Note says nothing.
func (Quiet) Note(string) {}

// Warn says nothing.
func (Quiet) Warn(builder.Warning) {}

// Finish shows the last lines of a command that failed.
func (q Quiet) Finish(_ *Built, err error) {
	if text := failure(err); text != "" {
		fmt.Fprintln(q.Out, text)
	}
}
