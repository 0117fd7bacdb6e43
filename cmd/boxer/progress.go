package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"boxer.dev/builder"
	"boxer.dev/oci"
)

// plainProgress writes a build as lines: each step with its time and the size of its layer, what RUN printed beneath it.
type plainProgress struct {
	w     io.Writer
	state outputState
	lock  sync.Mutex
}

type outputState int

const (
	atLineStart outputState = iota // of its output, or between steps
	atHeader                       // behind a step's text
	inLine
)

func (p *plainProgress) Start(s *builder.Step) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.endLine()
	stage := ""
	if s.Stage != "" {
		stage = s.Stage + " "
	}
	fmt.Fprintf(p.w, "[%s%d/%d] %s", stage, s.Index, s.Total, printable(s.Instruction))
	p.state = atHeader
}

func (p *plainProgress) Output(_ *builder.Step, text []byte) {
	p.lock.Lock()
	defer p.lock.Unlock()
	for line := range strings.Lines(string(text)) {
		if p.state == atHeader {
			fmt.Fprintln(p.w)
		}
		if p.state != inLine {
			fmt.Fprint(p.w, "      ")
		}
		fmt.Fprint(p.w, printable(line))
		p.state = inLine
		if strings.HasSuffix(line, "\n") {
			p.state = atLineStart
		}
	}
}

func (p *plainProgress) Done(s *builder.Step, err error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	lead := "      "
	if p.state == atHeader && err == nil {
		lead, p.state = "  ", atLineStart
	}
	p.endLine()
	switch {
	case err != nil:
	case s.Layer.Hex != "":
		fmt.Fprintf(p.w, "%s%s  %s\n", lead, seconds(s.Duration), size(s.Size))
	default:
		fmt.Fprintf(p.w, "%s%s\n", lead, seconds(s.Duration))
	}
	if s.Snapshot != nil && err == nil {
		fmt.Fprintf(p.w, "      %s\n", printable(describeSnapshot(s)))
	}
}

// describeSnapshot says what a memory image costs and saves, and what runs share by it that they would not share otherwise.
func describeSnapshot(s *builder.Step) string {
	taken := s.Snapshot
	text := fmt.Sprintf("%s: %d pages, %s compressed; each start is spared %d ms",
		taken.Program, taken.Pages, size(s.Size), taken.Elapsed.Milliseconds())
	if taken.Entropy > 0 {
		text += fmt.Sprintf("; %d bytes of entropy were drawn while initialising and are shared by all runs", taken.Entropy)
	}
	return text
}

func (p *plainProgress) Note(text string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.endLine()
	fmt.Fprintf(p.w, "note: %s\n", printable(text))
}

// endLine makes room for what is said in the middle of a step.
func (p *plainProgress) endLine() {
	if p.state != atLineStart {
		fmt.Fprintln(p.w)
		p.state = atLineStart
	}
}

func (p *plainProgress) Warn(w builder.Warning) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.endLine()
	if w.Line > 0 {
		fmt.Fprintf(p.w, "warning: line %d: %s\n", w.Line, printable(w.Text))
		return
	}
	fmt.Fprintf(p.w, "warning: %s\n", printable(w.Text))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

// summarize says what was built, in one line.
func summarize(w io.Writer, result *builder.Result, tags []string) error {
	whole, err := oci.Inspect(result.Image)
	if err != nil {
		return err
	}
	var own int64
	for _, step := range result.Steps {
		own += step.Size
	}
	name := imageID(result.Digest, false)
	if len(tags) > 0 {
		name = strings.Join(tags, ", ") + " " + name
	}
	fmt.Fprintf(w, "built %s: %s, of which %s its own\n", name, size(whole.Size), size(own))
	return nil
}

// quietProgress tells nothing of a build that succeeds, and of another what the command that failed wrote last.
type quietProgress struct{ w io.Writer }

func (quietProgress) Start(*builder.Step)          {}
func (quietProgress) Output(*builder.Step, []byte) {}
func (quietProgress) Note(string)                  {}
func (quietProgress) Warn(builder.Warning)         {}

func (p quietProgress) Done(_ *builder.Step, err error) {
	var failed *builder.RunError
	if errors.As(err, &failed) && failed.Output != "" {
		fmt.Fprintln(p.w, failed.Output)
	}
}
