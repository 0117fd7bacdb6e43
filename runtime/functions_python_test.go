package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lending are functions for tests.
func lending() map[string]Function {
	return map[string]Function{
		"add": func(_ context.Context, arguments json.RawMessage) (any, error) {
			var x, y int
			err := json.Unmarshal(arguments, &[]any{&x, &y})
			return x + y, err
		},
		"echo":   func(_ context.Context, arguments json.RawMessage) (any, error) { return arguments, nil },
		"fail":   func(context.Context, json.RawMessage) (any, error) { return nil, errors.New("it is \"broken\"") },
		"panic":  func(context.Context, json.RawMessage) (any, error) { panic("secret") },
		"opaque": func(context.Context, json.RawMessage) (any, error) { return func() {}, nil },
		"big":    func(context.Context, json.RawMessage) (any, error) { return strings.Repeat("x", 1000), nil },
		"hang": func(ctx context.Context, _ json.RawMessage) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
		"deaf": func(context.Context, json.RawMessage) (any, error) { select {} },
	}
}

func TestPythonFunctions(t *testing.T) {
	_, box := pythonPool(t)
	const header = "import asyncio, boxer\n" +
		"def why(*args, **kwargs):\n" +
		"    try: return boxer.call(*args, **kwargs)\n" +
		"    except Exception as e: return type(e).__name__, str(e)\n"
	for code, want := range map[string]string{
		"boxer.functions()":                     "['add', 'big', 'deaf', 'echo', 'fail', 'hang', 'opaque', 'panic']",
		"boxer.call('add', 1, 2)":               "3",
		"boxer.call('echo')":                    "[]",
		"boxer.call('echo', 'é\\0', None, 1.5)": "['é\\x00', None, 1.5]",
		"boxer.call('echo', x=1, name='y')":     "{'x': 1, 'name': 'y'}",
		"boxer.call('echo', 1, x=[2])":          "[1, {'x': [2]}]",
		"why('fail')":                           "('CallError', 'fail: it is \"broken\"')",
		"why('panic')":                          "('CallError', 'panic: the function has panicked')",
		"why('opaque')":                         "('CallError', 'opaque: the result is not JSON: json: unsupported type: func()')",
		"why('big')":                            "('CallError', 'big: the result is larger than 100 bytes')",
		"why('echo', 'x' * 100)":                "('CallError', 'echo: the arguments are too large')",
		"why('nope')":                           "('UnknownFunctionError', \"the host lends no function 'nope'\")",
		"issubclass(boxer.UnknownFunctionError, LookupError)": "True",
		"why('echo', object())":                               "('TypeError', 'Object of type object is not JSON serializable')",
		"why('echo', float('nan'))":                           "('TypeError', 'echo: Out of range float values are not JSON compliant: nan')",
		"asyncio.run(boxer.acall('add', 1, 2))":               "3",
	} {
		c := Cmd{Functions: lending(), Calls: Calls{MaxArguments: 100, MaxResult: 100}}
		got := python(t, box, c, true, "-c", header+"print("+code+")")
		if diff := cmp.Diff(want+"\n<nil>", got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", code, diff)
		}
	}
	if got := python(t, box, Cmd{}, true, "-c", header+"print(boxer.functions(), why('add'))"); !strings.HasPrefix(got, "[] ('UnknownFunctionError'") {
		t.Errorf("without functions: %s", got)
	}
}

