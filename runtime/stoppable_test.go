package runtime

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"
	"time"
)

// runaways never end, or not before anybody loses patience. Each says so first: what follows is in the loop, not before it.
var runaways = map[string]string{
	"loop":              "while True: pass",
	"recursion":         "def f(n):\n  if n: f(n-1); f(n-1)\nf(60)",
	"sum":               "import itertools; sum(itertools.repeat(1))",
	"all":               "import itertools; all(itertools.repeat(True))",
	"regex":             "import re; re.match(r'(a+)+$', 'a' * 50 + 'b')",
	"big integers":      "10**10**8",
	"integer to text":   "import sys; sys.set_int_max_str_digits(0); str(1 << 10**8)",
	"sorting":           "sorted(range(10**8), key=lambda n: -n)",
	"string search":     "('a' * 10**6 + 'b').replace('a' * 10**5 + 'c', '') and [('a' * 10**7).find('a' * 5000 + 'b') for _ in range(10**5)]",
	"deep comparison":   "a = b = []\nfor _ in range(100): a, b = [a, a], [b, b]\na == b",
	"repr of a dag":     "a = []\nfor _ in range(100): a = [a, a]\nrepr(a)",
	"parser":            "import ast\nfor _ in iter(int, 1): ast.parse('(' * 50 + ')' * 50)",
	"except everything": "while True:\n  try:\n    while True: pass\n  except BaseException: pass",
	"finally":           "def f():\n  try:\n    while True: pass\n  finally:\n    f()\nf()",
	"atexit":            "import atexit\n@atexit.register\ndef _():\n  while True: pass",
	"destructor":        "class A:\n  def __del__(self):\n    while True: pass\nA()",
	"sleep":             "import time; time.sleep(10**6)",
	"standard input":    "input()",
}

// Every runaway ends when its context does, garbage is collected meanwhile, and the next run is none the worse.
func TestPythonIsStopped(t *testing.T) {
	for _, counting := range []Counting{CountIfNeeded, CountAlways} {
		testPythonIsStopped(t, load(t, pythonEngine(t, counting), openPython(t)), fmt.Sprintf("counting %d, ", counting))
	}
}

func testPythonIsStopped(t *testing.T, box *Box, prefix string) {
	for name, program := range runaways {
		t.Run(prefix+name, func(t *testing.T) {
			started := newTrigger("go\n")
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			done := make(chan error, 1)
			go func() {
				done <- box.Run(ctx, &Cmd{
					Args: []string{"python3", "-c", "print('go', flush=True)\n" + program}, Stdin: silence{ctx},
					Stdout: started, Stderr: started,
				})
			}()
			select {
			case <-started.pulled:
			case err := <-done:
				t.Fatalf("it did not start: %v\n%s", err, started)
			}
			for range 3 {
				goruntime.GC() // which stops the world, the program included
			}
			cancel()
			select {
			case err := <-done:
				if !errors.Is(err, context.Canceled) || ExitStatus(err) != StatusInterrupted {
					t.Errorf("it ended with %v\n%s", err, started)
				}
			case <-time.After(time.Minute):
				t.Fatal("it did not end within a minute")
			}
		})
		if got := python(t, box, Cmd{}, true, "-c", "print(6*7)"); got != "42\n<nil>" {
			t.Errorf("the run after %q gives %s", name, got)
		}
	}
}

// trigger is a writer that tells when a text has come.
type trigger struct {
	text    string
	written strings.Builder
	pulled  chan struct{}
	done    bool
}

func newTrigger(text string) *trigger { return &trigger{text: text, pulled: make(chan struct{})} }

func (w *trigger) Write(p []byte) (int, error) {
	w.written.Write(p)
	if !w.done && strings.Contains(w.written.String(), w.text) {
		w.done = true
		close(w.pulled)
	}
	return len(p), nil
}

func (w *trigger) String() string { return w.written.String() }

// silence is an input that says nothing until the context ends.
type silence struct{ context.Context }

func (s silence) Read([]byte) (int, error) {
	<-s.Done()
	return 0, s.Err()
}

// The same program takes the same fuel, whatever the time, the pool or what else runs; more work takes more.
func TestFuelIsTheSameEachTime(t *testing.T) {
	_, box := pythonPool(t)
	burn := func(n int) int64 {
		var stats Stats
		c := Cmd{Args: []string{"python3", "-c", fmt.Sprintf("print(sum(i * i for i in range(%d)))", n)}, Limits: Limits{Fuel: 1 << 40}, Stats: &stats}
		if _, err := run(t, box, c); err != nil {
			t.Fatal(err)
		}
		return stats.Fuel
	}
	first := burn(10_000)
	for range 5 {
		if again := burn(10_000); again != first {
			t.Errorf("%d instructions, then %d", first, again)
		}
	}
	box = load(t, pythonEngine(t, CountAlways), openPython(t))
	if again := burn(10_000); again != first {
		t.Errorf("%d instructions, and %d where they are tested", first, again)
	}
	if more := burn(20_000); more < first+10_000*50 || more > 3*first {
		t.Errorf("%d for twice the work that took %d", more, first)
	}
}

// A run that has used up its fuel ends at the same place each time.
func TestOutOfFuel(t *testing.T) {
	_, box := pythonPool(t)
	var outputs []string
	for _, box := range []*Box{box, box, load(t, pythonEngine(t, CountAlways), openPython(t))} {
		var stats Stats
		got, err := run(t, box, Cmd{
			Args: []string{"python3", "-c", "for i in range(10**9): print(i, flush=True)"}, Limits: Limits{Fuel: 50_000_000}, Stats: &stats,
		})
		if !errors.Is(err, ErrOutOfFuel) || ExitStatus(err) != StatusOutOfFuel {
			t.Fatalf("%v", err)
		}
		if stats.Fuel != 50_000_000 {
			t.Errorf("it has used %d", stats.Fuel)
		}
		outputs = append(outputs, got.Stdout)
	}
	if len(outputs[0]) < 100 || outputs[0] != outputs[1] || outputs[1] != outputs[2] {
		t.Errorf("outputs of %d, %d and %d bytes", len(outputs[0]), len(outputs[1]), len(outputs[2]))
	}
	if got := python(t, box, Cmd{Limits: Limits{Fuel: 1 << 40}}, true, "-c", "print(6*7)"); got != "42\n<nil>" {
		t.Error(got)
	}
}
