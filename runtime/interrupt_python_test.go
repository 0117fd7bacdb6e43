package runtime

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// whenPrinted sends a signal each time that the program prints one of the texts, in their order.
type whenPrinted struct {
	strings.Builder
	texts   []string
	signal  Signal
	signals chan Signal
	typed   []string // to be typed after each
	input   io.WriteCloser
}

func (w *whenPrinted) Write(p []byte) (int, error) {
	w.Builder.Write(p)
	for len(w.texts) > 0 && strings.Contains(w.String(), w.texts[0]) {
		w.texts = w.texts[1:]
		typed := w.typed[0]
		w.typed = w.typed[1:]
		go func() {
			if typed == "" {
				w.signals <- w.signal
			} else {
				io.WriteString(w.input, typed)
			}
		}()
	}
	return len(p), nil
}

// interrupted runs Python code that prints "go" and is then sent a signal. The library, which takes a TimeoutError for one
// of the system's when it looks for modules, is imported before.
func interrupted(t *testing.T, box *Box, signal Signal, code string) (result, error) {
	t.Helper()
	r, w := io.Pipe()
	defer w.Close()
	out := &whenPrinted{texts: []string{"go\n"}, typed: []string{""}, signal: signal, signals: make(chan Signal)}
	var stderr strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := box.Run(ctx, &Cmd{
		Args: []string{"python3", "-c", "import asyncio, boxer, re, select, signal, sys, time\n" + code}, Stdin: r, Stdout: out, Stderr: &stderr,
		Signals: out.signals, Functions: lending(),
	})
	return result{out.String(), stderr.String(), ExitStatus(err)}, err
}

const (
	say   = "print('go', flush=True)\n"
	tasks = "async def sleep(): print('go', flush=True); await asyncio.sleep(1000)\n" +
		"async def hang(): print('go', flush=True); await boxer.acall('hang')\n"
)

// Wherever Python code is, it sees a signal as the exception that it stands for, whether it counts or not.
func TestPythonSeesSignals(t *testing.T) {
	for _, counting := range []Counting{CountIfNeeded, CountAlways} {
		testSeesSignals(t, load(t, pythonEngine(t, counting), openPython(t)))
	}
}

func testSeesSignals(t *testing.T, box *Box) {
	for name, code := range map[string]string{
		"loop":     "while True: pass",
		"regex":    "re.match(r'(a+)+$', 'a' * 50 + 'b')",
		"integers": "10**10**8",
		"sleep":    "time.sleep(1000)",
		"input":    "input()",
		"read":     "sys.stdin.read()",
		"poll":     "p = select.poll(); p.register(0, select.POLLIN); p.poll()",
		"select":   "select.select([0], [], [], 1000)",
		"asyncio":  "asyncio.run(sleep())",
		"call":     "boxer.call('hang')",
		"acall":    "asyncio.run(hang())",
	} {
		for signal, end := range map[Signal]result{
			Interrupt: {Stderr: "KeyboardInterrupt\n", Status: 130},
			Deadline:  {Stderr: "TimeoutError: the run has taken too long\n", Status: 1},
		} {
			if !strings.HasPrefix(code, "asyncio.run") {
				code = say + code
			}
			got, err := interrupted(t, box, signal, tasks+code)
			if got.Status != end.Status || !strings.HasSuffix(got.Stderr, end.Stderr) {
				t.Errorf("%s, signal %d: %+v, %v", name, signal, got, err)
			}
		}
	}
}

// Signals are what programs make of them, and what is interrupted goes on (PEP 475).
func TestPythonHandlesSignals(t *testing.T) {
	_, box := pythonPool(t)
	for code, want := range map[string]string{
		"try:\n  print('go', flush=True)\n  while True: pass\nexcept KeyboardInterrupt: print('caught')": "caught",
		"signal.signal(signal.SIGINT, lambda *a: print('handled') or exit(0))\n" + say + "input()":       "handled",
		"signal.signal(signal.SIGINT, lambda *a: print('handled'))\n" +
			"t = time.monotonic()\n" + say + "time.sleep(0.2); print(time.monotonic() - t >= 0.2)": "True",
		"async def main():\n  done = asyncio.Event()\n" +
			"  asyncio.get_running_loop().add_signal_handler(signal.SIGINT, done.set)\n  print('go', flush=True)\n" +
			"  await asyncio.wait_for(done.wait(), 1000)\n  print('woken')\nasyncio.run(main())": "woken",
	} {
		got, err := interrupted(t, box, Interrupt, code)
		if !strings.Contains(got.Stdout, want) || got.Status != 0 {
			t.Errorf("%s: %+v, %v", code, got, err)
		}
	}
}

