package progress

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"boxer.dev/builder"
)

// Terminal draws a build in place, as docker buildx does: a line for each step with its time, and below those that are being
// carried out the last lines of what they write. [Terminal.Open] begins, Finish ends.
//
// A frame is one write: it goes up to where the one before began, writes each line over the old one, and leaves the cursor
// below. The cursor is hidden, and the terminal keeps lines from wrapping, only within that write, so that a build which is
// killed at any moment leaves the terminal as it was. Sizes are asked for at each frame, so that no signal is needed to hear of
// a new one.
type Terminal struct {
	Out   io.Writer
	Size  func() (columns, rows int) // of the terminal; 0: unknown
	Color bool
	ASCII bool             // the terminal shows no other characters
	Now   func() time.Time // nil: time.Now

	lock   sync.Mutex
	began  time.Time
	rows   []*row
	steps  map[*builder.Step]*row
	stages map[string]int // steps of each stage
	shown  frame          // what is on the screen
	finish chan struct{}  // closed by Finish; nil: nothing draws by itself
	idle   chan struct{}  // closed when nothing does any more
}

// row is a step, or something said between steps.
type row struct {
	step  *builder.Step // nil: an aside
	text  string
	state state
	color string
	at    time.Time
	took  time.Duration
	lines lineBuffer
	tail  []string // the last lines of its output
	after []string // said of it when it is done
}

type state int

const (
	running state = iota
	done
	failed
)

const (
	tailLines = 6 // as buildx shows
	interval  = 100 * time.Millisecond
)

// Open begins to draw, ten times a second.
func (t *Terminal) Open() {
	t.began = clock(t.Now).now()
	t.finish, t.idle = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(t.idle)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				t.Draw()
			case <-t.finish:
				return
			}
		}
	}()
}

// Start adds a step.
func (t *Terminal) Start(s *builder.Step) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.steps == nil {
		t.steps, t.stages = map[*builder.Step]*row{}, map[string]int{}
	}
	r := &row{step: s, text: label(s), at: clock(t.Now).now()}
	t.steps[s] = r
	t.stages[s.Stage] = s.Total
	t.rows = append(t.rows, r)
}

// Output keeps the last lines of a step.
func (t *Terminal) Output(s *builder.Step, text []byte) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if r := t.steps[s]; r != nil {
		r.lines.write(text, r.line)
	}
}

func (r *row) line(text string) {
	if len(r.tail) == tailLines {
		copy(r.tail, r.tail[1:])
		r.tail = r.tail[:tailLines-1]
	}
	r.tail = append(r.tail, text)
}

// Done shows how long a step took, in place of what it wrote.
func (t *Terminal) Done(s *builder.Step, err error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	r := t.steps[s]
	if r == nil {
		return
	}
	r.state, r.took, r.tail, r.color = done, s.Duration, nil, blue
	switch end, _, _ := strings.Cut(outcome(s, err), ":"); {
	case err != nil:
		r.text, r.state, r.color = end+" "+r.text, failed, red
	case s.Cached:
		r.text = end + " " + r.text
	}
	if s.Snapshot != nil && err == nil {
		r.after = []string{describeSnapshot(s)}
	}
}

// Note adds a line.
func (t *Terminal) Note(text string) { t.aside("note: "+Clean(text), "") }

// Warn adds a line.
func (t *Terminal) Warn(w builder.Warning) { t.aside(describeWarning(w), yellow) }

func (t *Terminal) aside(text, color string) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.rows = append(t.rows, &row{text: text, state: done, color: color})
}

// Draw shows the present.
func (t *Terminal) Draw() {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.show(t.draft(nil, ""))
}

// Finish draws all steps, whether or not they are more than the screen has lines, with what each added to the box. The last
// lines of a command that failed come below.
func (t *Terminal) Finish(built *Built, err error) {
	if t.finish != nil {
		close(t.finish)
		<-t.idle
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	if err != nil {
		t.show(t.draft(nil, " FAILED"))
		t.showFailure(err)
		return
	}
	t.show(t.draft(built, " FINISHED"))
	fmt.Fprintln(t.Out, t.text(built.String()))
}

func (t *Terminal) showFailure(err error) {
	output := failure(err)
	if output == "" {
		return
	}
	const rule = "------"
	fmt.Fprintln(t.Out, rule)
	for _, r := range t.rows {
		if r.state == failed && r.step != nil && !strings.HasPrefix(r.text, "CANCELED") {
			fmt.Fprintf(t.Out, " > %s\n", t.text(label(r.step)))
		}
	}
	for line := range strings.Lines(output) {
		fmt.Fprintln(t.Out, t.text(Clean(strings.TrimSuffix(line, "\n"))))
	}
	fmt.Fprintln(t.Out, rule)
}

// text is a text as the terminal can show it.
func (t *Terminal) text(s string) string {
	if !t.ASCII {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r >= 0x80 {
			return '?'
		}
		return r
	}, s)
}

// show replaces the frame on the screen.
func (t *Terminal) show(next frame) {
	var b bytes.Buffer
	next.write(&b, &t.shown)
	t.Out.Write(b.Bytes())
	t.shown = next
}
