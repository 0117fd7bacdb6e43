package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/builder"
)

// stopwatch is a clock that a test moves.
type stopwatch struct{ now time.Time }

func (w *stopwatch) read() time.Time { return w.now }
func (w *stopwatch) advance(d time.Duration) {
	w.now = w.now.Add(d)
}

func newTerminal(s *screen) (*Terminal, *stopwatch) {
	watch := &stopwatch{time.Unix(1000, 0)}
	t := &Terminal{Out: s, Now: watch.read, Color: true, Size: func() (int, int) { return s.columns, s.rows }}
	t.began = watch.now
	return t, watch
}

// steps are those of a small Boxfile.
func steps() []*builder.Step {
	return []*builder.Step{
		{Index: 1, Total: 3, Line: 2, Instruction: "WORKDIR /app", Layer: digest("1"), Size: 98, Cached: true},
		{Index: 2, Total: 3, Line: 3, Instruction: "COPY . .", Layer: digest("2"), Size: 2157, Duration: 100 * time.Millisecond},
		{Index: 3, Total: 3, Line: 4, Instruction: "RUN python make.py", Layer: digest("3"), Size: 1868, Duration: 2 * time.Second},
	}
}

func digest(digit string) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(digit, 64)}
}

func ofSteps(steps []*builder.Step) *Built {
	b := &Built{
		Digest: digest("a"), Config: digest("b"), Names: []string{"app"}, Size: 11_000_000,
		Layers: []Layer{{Digest: digest("0"), Size: 10_900_000, Unpacked: 48_000_000, Base: true}},
	}
	for _, s := range steps {
		b.Steps = append(b.Steps, *s)
		b.Layers = append(b.Layers, Layer{Digest: s.Layer, Size: s.Size, Unpacked: 3 * s.Size})
	}
	return b
}

func TestTerminal(t *testing.T) {
	s := newScreen(80, 24)
	display, watch := newTerminal(s)
	all := steps()
	display.Note("python:3.13 stands for boxer's own")
	display.Start(all[0])
	display.Done(all[0], nil)
	display.Start(all[1])
	watch.advance(100 * time.Millisecond)
	display.Done(all[1], nil)
	display.Start(all[2])
	for i := range 9 {
		fmt.Fprintf(outputOf(display, all[2]), "line %d\n", i)
	}
	display.Output(all[2], []byte("10 %\r20 %"))
	watch.advance(1500 * time.Millisecond)
	display.Draw()
	want := `[+] Building 1.6s (2/3)
 => note: python:3.13 stands for boxer's own
 => CACHED [1/3] WORKDIR /app                                               0.0s
 => [2/3] COPY . .                                                          0.1s
 => [3/3] RUN python make.py                                                1.5s
 => => # line 4
 => => # line 5
 => => # line 6
 => => # line 7
 => => # line 8
 => => # 20 %
`
	if diff := cmp.Diff(want, s.String()); diff != "" {
		t.Error(diff)
	}
	display.Done(all[2], nil)
	display.Finish(ofSteps(all), nil)
	want = `[+] Building 1.6s (3/3) FINISHED                           SIZE  UNPACKED   TIME
 => base, 1 layer, shared                                10.9MB      48MB
 => note: python:3.13 stands for boxer's own
 => CACHED [1/3] WORKDIR /app                               98B      294B   0.0s
 => [2/3] COPY . .                                      2.157kB   6.471kB   0.1s
 => [3/3] RUN python make.py                            1.868kB   5.604kB   2.0s
built app aaaaaaaaaaaa: 11MB, of which 4.123kB its own; 48.01MB unpacked
`
	if diff := cmp.Diff(want, s.String()); diff != "" {
		t.Error(diff)
	}
	s.check(t)
}

// outputOf is what a step's command writes to.
func outputOf(d Display, s *builder.Step) writer {
	return func(p []byte) { d.Output(s, p) }
}

