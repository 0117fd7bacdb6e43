package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/wasm"
	"boxer.dev/vfs"
)

// guest is the program of testdata/guest, compiled for WASI.
var guest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "boxer-guest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "guest.wasm")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s", "-o", file, "./testdata/guest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the guest: %w: %s", err, output)
	}
	return os.ReadFile(file)
})

// shared is the engine of tests that do not look at the engine, so that the guest is compiled once.
var shared = sync.OnceValues(func() (*Engine, error) { return New(context.Background(), Options{}) })

// counting is one whose programs count, as they do where the engine cannot interrupt them.
var counting = sync.OnceValues(func() (*Engine, error) { return New(context.Background(), Options{Counting: CountAlways}) })

// newTree makes a tree with the guest as /bin/guest and the given files: with mode 0755 where they start with "#!", a
// directory where a name ends with a slash.
func newTree(t testing.TB, files map[string]string) *vfs.FS {
	t.Helper()
	module, err := guest()
	if err != nil {
		t.Fatal(err)
	}
	tree := vfs.New()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(tree.MkdirAll("/bin", 0o755))
	must(tree.WriteFile("/bin/guest", module, 0o755))
	for name, data := range files {
		if strings.HasSuffix(name, "/") {
			must(tree.MkdirAll(name, 0o755))
			continue
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(data, "#!") {
			mode = 0o755
		}
		must(tree.MkdirAll(name[:strings.LastIndex(name, "/")+1], 0o755))
		must(tree.WriteFile(name, []byte(data), mode))
	}
	return tree
}

func newBox(t testing.TB, files map[string]string, config v1.Config) *Box {
	t.Helper()
	return newBoxOf(t, shared, files, config)
}

func newBoxOf(t testing.TB, engine func() (*Engine, error), files map[string]string, config v1.Config) *Box {
	t.Helper()
	e, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.NewBox(newTree(t, files), config)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// result is what a run leaves for others to see.
type result struct {
	Stdout, Stderr string
	Status         int
}

func run(t testing.TB, b *Box, c Cmd) (result, error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if c.Stdout == nil {
		c.Stdout = &stdout
	}
	if c.Stderr == nil {
		c.Stderr = &stderr
	}
	err := b.Run(context.Background(), &c)
	return result{stdout.String(), stderr.String(), ExitStatus(err)}, err
}

func TestCommandLine(t *testing.T) {
	image := func(entrypoint, cmd string) v1.Config {
		return v1.Config{Entrypoint: strings.Fields(entrypoint), Cmd: strings.Fields(cmd)}
	}
	for _, test := range []struct {
		name   string
		config v1.Config
		cmd    Cmd
		want   string
	}{
		{"CMD", image("", "guest a"), Cmd{}, "guest a"},
		{"ENTRYPOINT and CMD", image("guest a", "b c"), Cmd{}, "guest a b c"},
		{"arguments replace CMD", image("", "guest a"), Cmd{Args: []string{"guest", "b"}}, "guest b"},
		{"arguments follow ENTRYPOINT", image("guest a", "b c"), Cmd{Args: []string{"d"}}, "guest a d"},
		{"options go to the program of CMD", image("", "guest a b"), Cmd{Args: []string{"-c", "d"}}, "guest -c d"},
		{"a lone dash, too", image("", "guest"), Cmd{Args: []string{"-"}}, "guest -"},
		{"options follow ENTRYPOINT", image("guest", "b"), Cmd{Args: []string{"-c"}}, "guest -c"},
		{"options without CMD", image("", ""), Cmd{Args: []string{"-c"}}, "-c"},
		{"entrypoint given", image("guest a", "b"), Cmd{Entrypoint: []string{"other"}}, "other"},
		{"entrypoint given, with arguments", image("guest a", "b"), Cmd{Entrypoint: []string{"other"}, Args: []string{"c"}}, "other c"},
		{"entrypoint taken away", image("guest a", "b"), Cmd{Entrypoint: []string{}, Args: []string{"c"}}, "c"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &Box{config: test.config}
			got, err := b.argv(&test.cmd)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Fields(test.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := new(Box).argv(&Cmd{}); !errors.Is(err, errNoCommand) {
		t.Errorf("a box without a command: %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("BOXER_HOST_SECRET", "1")
	b := newBox(t, nil, v1.Config{Env: []string{"PATH=/bin", "A=image", "B=image"}, WorkingDir: "/app"})
	got, err := run(t, b, Cmd{Args: []string{"guest", "env"}, Env: []string{"A=run", "C=", "A=last"}})
	if err != nil {
		t.Fatal(err, got.Stderr)
	}
	// PWD, because preview 1 has no working directory.
	want := "PATH=/bin\nA=last\nB=image\nC=\nPWD=/app\n"
	if diff := cmp.Diff(want, got.Stdout); diff != "" {
		t.Error(diff)
	}
}

// TestEnvironmentIsExact: a program that starts at its working directory gets what the image and the run say, no more.
func TestEnvironmentIsExact(t *testing.T) {
	for _, test := range []struct {
		env  []string
		dir  string
		want string
	}{
		{nil, "", ""},
		{nil, "/", ""},
		{nil, "/srv/..", ""},
		{[]string{"A=1"}, "", "A=1"},
		{[]string{"PWD=/given"}, "/srv", "PWD=/given"},
		{nil, "/srv", "PWD=/srv"},
	} {
		b := newBox(t, nil, v1.Config{})
		got, err := run(t, b, Cmd{Args: []string{"guest", "env"}, Env: test.env, Dir: test.dir})
		if err != nil || strings.TrimSpace(got.Stdout) != test.want {
			t.Errorf("env %q in %q: %q, %v", test.env, test.dir, got.Stdout, err)
		}
	}
}

func TestStreams(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	for _, test := range []struct {
		name string
		cmd  Cmd
		want result
	}{
		{"input", Cmd{Args: []string{"guest", "echo"}, Stdin: strings.NewReader("text")}, result{Stdout: "text"}},
		{"no input", Cmd{Args: []string{"guest", "echo"}}, result{}},
		{"error output", Cmd{Args: []string{"guest", "cat", "/none"}}, result{Stderr: "open /none: No such file or directory\n", Status: 1}},
		{"input as a device", Cmd{Args: []string{"guest", "cat", "/dev/stdin"}, Stdin: strings.NewReader("text")}, result{Stdout: "text"}},
		{"no device of the host", Cmd{Args: []string{"guest", "cat", "/dev/null"}}, result{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _ := run(t, b, test.cmd)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestStreamsStream holds a conversation with a program: what either side says arrives before it has finished.
func TestStreamsStream(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	input, say := io.Pipe()
	hear, output := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := b.Run(context.Background(), &Cmd{Args: []string{"guest", "ping"}, Stdin: input, Stdout: output})
		output.CloseWithError(err)
		done <- err
	}()
	for _, line := range []string{"one\n", "two\n", "three\n"} {
		if _, err := io.WriteString(say, line); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(line))
		if _, err := io.ReadFull(hear, got); err != nil || string(got) != line {
			t.Fatalf("said %q, heard %q, %v", line, got, err)
		}
	}
	say.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestExitStatus(t *testing.T) {
	b := newBox(t, map[string]string{"/etc/": ""}, v1.Config{})
	for _, test := range []struct {
		args []string
		want int
	}{
		{[]string{"guest"}, 0},
		{[]string{"guest", "exit", "0"}, 0},
		{[]string{"guest", "exit", "3"}, 3},
		{[]string{"guest", "exit", "255"}, 255},
		{[]string{"guest", "exit", "256"}, 0},
		{[]string{"guest", "exit", "-1"}, 255},
		{[]string{"none"}, StatusNotFound},
		{[]string{"./none"}, StatusNotFound},
		{[]string{"/etc"}, StatusNotExecutable},
	} {
		got, err := run(t, b, Cmd{Args: test.args})
		if got.Status != test.want {
			t.Errorf("%q: status %d (%v), want %d", test.args, got.Status, err, test.want)
		}
	}
	if status := ExitStatus(errors.New("of ours")); status != StatusFailure {
		t.Errorf("a failure of boxer has status %d", status)
	}
}

func TestRunsDoNotSeeEachOther(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	if got, err := run(t, b, Cmd{Args: []string{"guest", "write", "/left", "behind"}}); err != nil {
		t.Fatal(err, got.Stderr)
	}
	if got, _ := run(t, b, Cmd{Args: []string{"guest", "cat", "/left"}}); got.Status != 1 {
		t.Errorf("the second run sees the first one's file: %q", got.Stdout)
	}
}

func TestRunOnGivenTree(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	tree := newTree(t, nil)
	before := tree.Fork()
	if got, err := run(t, b, Cmd{Args: []string{"guest", "write", "/kept", "text"}, FS: tree}); err != nil {
		t.Fatal(err, got.Stderr)
	}
	changes, err := vfs.Diff(before, tree)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, change := range changes {
		paths = append(paths, change.Path)
	}
	for _, path := range paths {
		if path != "." && path != "kept" {
			t.Errorf("a run that made /kept changed %q", paths)
			break
		}
	}
	if data, err := tree.ReadFile("/kept"); string(data) != "text" {
		t.Errorf("what it wrote: %q, %v", data, err)
	}
	if _, err := tree.Stat("/dev/null"); err == nil {
		t.Error("devices are left behind")
	}
}

func TestTmp(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	if got, err := run(t, b, Cmd{Args: []string{"stat", "-c", "%a", "/tmp"}}); got.Stdout != "1777\n" {
		t.Errorf("mode of /tmp: %+v, %v", got, err)
	}
	if got, err := run(t, b, Cmd{Args: []string{"guest", "write", "/tmp/a", "b"}}); err != nil {
		t.Error(err, got.Stderr)
	}
}

func TestWorkingDirectoryIsMade(t *testing.T) {
	b := newBox(t, nil, v1.Config{WorkingDir: "/a"})
	for dir, want := range map[string]string{"": "/a", "b/c": "/a/b/c", "/d": "/d", "../e": "/e"} {
		got, err := run(t, b, Cmd{Args: []string{"sh", "-c", `guest ls "$PWD" && guest env`}, Dir: dir})
		if err != nil || !strings.Contains(got.Stdout, "PWD="+want+"\n") {
			t.Errorf("Dir %q: %v, %+v", dir, err, got)
		}
	}
}

func TestClockIsTheRuns(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	then := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	got, err := run(t, b, Cmd{Args: []string{"guest", "now"}, Now: func() time.Time { return then }})
	if err != nil || got.Stdout != "1980-01-01T00:00:00Z\n" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestStats(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	var stats Stats
	if _, err := run(t, b, Cmd{Args: []string{"guest", "memory"}, Stats: &stats}); err != nil {
		t.Fatal(err)
	}
	if stats.Programs != 1 || stats.PeakMemory < 64<<20 || stats.Run == 0 || stats.Total < stats.Run {
		t.Errorf("%+v", stats)
	}
	got := (&Stats{Programs: 1, CacheHits: 1, Lookup: 12e3, Load: 16e6, Instantiate: 3e5, Run: 2e9, Total: 2e9, PeakMemory: 3 << 19}).String()
	want := "total 2.00s: lookup 0.01ms, load 16.0ms (cached), instantiate 0.30ms, run 2.00s; memory 1.5 MiB"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A program without a memory runs like any other; looking for its memory once crashed the host.
func TestProgramWithoutMemory(t *testing.T) {
	s := startModule()
	delete(s, wasm.SectionMemory)
	b := newBox(t, map[string]string{"/bare": string(s.module())}, v1.Config{})
	for _, c := range []Cmd{{}, {CountFuel: true}} {
		c.Args, c.Stats = []string{"/bare"}, new(Stats)
		if got, err := run(t, b, c); err != nil || got.Status != 0 || c.Stats.PeakMemory != 0 {
			t.Errorf("status %d, %v, %+v", got.Status, err, c.Stats)
		}
	}
}