// Calls of several tasks go on at the same time: none of these returns before all have begun.
func TestPythonFunctionsAreConcurrent(t *testing.T) {
	_, box := pythonPool(t)
	const tasks = 5
	var begun atomic.Int32
	all := make(chan struct{})
	meet := func(_ context.Context, arguments json.RawMessage) (any, error) {
		if begun.Add(1) == tasks {
			close(all)
		}
		<-all
		return arguments, nil
	}
	var stats Stats
	got, err := run(t, box, Cmd{
		Functions: map[string]Function{"meet": meet}, Stats: &stats,
		Args: []string{"python3", "-c", `import asyncio, boxer
async def ticks():
    for i in range(3): await asyncio.sleep(0.001)
    return 'ticked'
async def main():
    return await asyncio.gather(ticks(), *(boxer.acall('meet', i) for i in range(5)))
print(asyncio.run(main()))
try: boxer.call('meet')
except boxer.CallError as e: print(e)
`},
	})
	if want := "['ticked', [0], [1], [2], [3], [4]]\n"; !strings.HasPrefix(got.Stdout, want) || stats.Calls != tasks+1 {
		t.Errorf("%+v, %v; %d calls", got, err, stats.Calls)
	}
}

// A task that is cancelled ends its call; what is still going on when the program ends keeps nobody waiting.
func TestPythonFunctionsAreCancelled(t *testing.T) {
	_, box := pythonPool(t)
	for _, code := range []string{
		"asyncio.run(asyncio.wait_for(boxer.acall('hang'), 0.001))",
		"asyncio.run(asyncio.wait_for(boxer.acall('deaf'), 0.001))",
	} {
		got, err := run(t, box, Cmd{Functions: lending(), Args: []string{"python3", "-c", "import asyncio, boxer\n" + code}})
		if got.Status != 1 || !strings.HasSuffix(got.Stderr, "TimeoutError\n") {
			t.Errorf("%s: %+v, %v", code, got, err)
		}
	}
	for _, name := range []string{"hang", "deaf"} {
		got, err := run(t, box, Cmd{
			Functions: lending(), Limits: Limits{Timeout: 200 * time.Millisecond},
			Args: []string{"python3", "-c", "import boxer; boxer.call('" + name + "')"},
		})
		if got.Status != StatusDeadline {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// A function may run boxes, this one too, and how deep that goes is bounded.
func TestPythonFunctionRunsBox(t *testing.T) {
	_, box := pythonPool(t)
	const code = "import boxer\ntry: print(boxer.call('again'))\nexcept boxer.CallError: print('deep enough')"
	var depth atomic.Int32
	again := map[string]Function{}
	again["again"] = func(ctx context.Context, _ json.RawMessage) (any, error) {
		if depth.Add(1) > 3 {
			return nil, errors.New("too deep")
		}
		var out strings.Builder
		err := box.Run(ctx, &Cmd{Args: []string{"python3", "-c", code}, Stdout: &out, Functions: again})
		return out.String(), err
	}
	if got := python(t, box, Cmd{Functions: again}, true, "-c", code); !strings.HasPrefix(got, "deep enough") {
		t.Error(got)
	}
}

// What was printed before a call is not seen after it, and the log has every call.
func TestPythonFunctionLog(t *testing.T) {
	_, box := pythonPool(t)
	var log bytes.Buffer
	options := slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "elapsed" {
			return slog.Attr{}
		}
		return a
	}}
	c := Cmd{Functions: lending(), Calls: Calls{Logger: slog.New(slog.NewTextHandler(&log, &options))}}
	python(t, box, c, true, "-c", "import boxer; boxer.call('add', 1, 2)\ntry: boxer.call('fail')\nexcept boxer.CallError: pass")
	want := "level=INFO msg=\"host function\" function=add argument_bytes=6 result_bytes=1\n" +
		"level=WARN msg=\"host function\" function=fail argument_bytes=2 result_bytes=0 error=\"it is \\\"broken\\\"\"\n"
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkPythonFunction(b *testing.B) {
	_, box := pythonPool(b)
	s, err := box.Session(b.Context(), &Cmd{Functions: lending(), Stdout: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Execute(b.Context(), "import boxer", Execution{}); err != nil {
		b.Fatal(err)
	}
	const each = 1000
	for b.Loop() {
		if _, err := s.Execute(b.Context(), "for _ in range(1000): boxer.call('add', 1, 2)", Execution{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/each, "µs/call")
}
