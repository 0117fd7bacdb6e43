package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/runtime/capability"
)

// TestOutcomes: each way to end has its outcome and its status, and there is no outcome that nothing has.
func TestOutcomes(t *testing.T) {
	trap := string(startModule(0x00).module())
	b := newBox(t, map[string]string{"/trap": trap, "/etc/": ""}, v1.Config{})
	needy := newBox(t, nil, asking("", "stdin"))
	interrupted, interrupt := context.WithCancelCause(context.Background())
	interrupt(&KilledError{Reason: "terminated", Status: 143})
	seen := map[Outcome]bool{OutcomeCPULimit: true} // by a test of its own
	for _, test := range []struct {
		args   string // words
		limits Limits
		want   Outcome
		status int
	}{
		{"guest", Limits{}, OutcomeOK, 0},
		{"guest exit 3", Limits{}, OutcomeExit, 3},
		{"guest sleep", Limits{Timeout: time.Millisecond}, OutcomeTimeout, 124},
		{"guest", Limits{Memory: 64 << 10}, OutcomeOutOfMemory, 137},
		{"guest memory", Limits{Memory: 32 << 20}, OutcomeOutOfMemory, 2},
		{"guest spin", Limits{Fuel: 1000}, OutcomeOutOfFuel, 152},
		{"seq 1000000", Limits{Output: 10}, OutcomeOutputLimit, 153},
		{"guest write /file x", Limits{Files: 1}, OutcomeDiskFull, 1},
		{"truncate -s 1 /file", Limits{Writable: 1}, OutcomeDiskFull, 1},
		{"/trap", Limits{}, OutcomeTrap, 134},
		{"none", Limits{}, OutcomeNotFound, 127},
		{"/etc", Limits{}, OutcomeNotExecutable, 126},
	} {
		got, err := run(t, b, Cmd{Args: strings.Fields(test.args), Dir: "/tmp", Limits: test.limits})
		result := ResultOf(err)
		if result.Outcome != test.want || result.Status != test.status || got.Status != test.status || (result.Message == "") != (err == nil) {
			t.Errorf("%s, %v: %+v; want %s, %d", test.args, test.limits, result, test.want, test.status)
		}
		if test.limits != (Limits{}) && result.Limit != test.limits.String() {
			t.Errorf("%s: the limit is %q", test.args, result.Limit)
		}
		seen[result.Outcome] = true
	}
	for err, want := range map[error]Result{
		needy.Run(context.Background(), &Cmd{Args: []string{"guest"}}):        {Outcome: OutcomeRefused, Status: 125},
		b.Run(interrupted, &Cmd{Args: []string{"guest"}}):                     {Outcome: OutcomeKilled, Status: 143},
		b.Run(context.Background(), &Cmd{Args: []string{"guest"}, User: "?"}): {Outcome: OutcomeError, Status: 125},
		context.Canceled:         {Outcome: OutcomeKilled, Status: 130},
		context.DeadlineExceeded: {Outcome: OutcomeTimeout, Status: 124},
		errors.New("of ours"):    {Outcome: OutcomeError, Status: 125},
	} {
		got := ResultOf(err)
		if got.Outcome != want.Outcome || got.Status != want.Status || got.Message == "" {
			t.Errorf("%v: %+v, want %+v", err, got, want)
		}
		seen[got.Outcome] = true
	}
	for _, o := range Outcomes() {
		if !seen[o] {
			t.Errorf("nothing ends with %s", o)
		}
	}
}