type writer func(p []byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// TestTerminalFailure: the end of what a command wrote is shown once, after its lines are gone from the screen.
func TestTerminalFailure(t *testing.T) {
	s := newScreen(80, 24)
	display, watch := newTerminal(s)
	other := &builder.Step{Stage: "other", Index: 1, Total: 1, Instruction: "COPY a b"}
	failing := &builder.Step{Stage: "main", Index: 1, Total: 4, Instruction: "RUN make"}
	display.Start(other)
	display.Start(failing)
	display.Output(failing, []byte("it breaks\n"))
	display.Draw()
	watch.advance(time.Second)
	err := &builder.RunError{Args: []string{"make"}, Status: 2, Output: "it breaks"}
	display.Done(failing, err)
	display.Done(other, context.Canceled)
	display.Finish(nil, fmt.Errorf("RUN: %w", err))
	want := `[+] Building 1.0s (2/5) FAILED
 => CANCELED [other 1/1] COPY a b                                           0.0s
 => ERROR [main 1/4] RUN make                                               0.0s
------
 > [main 1/4] RUN make
it breaks
------
`
	if diff := cmp.Diff(want, s.String()); diff != "" {
		t.Error(diff)
	}
	s.check(t)
}

// TestTerminalFits: frames before the last one never have more lines than the screen, whatever happens, or they could not be
// replaced.
func TestTerminalFits(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {80, 6}, {30, 3}, {7, 2}, {1, 1}} {
		s := newScreen(size[0], size[1])
		display, _ := newTerminal(s)
		var all []*builder.Step
		for i := range 12 {
			step := &builder.Step{Index: i + 1, Total: 12, Instruction: "RUN " + strings.Repeat("word ", 30)}
			all = append(all, step)
			display.Start(step)
			for n := range 7 {
				fmt.Fprintf(outputOf(display, step), "%d 漢字 %s\n", n, strings.Repeat("x", 200))
			}
			if i%3 > 0 { // every third goes on
				display.Done(step, nil)
			}
			display.Draw()
			if lines, room := strings.Count(s.String(), "\n"), s.rows-1; lines > room {
				t.Fatalf("%v: %d lines on the screen after %d steps:\n%s", size, lines, i+1, s)
			}
		}
		for i := 0; i < len(all); i += 3 {
			display.Done(all[i], nil)
		}
		display.Finish(ofSteps(all), nil)
		if got := strings.Count(s.String(), "/12]"[:min(4, max(0, size[0]-12))]); size[0] > 20 && got != 12 {
			t.Errorf("%v: %d steps at the end:\n%s", size, got, s)
		}
		s.check(t)
	}
}

// TestTerminalNarrowed: a frame that the terminal broke into more lines is replaced as a whole.
func TestTerminalNarrowed(t *testing.T) {
	s := newScreen(100, 24)
	display, _ := newTerminal(s)
	fmt.Fprintln(s, "$ boxer build .")
	step := &builder.Step{Index: 1, Total: 1, Instruction: "RUN make all"}
	display.Start(step)
	display.Output(step, []byte("working\n"))
	display.Draw()
	s.narrow(40)
	display.Draw()
	want := `$ boxer build .
[+] Building 0.0s (0/1)
 => [1/1] RUN make all              0.0s
 => => # working
`
	if diff := cmp.Diff(want, s.String()); diff != "" {
		t.Error(diff)
	}
	s.check(t)
}

// TestTerminalEscapes: nothing of what a step, a note or an error says reaches the terminal as a control character.
func TestTerminalEscapes(t *testing.T) {
	const evil = "\x1b]0;owned\x07\x1b[2J\x9b2J\u009b31m\u202ered\a\b\x00\x7f"
	s := newScreen(80, 24)
	display, _ := newTerminal(s)
	step := &builder.Step{Stage: evil, Index: 1, Total: 1, Instruction: "RUN " + evil}
	display.Start(step)
	display.Output(step, []byte(evil+"\n"+evil))
	display.Draw()
	display.Note(evil)
	display.Warn(builder.Warning{Line: 1, Text: evil})
	err := &builder.RunError{Output: evil}
	display.Done(step, errors.Join(err, errors.New(evil)))
	display.Finish(nil, err)
	if strings.ContainsRune(s.String(), '\u202e') {
		t.Error("text turned around")
	}
	s.check(t)
}

// TestLongNotes: what is said besides steps can be read to its end when all is over.
func TestLongNotes(t *testing.T) {
	s := newScreen(40, 24)
	display, _ := newTerminal(s)
	step := &builder.Step{Index: 1, Total: 1, Instruction: "COPY . ."}
	display.Start(step)
	display.Warn(builder.Warning{Line: 7, Text: "a text that is longer than a line of this terminal is"})
	display.Draw()
	if cut := " => warning: line 7: a text that is l..."; !strings.Contains(s.String(), cut+"\n") {
		t.Errorf("no %q in\n%s", cut, s)
	}
	display.Done(step, nil)
	display.Finish(ofSteps([]*builder.Step{step}), nil)
	want := ` => warning: line 7: a text that is
    longer than a line of this terminal
    is
`
	if !strings.Contains(s.String(), want) {
		t.Errorf("no %q in\n%s", want, s)
	}
	s.check(t)
}

func TestTerminalASCII(t *testing.T) {
	s := newScreen(80, 24)
	display, _ := newTerminal(s)
	display.ASCII, display.Color = true, false
	step := &builder.Step{Index: 1, Total: 1, Instruction: "RUN echo é…"}
	display.Start(step)
	display.Done(step, nil)
	display.Finish(ofSteps(nil), nil)
	if want := " => [1/1] RUN echo ??"; !strings.Contains(s.String(), want) {
		t.Errorf("got %q, want %q in it", s, want)
	}
	s.check(t)
}

// BenchmarkDraw is the cost of a frame of a build of thirty steps, ten times a second.
func BenchmarkDraw(b *testing.B) {
	display, _ := newTerminal(newScreen(120, 40))
	display.Out = io.Discard
	for i := range 30 {
		step := &builder.Step{Index: i + 1, Total: 30, Instruction: "RUN make all && make install"}
		display.Start(step)
		if i < 28 {
			display.Done(step, nil)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		display.Draw()
	}
}
