package progress

import (
	"fmt"
	"io"
	"sync"
	"time"

	"boxer.dev/builder"
)

// Plain writes a build as lines, in the notation of `docker buildx build --progress=plain`: each begins with its step's number,
// and what a command writes has the seconds since the step began before it.
type Plain struct {
	Out io.Writer
	Now func() time.Time // nil: time.Now

	lock  sync.Mutex
	steps tracker
	last  int // number of the step that the last line is of; 0: none
}

// Start shows a step's number and text.
func (p *Plain) Start(s *builder.Step) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.turnTo(p.steps.begin(s, clock(p.Now).now()))
}

// turnTo makes the next line one of the given step. Where that is another one than before, a blank line and the step's text
// come between.
func (p *Plain) turnTo(step *begun) {
	if p.last == step.number {
		return
	}
	if p.last != 0 {
		fmt.Fprintln(p.Out)
	}
	p.last = step.number
	fmt.Fprintf(p.Out, "#%d %s\n", step.number, step.label)
}

// Output shows the lines that p completes.
func (p *Plain) Output(s *builder.Step, text []byte) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if step := p.steps.steps[s]; step != nil {
		step.write(text, func(line string) { p.line(step, line) })
	}
}

func (p *Plain) line(step *begun, text string) {
	p.turnTo(step)
	fmt.Fprintf(p.Out, "#%d %.3f %s\n", step.number, clock(p.Now).since(step.at).Seconds(), text)
}

// Done shows how long a step took, or that it failed.
func (p *Plain) Done(s *builder.Step, err error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	step, ok := p.steps.end(s)
	if !ok {
		return
	}
	step.flush(func(line string) { p.line(step, line) })
	p.turnTo(step)
	if s.Snapshot != nil && err == nil {
		fmt.Fprintf(p.Out, "#%d %s\n", step.number, describeSnapshot(s))
	}
	fmt.Fprintf(p.Out, "#%d %s\n", step.number, outcome(s, err))
}

// Note shows a fact on a line of its own.
func (p *Plain) Note(text string) { p.aside("note: " + Clean(text)) }

// Warn shows a warning on a line of its own.
func (p *Plain) Warn(w builder.Warning) { p.aside(describeWarning(w)) }

func (p *Plain) aside(text string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	fmt.Fprintln(p.Out, text)
}

// Finish shows what the box consists of.
func (p *Plain) Finish(built *Built, err error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.last != 0 {
		fmt.Fprintln(p.Out)
	}
	if err != nil {
		return
	}
	if built.news() {
		built.table(p.Out)
	}
	fmt.Fprintln(p.Out, built)
}