func TestPythonSignalsBeforeTheyCome(t *testing.T) {
	_, box := pythonPool(t)
	const code = "import signal; print(signal.getsignal(signal.SIGXCPU), signal.getsignal(signal.SIGINT))"
	if got := python(t, box, Cmd{}, true, "-c", code); got != "0 <built-in function default_int_handler>\n<nil>" {
		t.Error(got)
	}
}

// Ctrl-C at Python's prompt gives another prompt, as at any terminal.
func TestPythonPromptSurvivesInterrupts(t *testing.T) {
	_, box := pythonPool(t)
	r, w := io.Pipe()
	defer w.Close()
	out := &whenPrinted{
		texts:  []string{">>> ", "5\n>>> ", "KeyboardInterrupt", "6\n", "go\n", "caught\n"},
		typed:  []string{"x = 5; x\n", "", "x + 1\n", "try:\n  print('go')\n  while True: pass\nexcept: print('caught')\n\n", "", "exit(x)\n"},
		signal: Interrupt, signals: make(chan Signal), input: w,
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := box.Run(ctx, &Cmd{
		Args: []string{"python3"}, Stdin: r, Stdout: out, Stderr: out, Terminal: &Terminal{}, Signals: out.signals,
	})
	if ExitStatus(err) != 5 {
		t.Errorf("%v\n%s", err, out)
	}
}

// One signal after another arrives, each once.
func TestPythonManySignals(t *testing.T) {
	_, box := pythonPool(t)
	const times = 50
	out := &whenPrinted{signal: Interrupt, signals: make(chan Signal), typed: make([]string, times)}
	var want strings.Builder
	for n := range times {
		out.texts = append(out.texts, fmt.Sprintf("go %d\n", n))
		fmt.Fprintf(&want, "go %d\ncaught\n", n)
	}
	err := box.Run(t.Context(), &Cmd{Args: []string{"python3", "-c", fmt.Sprintf(`for n in range(%d):
  try:
    print('go', n, flush=True)
    while True: pass
  except KeyboardInterrupt: print('caught', flush=True)`, times)}, Stdout: out, Signals: out.signals})
	if diff := cmp.Diff(want.String(), out.String()); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// What a program does not handle ends it, where it looks for signals.
func TestPythonSignalDefault(t *testing.T) {
	_, box := pythonPool(t)
	if got, err := interrupted(t, box, Interrupt, "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"+say+"while True: pass"); got.Status != StatusInterrupted {
		t.Errorf("%+v, %v", got, err)
	}
}

// What does not end by being told does when the grace is over.
func TestPythonGraceEnds(t *testing.T) {
	_, box := pythonPool(t)
	for _, code := range []string{
		"while True:\n  try:\n    while True: pass\n  except BaseException: pass",
		"import itertools; sum(itertools.repeat(1))",
	} {
		_, err := run(t, box, Cmd{Args: []string{"python3", "-c", code}, Limits: Limits{Timeout: 100 * time.Millisecond}, Grace: 100 * time.Millisecond})
		if got := ResultOf(err).Outcome; got != OutcomeTimeout {
			t.Errorf("%s: %v, %v", code, got, err)
		}
	}
}

// A signal that comes at the end of a run leaves nothing in the instance that the next run gets.
func TestPythonSignalsAtTheEnd(t *testing.T) {
	e, box := pythonPool(t)
	for _, code := range []string{"", "while True: pass", "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"} {
		for range 20 {
			out := &whenPrinted{texts: []string{"go\n"}, typed: []string{""}, signal: Interrupt, signals: make(chan Signal, 1)}
			_ = box.Run(t.Context(), &Cmd{Args: []string{"python3", "-c", say + code}, Stdout: out, Signals: out.signals})
		}
	}
	e.Clean()
	e.Settle()
	seen := 0
	for _, p := range e.loaded() {
		for _, pool := range p.pools.byImage {
			for _, i := range pool.clean {
				fresh, err := p.instantiate(t.Context(), i.image, nil)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(i.memory.Bytes(), fresh.memory.Bytes()) {
					t.Error("its memory is not as it was")
				}
				fresh.close()
				seen++
			}
		}
	}
	if seen == 0 {
		t.Error("no instance was kept")
	}
}
