// Package progress shows a build while it goes on.
//
// There are four displays. [Terminal] redraws a few lines in place, [Plain] writes lines that stay, [JSON] writes objects for
// programs, [Quiet] says nothing but why a build failed. What steps write is hostile: no display passes a control character on
// (see [Clean]), and none keeps more than a few kilobytes of a step's output.
package progress

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"boxer.dev/builder"
)

// Display shows one build. Its methods may be called from several goroutines.
type Display interface {
	builder.Progress

	// Finish shows how the build ended and is the last call: with what was built, or the error that Build returned. Of a
	// command that failed it shows the last lines, unless they have been seen. The error itself is left to the caller.
	Finish(built *Built, err error)
}

// label is what a step is called: its place in the Boxfile and its text, on one line.
func label(s *builder.Step) string {
	stage := ""
	if s.Stage != "" {
		stage = s.Stage + " "
	}
	text := strings.Join(strings.Fields(s.Instruction), " ") // lines that were joined are indented
	return Clean(fmt.Sprintf("[%s%d/%d] %s", stage, s.Index, s.Total, text))
}

// describeSnapshot says what a memory image costs and saves, and what runs share by it that they would not share otherwise.
func describeSnapshot(s *builder.Step) string {
	taken := s.Snapshot
	text := fmt.Sprintf("%s: %d pages, %s compressed; each start is spared %d ms",
		taken.Program, taken.Pages, size(s.Size), taken.Elapsed.Milliseconds())
	if taken.Entropy > 0 {
		text += fmt.Sprintf("; %d bytes of entropy were drawn while initialising and are shared by all runs", taken.Entropy)
	}
	return Clean(text)
}

func describeWarning(w builder.Warning) string {
	if w.Rule != "" {
		w.Text = w.Rule + ": " + w.Text
	}
	if w.Line > 0 {
		return fmt.Sprintf("warning: line %d: %s", w.Line, Clean(w.Text))
	}
	return "warning: " + Clean(w.Text)
}

// failure is the end of what a failed command wrote.
func failure(err error) string {
	var failed *builder.RunError
	if errors.As(err, &failed) {
		return failed.Output
	}
	return ""
}

// cause is the one line of why a step failed; the whole error, with its place, follows at the end.
func cause(err error) string {
	var failed *builder.RunError
	if errors.As(err, &failed) && failed.Err == nil {
		return fmt.Sprintf("exit status %d", failed.Status)
	}
	return Clean(err.Error())
}

// outcome is how a step ended.
func outcome(s *builder.Step, err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "CANCELED"
	case err != nil:
		return "ERROR: " + cause(err)
	case s.Cached:
		return "CACHED"
	}
	return "DONE " + seconds(s.Duration)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", max(0, d.Seconds())) }

// clock is where displays have the time from; nil: the system's.
type clock func() time.Time

func (c clock) since(t time.Time) time.Duration { return c.now().Sub(t) }

func (c clock) now() time.Time {
	if c == nil {
		return time.Now()
	}
	return c()
}

// begun is a step that has begun and is not done yet.
type begun struct {
	lineBuffer
	number int // from 1, in order of beginning
	label  string
	at     time.Time
}

// tracker knows the steps that are being carried out.
type tracker struct {
	steps map[*builder.Step]*begun
	count int
}

func (t *tracker) begin(s *builder.Step, now time.Time) *begun {
	if t.steps == nil {
		t.steps = map[*builder.Step]*begun{}
	}
	t.count++
	step := &begun{number: t.count, label: label(s), at: now}
	t.steps[s] = step
	return step
}

func (t *tracker) end(s *builder.Step) (*begun, bool) {
	step, ok := t.steps[s]
	delete(t.steps, s)
	return step, ok
}
