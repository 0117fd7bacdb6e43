package runtime

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/wasm"
	"boxer.dev/runtime/capability"
	"boxer.dev/vfs"
)

// asking makes a configuration that asks for what LIMIT and ALLOW say.
func asking(limit, allow string) v1.Config {
	return v1.Config{Labels: map[string]string{capability.LimitLabel: limit, capability.AllowLabel: allow}}
}

func TestLimitsOfFiles(t *testing.T) {
	b := newBox(t, map[string]string{"/file": "x"}, v1.Config{})
	for _, test := range []struct {
		limits Limits
		script string
		want   string // in what is printed
	}{
		{Limits{Writable: 32 << 20}, `head -c 40000000 /dev/zero > /big`, "No space left"},
		{Limits{Files: 8}, `for i in 1 2 3 4 5 6 7 8 9; do touch /$i; done`, "No space left"},
		{Limits{ReadOnly: true}, `touch /new`, "Read-only file system"},
		{Limits{ReadOnly: true}, `echo x >> /file`, "Read-only file system"},
		{Limits{ReadOnly: true}, `rm /file`, "Read-only file system"},
		{Limits{ReadOnly: true}, `mv /file /other`, "Read-only file system"},
		{Limits{ReadOnly: true}, `chmod 600 /file`, "Read-only file system"},
		{Limits{ReadOnly: true}, `cat /file; pwd; echo fine > /dev/null`, "x/work"},
		{Limits{OpenFiles: 10}, `guest open /file`, "6 "}, // three streams and the root are open
	} {
		got, err := run(t, b, Cmd{Args: []string{"sh", "-c", test.script}, Dir: "/work", Limits: test.limits})
		if !strings.Contains(got.Stdout+got.Stderr, test.want) {
			t.Errorf("%v: %s: %+v, %v; want %q", test.limits, test.script, got, err, test.want)
		}
	}
}

// TestMemoryLimit: memory grows up to the limit, and programs of one run share it.
func TestMemoryLimit(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	got, err := run(t, b, Cmd{Args: []string{"guest", "memory"}, Limits: Limits{Memory: 32 << 20}})
	if got.Status != 2 || !strings.Contains(got.Stderr, "out of memory") { // as Go's runtime takes it
		t.Errorf("with too little: %+v, %v", got, err)
	}
	var stats Stats
	got, err = run(t, b, Cmd{Args: []string{"guest", "memory"}, Limits: Limits{Memory: 256 << 20}, Stats: &stats})
	if err != nil || stats.PeakMemory < 64<<20 {
		t.Errorf("with enough: %+v, %v, %d", got, err, stats.PeakMemory)
	}
	var limit *LimitError
	got, err = run(t, b, Cmd{Args: []string{"guest"}, Limits: Limits{Memory: 64 << 10}})
	if got.Status != StatusMemory || !errors.As(err, &limit) {
		t.Errorf("with too little to start: %+v, %v", got, err)
	}
}

// TestMemoryLimitOfInstances: the limit is the run's, and not left to the next that gets the instance.
func TestMemoryLimitOfInstances(t *testing.T) {
	needCompiler(t)
	const page = 64 << 10
	e := newEngine(t, Options{Keep: 2})
	b := load(t, e, imaged(t, e, initialised(nil, growMemory)))
	for i, test := range []struct{ limit, peak int64 }{
		{page, page}, {0, 2 * page}, {page, page}, {2 * page, 2 * page}, {page, page}, {0, 2 * page}, {3 * page, 2 * page},
	} {
		var stats Stats
		got, err := run(t, b, Cmd{Args: []string{"/p"}, Limits: Limits{Memory: test.limit}, Stats: &stats})
		if err != nil || got.Stdout != "*#" || stats.PeakMemory != uint64(test.peak) || stats.Restored != 1 {
			t.Errorf("run %d, limit %d: %+v, %v, %d", i, test.limit, got, err, stats.PeakMemory)
		}
		e.Settle()
	}
	if got, err := run(t, b, Cmd{Args: []string{"/p"}, Limits: Limits{Memory: page - 1}}); got.Status != StatusMemory {
		t.Errorf("an image larger than the limit: %+v, %v", got, err)
	}
	if got, err := run(t, b, Cmd{Args: []string{"/p"}}); err != nil {
		t.Errorf("after it: %+v, %v", got, err)
	}
}

