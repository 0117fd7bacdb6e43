// Package python_test runs the Python base: as any box, and continued after wizer.initialize.
package python_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"boxer.dev/bases"
	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/runtime/wasi"
)

// open unpacks the base's layers.
func open(t *testing.T) *oci.Rootfs {
	t.Helper()
	layout, err := bases.Layout(bases.Python)
	if err != nil {
		t.Fatalf("%v\nhint: %s", err, bases.NotBuiltHint)
	}
	index, err := oci.ReadLayout(layout)
	if err != nil {
		t.Fatal(err)
	}
	img, err := index.Find("python:3.13")
	if err != nil {
		t.Fatal(err)
	}
	store, err := oci.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root, err := store.Rootfs(img)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// A run is a command line and what it is given.
type run struct {
	args  []string // after "python3"
	env   []string
	dir   string
	stdin string
}

// A result is what a run leaves behind.
type result struct {
	status         int
	stdout, stderr string
}

// box returns a function that runs Python as a box does.
func box(t *testing.T) func(*testing.T, run) result {
	engine, err := runtime.New(t.Context(), runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	loaded, err := engine.Load(open(t))
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, r run) result {
		var stdout, stderr bytes.Buffer
		err := loaded.Run(t.Context(), &runtime.Cmd{
			Args: append([]string{"python3"}, r.args...), Env: r.env, Dir: r.dir,
			Stdin: strings.NewReader(r.stdin), Stdout: &stdout, Stderr: &stderr,
		})
		return result{runtime.ExitStatus(err), stdout.String(), stderr.String()}
	}
}

// An image stands for a memory image: it brings interpreters up with wizer.initialize in one process, and has another
// continue each. Only the copy is missing.
type image struct {
	root   *oci.Rootfs
	engine wazero.Runtime
	module wazero.CompiledModule
}

func newImage(t *testing.T) *image {
	ctx := context.Background()
	i := &image{root: open(t), engine: wazero.NewRuntime(ctx)}
	t.Cleanup(func() { i.engine.Close(ctx) })
	if err := wasi.Instantiate(ctx, i.engine); err != nil {
		t.Fatal(err)
	}
	program, err := i.root.FS().ReadFile("/usr/local/bin/python3")
	if err != nil {
		t.Fatal(err)
	}
	if i.module, err = i.engine.CompileModule(ctx, program); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *image) instance(t *testing.T) api.Module {
	instance, err := i.engine.InstantiateModule(t.Context(), i.module, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { instance.Close(context.Background()) })
	return instance
}

// call calls an export for a process and returns its result, or the status that it exited with.
func (i *image) call(t *testing.T, instance api.Module, export string, p *wasi.Process) (result uint64, exited bool) {
	p.FS = i.root.FS()
	ctx, err := wasi.NewContext(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	results, err := instance.ExportedFunction(export).Call(ctx)
	if exit := (*sys.ExitError)(nil); errors.As(err, &exit) {
		return uint64(exit.ExitCode()), true
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(results) > 0 {
		result = results[0]
	}
	return result, false
}

// captured returns a function that runs Python as a box with a memory image does: out of it, if that serves.
func captured(t *testing.T) func(*testing.T, run) result {
	i := newImage(t)
	return func(t *testing.T, r run) result {
		env := []string{"PATH=/usr/local/bin:/bin"}
		before := &wasi.Process{Env: append(env, "STALE=1"), Stderr: os.Stderr}
		defer before.Close()
		instance := i.instance(t)
		if status, exited := i.call(t, instance, "wizer.initialize", before); exited {
			t.Fatalf("wizer.initialize ended with status %d", status)
		}
		var stdout, stderr bytes.Buffer
		process := &wasi.Process{
			Args: append([]string{"python3"}, r.args...), Env: append(env, r.env...), Dir: r.dir,
			Stdin: strings.NewReader(r.stdin), Stdout: &stdout, Stderr: &stderr,
		}
		defer process.Close()
		if serves, _ := i.call(t, instance, "boxer.serves", process); serves == 0 {
			instance = i.instance(t)
		}
		status, _ := i.call(t, instance, "_start", process)
		return result{int(status), stdout.String(), stderr.String()}
	}
}

// TestCommandLine holds that python3 reads its command line, environment and input as it does anywhere, whether or not
// the interpreter came out of an image.
func TestCommandLine(t *testing.T) {
	cases := []struct {
		name           string
		run            run
		status         int
		stdout, stderr string // stderr: what it contains
	}{
		{"command", run{args: []string{"-c", "import sys; print(sys.argv, sys.orig_argv[:2])", "a", "é"}}, 0, "['-c', 'a', 'é'] ['python3', '-c']\n", ""},
		{"module", run{args: []string{"-m", "json.tool", "--compact"}, stdin: "[1, 2]"}, 0, "[1,2]\n", ""},
		{"dash", run{args: []string{"-", "x"}, stdin: "import sys; print(sys.argv)"}, 0, "['-', 'x']\n", ""},
		{"standard input", run{stdin: "print(1 + 1)"}, 0, "2\n", ""},
		{"directory", run{args: []string{"-c", "import os, sys; print(os.getcwd(), sys.path[0] == '')"}, dir: "/usr/local"}, 0, "/usr/local True\n", ""},
		{"environment", run{args: []string{"-c", "import os; print(os.environ['A'], 'STALE' in os.environ)"}, env: []string{"A=1"}}, 0, "1 False\n", ""},
		{"input", run{args: []string{"-c", "print(input())"}, stdin: "line\n"}, 0, "line\n", ""},
		{"isolated", run{args: []string{"-I", "-O", "-c", "import sys; print(sys.flags.isolated, sys.flags.optimize, __debug__)"}}, 0, "1 1 False\n", ""},
		{"path", run{args: []string{"-c", "import sys; print('/x' in sys.path)"}, env: []string{"PYTHONPATH=/x"}}, 0, "True\n", ""},
		{"hash seed", run{args: []string{"-c", "print(hash('a') % 1000)"}, env: []string{"PYTHONHASHSEED=5"}}, 0, "318\n", ""},
		{"warnings", run{args: []string{"-W", "error", "-c", "import warnings; warnings.warn('w')"}}, 1, "", "UserWarning: w"},
		{"zone", run{args: []string{"-c", "import time; print(time.tzname)"}, env: []string{"TZ=Asia/Tokyo"}}, 0, "('JST', 'JST')\n", ""},
		{"version", run{args: []string{"-V"}}, 0, "Python 3.13.5\n", ""},
		{"exception", run{args: []string{"-c", "1 / 0"}}, 1, "", "ZeroDivisionError"},
		{"no such option", run{args: []string{"-Z"}}, 2, "", "nknown option: -Z"},
		{"no such file", run{args: []string{"/nowhere.py"}}, 2, "", "No such file"},
		{"exit", run{args: []string{"-c", "import atexit, sys; atexit.register(print, 'bye'); print('hi', end=' '); sys.exit(3)"}}, 3, "hi bye\n", ""},
		{"exit at once", run{args: []string{"-c", "import os; os._exit(4)"}}, 4, "", ""},
		{"signal", run{args: []string{"-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"}}, 143, "", ""},
		{"interrupt", run{args: []string{"-c", "import signal; signal.raise_signal(signal.SIGINT)"}}, 130, "", "KeyboardInterrupt"},
	}
	for kind, start := range map[string]func(*testing.T) func(*testing.T, run) result{"box": box, "captured": captured} {
		t.Run(kind, func(t *testing.T) {
			python := start(t)
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					got := python(t, c.run)
					if got.status != c.status || got.stdout != c.stdout || !strings.Contains(got.stderr, c.stderr) {
						t.Errorf("status %d, want %d\nstdout %q, want %q\nstderr %q, want %q within",
							got.status, c.status, got.stdout, c.stdout, got.stderr, c.stderr)
					}
				})
			}
		})
	}
}

// TestEqualRandomNumbersAfterTwoRestores: two runs of one image must not draw the same numbers.
func TestEqualRandomNumbersAfterTwoRestores(t *testing.T) {
	python := captured(t)
	draw := run{args: []string{"-c", "import random, uuid, tempfile, secrets\n" +
		"print(random.random(), uuid.uuid4(), next(tempfile._get_candidate_names()), secrets.token_hex())"}}
	first, second := strings.Fields(python(t, draw).stdout), strings.Fields(python(t, draw).stdout)
	if len(first) != 4 || len(second) != 4 {
		t.Fatalf("drew %q and %q", first, second)
	}
	for i := range first {
		if first[i] == second[i] {
			t.Errorf("both runs drew %s", first[i])
		}
	}
}

// TestInside runs the unit tests in tests/, which see the base from within.
func TestInside(t *testing.T) {
	files, err := filepath.Glob("tests/test_*.py")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests found (%v)", err)
	}
	python := box(t)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := python(t, run{args: []string{"-"}, stdin: string(source)})
			if got.status != 0 {
				t.Errorf("status %d\n%s%s", got.status, got.stdout, got.stderr)
			}
		})
	}
}