// TestShortage: what is caught, or was no want of memory, is not taken for it (daytona #4489: out of memory reported as
// something else).
func TestShortage(t *testing.T) {
	for _, test := range []struct {
		words         string
		memory, files bool
		want          Outcome
	}{
		{"Traceback (most recent call last):\n  File \"<string>\", line 1\nMemoryError\n", true, false, OutcomeOutOfMemory},
		{"MemoryError", false, false, OutcomeOutOfMemory},
		{"\x1b[1;35mMemoryError\x1b[0m: \x1b[35mno more\x1b[0m\n\n", false, false, OutcomeOutOfMemory},
		{"numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8 GiB\n", true, false, OutcomeOutOfMemory},
		{"MemoryError\nretrying\nValueError: after it\n", true, false, ""},
		{"json.decoder.JSONDecodeError: Expecting value\n", true, true, ""},
		{"OSError: [Errno 51] No space left on device: '/x'\n", false, true, OutcomeDiskFull},
		{"sqlite3.OperationalError: database or disk is full\n", false, true, OutcomeDiskFull},
		{"OSError: [Errno 51] No space left on device\n", true, false, OutcomeDiskFull},
		{"fatal: allocation failed\n", true, false, OutcomeOutOfMemory},
		{"tee: /x: No space left on device\n", false, true, OutcomeDiskFull},
		{"", true, false, OutcomeOutOfMemory},
		{"", false, false, ""},
		{"No space left on device", false, false, ""}, // anybody can say that
		{"error: MemoryError", false, false, ""},
	} {
		if got := shortage(test.words, test.memory, test.files); got != test.want {
			t.Errorf("%q, %v, %v: %q, want %q", test.words, test.memory, test.files, got, test.want)
		}
	}
}

// TestOutcomesAreDocumented: the table of docs/outcomes.md has them all, each with its status, and no other.
func TestOutcomesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(text)) {
		if name, status, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` | "); ok && strings.HasPrefix(line, "| `") {
			status, _, _ = strings.Cut(status, " |")
			rows = append(rows, name+" "+status)
		}
	}
	var want []string
	for _, o := range Outcomes() {
		status := fmt.Sprint(o.status())
		switch o {
		case OutcomeExit, OutcomeDiskFull:
			status = "the program's"
		case OutcomeOutOfMemory:
			status = "the program's; " + status
		case OutcomeKilled:
			status += "; 143"
		}
		want = append(want, o.String()+" "+status)
	}
	if !slices.Equal(rows, want) {
		t.Errorf("the table has\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
}

func TestResultAsJSON(t *testing.T) {
	text, err := json.Marshal(ResultOf(&LimitError{Limit: capability.Limits{Output: 1 << 20}, Outcome: OutcomeOutputLimit}))
	want := `{"outcome":"output_limit","exit_status":153,"message":"the run was ended: it wrote more than output=1M",` +
		`"hint":"it may be given more: boxer run --limit output=…","limit":"output=1M"}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}

// What of Python nobody caught is told apart from what somebody did.
func TestPythonOutOfMemory(t *testing.T) {
	_, box := pythonPool(t)
	for _, test := range []struct {
		program string
		want    Outcome
		status  int
	}{
		{"x = [bytearray(1 << 20) for _ in range(1000)]", OutcomeOutOfMemory, 1},
		{"x = 'a'\nwhile True: x += x", OutcomeOutOfMemory, 1},
		{"try: x = [bytearray(1 << 20) for _ in range(1000)]\nexcept MemoryError: print('caught')", OutcomeOK, 0},
		{"try: bytearray(1 << 30)\nexcept MemoryError: raise SystemExit(3)", OutcomeOutOfMemory, 3},
		{"try: bytearray(1 << 30)\nexcept MemoryError: int('x')", OutcomeExit, 1},
		{"open('/tmp/f', 'w').write('x' * (1 << 22))", OutcomeDiskFull, 1},
		{"try: open('/tmp/f', 'w').write('x' * (1 << 22))\nexcept OSError: pass", OutcomeOK, 0},
		{"raise SystemExit(7)", OutcomeExit, 7},
	} {
		_, err := run(t, box, Cmd{Args: []string{"python3", "-c", test.program}, Limits: Limits{Memory: 64 << 20, Writable: 1 << 20}})
		if got := ResultOf(err); got.Outcome != test.want || got.Status != test.status {
			t.Errorf("%s\n%+v, want %s, %d", test.program, got, test.want, test.status)
		}
	}
}
