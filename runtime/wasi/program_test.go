package wasi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"boxer.dev/runtime/wasi"
	"boxer.dev/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/sys"
)

// program returns testdata/program, compiled by this machine's Go.
var program = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "wasi-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "program.wasm")
	build := exec.Command("go", "build", "-o", file, "./testdata/program")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, errors.New(string(out))
	}
	return os.ReadFile(file)
})

// engine returns a runtime with the host modules and the compiled program. All
// tests share it, as the runs of a real process do.
var engine = sync.OnceValues(func() (e struct {
	wazero.Runtime
	wazero.CompiledModule
}, err error) {
	ctx := context.Background()
	binary, err := program()
	if err != nil {
		return e, err
	}
	e.Runtime = wazero.NewRuntime(ctx)
	if err := wasi.Instantiate(ctx, e.Runtime); err != nil {
		return e, err
	}
	e.CompiledModule, err = e.CompileModule(ctx, binary)
	return e, err
})

// run runs the program as p with the context and returns its exit code.
func run(t testing.TB, ctx context.Context, p *wasi.Process) uint32 {
	t.Helper()
	e, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	ctx, err = wasi.NewContext(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	mod, err := e.InstantiateModule(ctx, e.CompiledModule, wazero.NewModuleConfig().WithName(""))
	if mod != nil {
		defer mod.Close(context.Background())
	}
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

func output(t *testing.T, p *wasi.Process) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p.Stdout, p.Stderr = &stdout, &stderr
	if code := run(t, t.Context(), p); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	return stdout.String()
}

func TestProgramUsesFiles(t *testing.T) {
	const want = `hello, file through b/f
dangling: true
file!, 5 bytes of 2009-02-13 23:31:30.123456789 +0000 UTC
/a d---------
/a/d d---------
/a/d/c d---------
/a/d/f ----------
/a/g ----------
/a/link L---------
left: 0
`
	host := vfs.New()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := host.Mount("/", vfs.HostDir(dir, false), vfs.MountOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, tree := range map[string]*vfs.FS{"memory": vfs.New(), "host": host} {
		t.Run(name, func(t *testing.T) {
			got := output(t, &wasi.Process{FS: tree, Args: []string{"program", "files"}})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestProgramUsesBoxer(t *testing.T) {
	const want = `cwd 0 /work
ids 0 [1 0 1000 100]
umask 22
path_stat 0 mode 100700
path_chmod 0 path_chown 0
fd_chmod 0 fd_chown 0
fd_stat 0 mode 100600 owner 7:6
pipe 0
through the pipe
fd_dup 0 30 fd_dup2 0
a copy of stdout
tty_size 59 sock_shutdown 57
`
	got := output(t, &wasi.Process{Args: []string{"program", "boxer"}, Dir: "/work", UID: 1000, GID: 100, Umask: 0o022})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestProgramSeesItsEnvironmentOnly(t *testing.T) {
	got := output(t, &wasi.Process{Args: []string{"program", "env"}, Env: []string{"A=1", "B=2"}})
	if got != "A=1,B=2\n" {
		t.Errorf("environment %q", got)
	}
}

func TestProgramReadsStdin(t *testing.T) {
	for name, in := range map[string]io.Reader{
		"string": strings.NewReader("one\ntwo\n"),
		"stream": struct{ io.Reader }{strings.NewReader("one\ntwo\n")},
	} {
		t.Run(name, func(t *testing.T) {
			got := output(t, &wasi.Process{Args: []string{"program", "cat"}, Stdin: in})
			if got != "one\ntwo\n" {
				t.Errorf("output %q", got)
			}
		})
	}
}

// What is typed is answered before more is typed.
func TestProgramStreams(t *testing.T) {
	in, typed := io.Pipe()
	answers, out := io.Pipe()
	done := make(chan uint32)
	go func() {
		done <- run(t, context.Background(), &wasi.Process{Args: []string{"program", "cat"}, Stdin: in, Stdout: out})
	}()
	for _, line := range []string{"ping\n", "pong\n"} {
		io.WriteString(typed, line)
		answer := make([]byte, len(line))
		if _, err := io.ReadFull(answers, answer); err != nil || string(answer) != line {
			t.Errorf("answer %q, %v", answer, err)
		}
	}
	typed.Close()
	if code := <-done; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestProgramExits(t *testing.T) {
	for command, want := range map[string]uint32{"exit": 7, "panic": 2, "raise": 143, "nonsense": 2} {
		if got := run(t, t.Context(), &wasi.Process{Args: []string{"program", command}}); got != want {
			t.Errorf("%s: exit code %d, want %d", command, got, want)
		}
	}
}

func TestProgramSleepEndsWithDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got := run(t, ctx, &wasi.Process{Args: []string{"program", "sleep"}}); got != sys.ExitCodeDeadlineExceeded {
		t.Errorf("exit code %#x", got)
	}
}

// The clock of a build: sleeping takes no time but moves it.
func TestProgramSleepsOnClockOfItsOwn(t *testing.T) {
	var now time.Duration
	p := &wasi.Process{Args: []string{"program", "sleep"}, Clock: wasi.Clock{
		Now:       func() time.Time { return time.Unix(0, 0).Add(now) },
		Monotonic: func() time.Duration { return now },
		Sleep:     func(_ context.Context, d time.Duration) error { now += d; return nil },
	}}
	output(t, p)
	if now < time.Hour {
		t.Errorf("the clock moved by %v", now)
	}
}

func TestProgramsDifferInRandomness(t *testing.T) {
	a := output(t, &wasi.Process{Args: []string{"program", "random"}})
	b := output(t, &wasi.Process{Args: []string{"program", "random"}})
	if a == b || len(a) != 33 {
		t.Errorf("random bytes %q and %q", a, b)
	}
}

func TestCallWithoutProcess(t *testing.T) {
	e, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.InstantiateModule(t.Context(), e.CompiledModule, wazero.NewModuleConfig().WithName(""))
	if err == nil || !strings.Contains(err.Error(), "no Process") {
		t.Errorf("error %v", err)
	}
}