// TestOutputLimit: not a byte more is written, to both streams together, and the run ends (snekbox #81).
func TestOutputLimit(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	for _, args := range [][]string{
		{"guest", "echo"},
		{"sh", "-c", "while :; do echo 1234567; done"},
		{"sh", "-c", "while :; do echo 1234567; echo 1234567 >&2; done"},
		{"sh", "-c", "cat > /dev/stdout; echo 1234567; exit 0"},
		{"sh", "-c", "cat | cat | cat"},
	} {
		var output bytes.Buffer
		input := strings.NewReader(strings.Repeat("1234567\n", 10_000))
		got, err := run(t, b, Cmd{Args: args, Stdin: input, Stdout: &output, Stderr: &output, Limits: Limits{Output: 1001}})
		var limit *LimitError
		if output.Len() != 1001 || got.Status != StatusOutput || !errors.As(err, &limit) {
			t.Errorf("%q: %d bytes, %v", args, output.Len(), err)
		}
	}
	// What stays in the box is no output, and a limit that is just met is none that was reached.
	got, err := run(t, b, Cmd{Args: []string{"sh", "-c", "seq 1000 | tail -1; seq 1000 > /file; printf 12345"}, Limits: Limits{Output: 10}})
	if err != nil || got.Stdout != "1000\n12345" {
		t.Errorf("%+v, %v", got, err)
	}
	// Output that nobody wants counts too.
	if err := b.Run(context.Background(), &Cmd{Args: []string{"sh", "-c", "while :; do echo 1234567; done"}, Limits: Limits{Output: 1001}}); ExitStatus(err) != StatusOutput {
		t.Errorf("discarded: %v", err)
	}
}

func TestTimeout(t *testing.T) {
	b := newBox(t, nil, asking("timeout=1h", ""))
	for _, args := range [][]string{
		{"guest", "sleep"}, {"sh", "-c", "sleep 3600; echo on"}, {"sh", "-c", "while :; do :; done"}, {"guest", "echo"}, {"sleep", "3600"},
	} {
		got, err := run(t, b, Cmd{Args: args, Stdin: neverReader{}, Limits: Limits{Timeout: 20 * time.Millisecond}})
		var limit *LimitError
		if got.Status != StatusDeadline || !errors.As(err, &limit) || limit.Own || strings.Contains(got.Stdout, "on") {
			t.Errorf("%q: %+v, %v", args, got, err)
		}
	}
	own := newBox(t, nil, asking("timeout=20ms", ""))
	got, err := run(t, own, Cmd{Args: []string{"guest", "sleep"}, Limits: Limits{Timeout: time.Hour}})
	var limit *LimitError
	if got.Status != StatusDeadline || !errors.As(err, &limit) || !limit.Own {
		t.Errorf("the box's own: %+v, %v", got, err)
	}
	if got, err := run(t, b, Cmd{Args: []string{"guest"}}); err != nil {
		t.Errorf("in time: %+v, %v", got, err)
	}
}

// neverReader is an input that never comes.
type neverReader struct{}

func (neverReader) Read([]byte) (int, error) { select {} }

func TestClockAndRandomness(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	fixed := Limits{FixedClock: true, SeededRandom: true}
	got, err := run(t, b, Cmd{Args: []string{"guest", "now"}, Limits: fixed})
	if err != nil || got.Stdout != "1980-01-01T00:00:00Z\n" {
		t.Errorf("%+v, %v", got, err)
	}
	draw := Cmd{Args: []string{"sh", "-c", "head -c 16 /dev/urandom | base64"}, Limits: fixed}
	one, _ := run(t, b, draw)
	two, _ := run(t, b, draw)
	draw.Limits = Limits{}
	other, _ := run(t, b, draw)
	if one.Stdout != two.Stdout || one.Stdout == other.Stdout {
		t.Errorf("seeded: %q and %q; else %q", one.Stdout, two.Stdout, other.Stdout)
	}
}

// TestRequestsOfBox: what a box needs must be granted before anything runs; what it was not told of may be granted all the same.
func TestRequestsOfBox(t *testing.T) {
	dir := t.TempDir()
	b := newBox(t, nil, asking("memory=1G", "mount=/data:ro env=TOKEN stdin clock"))
	granted := Cmd{
		Args: []string{"guest", "ls", "/more"}, Env: []string{"TOKEN=x", "OTHER=y"}, Stdin: strings.NewReader(""),
		Mounts: []Mount{{Source: dir, Target: "/data/", ReadOnly: true}, {Source: dir, Target: "/more"}},
	}
	if got, err := run(t, b, granted); err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	for what, take := range map[string]func(*Cmd){
		"mount": func(c *Cmd) { c.Mounts = c.Mounts[1:] },
		"env":   func(c *Cmd) { c.Env = c.Env[1:] },
		"stdin": func(c *Cmd) { c.Stdin = nil },
		"clock": func(c *Cmd) { c.Limits.FixedClock = true },
	} {
		c := granted
		take(&c)
		got, err := run(t, b, c)
		var missing *capability.MissingError
		if !errors.As(err, &missing) || string(missing.Need.Kind) != what || got.Status != StatusFailure {
			t.Errorf("without %s: %+v, %v", what, got, err)
		}
	}
	// A variable that the image sets is there.
	config := asking("", "env=SET")
	config.Env = []string{"SET=by the image"}
	if got, err := run(t, newBox(t, nil, config), Cmd{Args: []string{"guest"}}); err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestHostileRequests: a box that says what nobody understands does not run.
func TestHostileRequests(t *testing.T) {
	e, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range []v1.Config{asking("memory=-5", ""), asking("\x1b[31m", ""), asking("", "mount=../../etc"), asking("no-limit", "")} {
		if _, err := e.NewBox(vfs.New(), config); err == nil || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%v: %v", config.Labels, err)
		}
	}
}

