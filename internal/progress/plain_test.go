package progress

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/builder"
)

func TestPlain(t *testing.T) {
	var out strings.Builder
	watch := &stopwatch{time.Unix(1000, 0)}
	display := &Plain{Out: &out, Now: watch.read}
	all := steps()
	display.Start(all[0])
	display.Done(all[0], nil)
	display.Start(all[1])
	display.Note("python stands for something")
	display.Warn(builder.Warning{Line: 3, Text: "left out"})
	display.Start(all[2])
	watch.advance(250 * time.Millisecond)
	display.Output(all[2], []byte("first\nsec"))
	display.Done(all[1], nil)
	display.Output(all[2], []byte("ond\x1b[31m!"))
	display.Done(all[2], nil)
	display.Finish(ofSteps(all), nil)
	want := `#1 [1/3] WORKDIR /app
#1 CACHED

#2 [2/3] COPY . .
note: python stands for something
warning: line 3: left out

#3 [3/3] RUN python make.py
#3 0.250 first

#2 [2/3] COPY . .
#2 DONE 0.1s

#3 [3/3] RUN python make.py
#3 0.250 second!
#3 DONE 2.0s

STEP                       TIME     SIZE      UNPACKED
base, 1 layer, shared               10.9MB    48MB
[1/3] WORKDIR /app         cached   98B       294B
[2/3] COPY . .             0.1s     2.157kB   6.471kB
[3/3] RUN python make.py   2.0s     1.868kB   5.604kB
built app aaaaaaaaaaaa: 11MB, of which 4.123kB its own; 48.01MB unpacked
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// TestUnchanged: of a build that did nothing new there is no table.
func TestUnchanged(t *testing.T) {
	var out strings.Builder
	display := &Plain{Out: &out}
	step := &builder.Step{Index: 1, Total: 1, Instruction: "COPY . .", Cached: true}
	display.Start(step)
	display.Done(step, nil)
	display.Finish(ofSteps([]*builder.Step{step}), nil)
	if strings.Contains(out.String(), "UNPACKED") {
		t.Errorf("a table of nothing new:\n%s", &out)
	}
}

func TestQuiet(t *testing.T) {
	var out strings.Builder
	display := Quiet{&out}
	step := steps()[2]
	display.Start(step)
	display.Output(step, []byte("first\nlast\n"))
	err := &builder.RunError{Output: "last"}
	display.Done(step, err)
	display.Finish(nil, err)
	if got := out.String(); got != "last\n" {
		t.Errorf("%q", got)
	}
}

func TestJSON(t *testing.T) {
	var out strings.Builder
	watch := &stopwatch{time.Unix(1000, 0)}
	display := &JSON{Out: &out, Now: watch.read}
	all := steps()
	display.Start(all[0])
	display.Done(all[0], nil)
	display.Start(all[2])
	display.Output(all[2], []byte("made \xff\u009b<>\n"))
	failed := &builder.RunError{Args: []string{"python"}, Status: 3}
	display.Done(all[2], failed)
	display.Finish(nil, &builder.Error{File: "Boxfile", Line: 4, Instruction: "RUN", Err: failed})
	var kinds []string
	for line := range strings.Lines(out.String()) {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		kinds = append(kinds, fmt.Sprintf("%s %d %s%s", e.Event, e.Step, e.Text, e.Error))
	}
	want := []string{"start 1 ", "done 1 ", "start 2 ", "output 2 made \ufffd\ufffd<>", "done 2 exit status 3", "error 0 python: exit status 3"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
	if strings.ContainsAny(out.String(), "\u009b\x7f") {
		t.Error("a control character as it is")
	}
}

// TestLongLine: a line without end is neither kept nor lost.
func TestLongLine(t *testing.T) {
	var buffer lineBuffer
	kept, whole := 0, strings.Repeat("x", 3*maxLine+5)
	for i := 0; i < len(whole); i += 1000 {
		buffer.write([]byte(whole[i:min(len(whole), i+1000)]), func(text string) { kept += len(text) })
		if len(buffer.partial) > maxLine {
			t.Fatalf("%d bytes kept", len(buffer.partial))
		}
	}
	buffer.flush(func(text string) { kept += len(text) })
	if kept != len(whole) {
		t.Errorf("%d bytes of %d", kept, len(whole))
	}
}

func TestClean(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"plain", "plain"},
		{"\x1b[1;31mred\x1b[0m", "red"},
		{"\x1b]8;;http://a\x1b\\link\x1b]8;;\x07", "link"},
		{"a\tb\nc", "a b c"},
		{"\x1b", ""},
		{"\x1b[12", ""},
		{"\x1b(Bé 漢", "é 漢"},
		{"bell\a", "bell\ufffd"},
		{"\x9b2Jx", "\ufffd2Jx"},
		{"\u202eright", "\ufffdright"},
		{"\xff", "\ufffd"},
	} {
		if got := Clean(test.text); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

// FuzzClean: a cleaned text is shown as it is by a terminal, and cleaning it again changes nothing.
func FuzzClean(f *testing.F) {
	for _, seed := range []string{"a\x1b[31mb", "\x1b]0;x\x07", "\x1b\x1b[\x1bP", "\u202e\x9b", "\r\n\t", "\ufeff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clean := Clean(text)
		s := newScreen(1<<20, 5)
		fmt.Fprint(s, clean)
		s.check(t)
		if again := Clean(clean); again != clean {
			t.Errorf("%q, then %q", clean, again)
		}
	})
}

func ExamplePlain() {
	display := &Plain{Out: os.Stdout}
	step := &builder.Step{Index: 1, Total: 1, Line: 2, Instruction: "RUN false"}
	display.Start(step)
	err := &builder.RunError{Args: []string{"/bin/sh", "-c", "false"}, Status: 1}
	display.Done(step, err)
	display.Finish(nil, errors.Join(err))
	// Output:
	// #1 [1/1] RUN false
	// #1 ERROR: exit status 1
}

// BenchmarkOutput is the cost of what a talkative command writes, for each line.
func BenchmarkOutput(b *testing.B) {
	display, _ := newTerminal(newScreen(80, 24))
	step := steps()[2]
	display.Start(step)
	line := []byte("Collecting something that has a long name and a \x1b[32mcolour\x1b[0m\n")
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		display.Output(step, line)
	}
}
