package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"boxer.dev/builder"
)

// plainProgress writes a build as lines: each step with its time and the size of its layer, what RUN printed beneath it.
type plainProgress struct {
	w     io.Writer
	state outputState
}

type outputState int

const (
	atHeader    outputState = iota // behind a step's text
	atLineStart                    // in its output
	inLine
)

func (p *plainProgress) Start(s *builder.Step) {
	stage := ""
	if s.Stage != "" {
		stage = s.Stage + " "
	}
	fmt.Fprintf(p.w, "[%s%d/%d] %s", stage, s.Index, s.Total, printable(s.Instruction))
	p.state = atHeader
}

func (p *plainProgress) Output(_ *builder.Step, text []byte) {
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
	if p.state == inLine {
		fmt.Fprintln(p.w)
	}
	lead := "  "
	if p.state != atHeader {
		lead = "      "
	}
	switch {
	case err != nil && p.state == atHeader:
		fmt.Fprintln(p.w)
	case err != nil:
	case s.Layer.Hex != "":
		fmt.Fprintf(p.w, "%s%s  %s\n", lead, seconds(s.Duration), size(s.Size))
	default:
		fmt.Fprintf(p.w, "%s%s\n", lead, seconds(s.Duration))
	}
}

func (p *plainProgress) Note(text string) { fmt.Fprintf(p.w, "note: %s\n", printable(text)) }

func (p *plainProgress) Warn(w builder.Warning) {
	if w.Line > 0 {
		fmt.Fprintf(p.w, "warning: line %d: %s\n", w.Line, printable(w.Text))
		return
	}
	fmt.Fprintf(p.w, "warning: %s\n", printable(w.Text))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

// summarize says what was built, in one line.
func summarize(w io.Writer, result *builder.Result, tags []string) error {
	manifest, err := result.Image.Manifest()
	if err != nil {
		return err
	}
	var total, own int64
	for _, layer := range manifest.Layers {
		total += layer.Size
	}
	for _, step := range result.Steps {
		own += step.Size
	}
	name := imageID(result.Digest, false)
	if len(tags) > 0 {
		name = strings.Join(tags, ", ") + " " + name
	}
	fmt.Fprintf(w, "built %s: %s, of which %s its own\n", name, size(total), size(own))
	return nil
}