// TestProcessorTime: what computes is ended, in programs, in shells and in what they start; what waits is not.
func TestProcessorTime(t *testing.T) {
	b := newBox(t, nil, asking("cpu=1h", ""))
	limits := Limits{CPU: 30 * time.Millisecond}
	computing := [][]string{{"guest", "spin"}, {"sh", "-c", "guest spin | cat"}, {"sh", "-c", "while guest exit 0; do :; done"}}
	if measuresAll {
		computing = append(computing, []string{"sh", "-c", "while :; do :; done"}, []string{"sh", "-c", "yes > /dev/null"})
	}
	for _, args := range computing {
		got, err := run(t, b, Cmd{Args: args, Limits: limits})
		var limit *LimitError
		if ResultOf(err).Outcome != OutcomeCPULimit || got.Status != StatusCPU || !errors.As(err, &limit) || limit.Own {
			t.Errorf("%q: %+v, %v", args, got, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	for _, args := range [][]string{{"guest", "sleep"}, {"guest", "echo"}, {"sleep", "3600"}} {
		if err := b.Run(ctx, &Cmd{Args: args, Stdin: neverReader{}, Limits: Limits{CPU: time.Minute}}); ResultOf(err).Outcome != OutcomeTimeout {
			t.Errorf("%q: %v", args, err)
		}
	}
	var stats Stats
	if got, err := run(t, b, Cmd{Args: []string{"guest", "memory"}, Stats: &stats}); err != nil || stats.CPU <= 0 {
		t.Errorf("%+v, %v, %v", got, err, stats.CPU)
	}
}

// TestWithheld: a program without a clock or without random numbers gets an error, and no others.
func TestWithheld(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	for _, test := range []struct{ limits, script, want string }{
		{"random=off", "head -c 1 /dev/urandom", "not permitted"},
		{"clock=off", "date -u +%Y", "1980"},
		{"clock=off random=off", "echo fine", "fine"},
	} {
		var limits Limits
		for word := range strings.FieldsSeq(test.limits) {
			if err := limits.ParseLimit(word); err != nil {
				t.Fatal(err)
			}
		}
		got, _ := run(t, b, Cmd{Args: []string{"sh", "-c", test.script}, Limits: limits, Random: strings.NewReader("random")})
		if !strings.Contains(got.Stdout+got.Stderr, test.want) {
			t.Errorf("%s: %s: %+v", test.limits, test.script, got)
		}
	}
	for word, need := range map[string]string{"clock=off": "clock", "deterministic": "clock", "random=off": "random"} {
		var limits Limits
		if err := limits.ParseLimit(word); err != nil {
			t.Fatal(err)
		}
		needy := newBox(t, nil, asking("", need))
		if _, err := run(t, needy, Cmd{Args: []string{"guest"}, Limits: limits}); ResultOf(err).Outcome != OutcomeRefused {
			t.Errorf("%s of a box that needs %s: %v", word, need, err)
		}
	}
}

// TestHugeTables: what a program's tables take is the host's memory and no limit of the program's own bounds it, so they
// cannot grow beyond what any honest program needs, however the program comes to the engine.
func TestHugeTables(t *testing.T) {
	grow := func(starts bool, by ...byte) string { // ends with unreachable if the table grew
		code := slices.Concat([]byte{0xd0, 0x70, 0x41}, by, []byte{0xfc, 15, 0, 0x41, 0, 0x4e, 0x04, 0x40, 0, 0x0b})
		s := startModule(code...)
		s[wasm.SectionTable] = vector([]byte{0x70, 0, 1})
		if starts {
			s[wasm.SectionStart] = []byte{0}
		}
		return string(s.module())
	}
	begins := startModule()
	begins[wasm.SectionTable] = vector([]byte{0x70, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	much := []byte{0x80, 0x80, 0x80, 0x20}
	tree := newTree(t, map[string]string{
		"/little": grow(false, 10), "/much": grow(false, much...), "/starts": grow(true, much...), "/begins": string(begins.module()),
	})
	dir := t.TempDir()
	for _, o := range []Options{{}, {CacheDir: dir}, {CacheDir: dir}} {
		b, err := newEngine(t, o).NewBox(tree, v1.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]int{"/little": StatusTrap, "/much": 0, "/starts": 0, "/begins": StatusNotExecutable} {
			for _, limits := range []Limits{{}, {Timeout: time.Minute}} {
				if got, err := run(t, b, Cmd{Args: []string{name}, Limits: limits}); got.Status != want {
					t.Errorf("%s: %+v, %v", name, got, err)
				}
			}
		}
	}
}
