// Package python_test runs the Python base: as any box, and continued after wizer.initialize.
package python_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"boxer.dev/bases"
	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/runtime/wasi"
)

var codeDir string // of machine code, which the tests share

func TestMain(m *testing.M) {
	var err error
	if codeDir, err = os.MkdirTemp("", "boxer-python"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(codeDir)
	os.Exit(code)
}

// open unpacks the base's layers.
func open(t *testing.T) *oci.Rootfs {
	t.Helper()
	store, err := oci.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root, err := bases.Open(bases.Python, store)
	if err != nil {
		t.Fatalf("%v\nhint: %s", err, bases.NotBuiltHint)
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
	mount string // a folder of the host, for /app
}

// A result is what a run leaves behind.
type result struct {
	status         int
	stdout, stderr string
}

// box returns a function that runs Python as a box does, fresh one that does so without a memory image.
func box(t *testing.T) func(*testing.T, run) result   { return boxed(t, false) }
func fresh(t *testing.T) func(*testing.T, run) result { return boxed(t, true) }

// load makes the base a box.
func load(t *testing.T) *runtime.Box {
	t.Helper()
	engine, err := runtime.New(t.Context(), runtime.Options{CacheDir: codeDir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	loaded, err := engine.Load(open(t))
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func boxed(t *testing.T, fresh bool) func(*testing.T, run) result {
	loaded := load(t)
	return func(t *testing.T, r run) result {
		var stdout, stderr bytes.Buffer
		cmd := &runtime.Cmd{
			Args: append([]string{"python3"}, r.args...), Env: r.env, Dir: r.dir, Fresh: fresh,
			Stdin: strings.NewReader(r.stdin), Stdout: &stdout, Stderr: &stderr,
		}
		if r.mount != "" {
			cmd.Mounts = []runtime.Mount{{Source: r.mount, Target: "/app", ReadOnly: true}}
		}
		err := loaded.Run(t.Context(), cmd)
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

var env = []string{"PATH=/usr/local/bin:/bin"}

// captured returns a function that runs Python as a box with a memory image does: out of it, if that serves.
func captured(t *testing.T) func(*testing.T, run) result {
	i := newImage(t)
	return func(t *testing.T, r run) result {
		before := &wasi.Process{Env: slices.Concat(env, []string{"STALE=1"}), Stderr: os.Stderr}
		defer before.Close()
		instance := i.instance(t)
		if status, exited := i.call(t, instance, "wizer.initialize", before); exited {
			t.Fatalf("wizer.initialize ended with status %d", status)
		}
		var stdout, stderr bytes.Buffer
		process := &wasi.Process{
			Args: append([]string{"python3"}, r.args...), Env: slices.Concat(env, r.env), Dir: r.dir,
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

var address = regexp.MustCompile(`0x[0-9a-f]+`)

// compare compares but for the addresses of objects.
func compare(t *testing.T, anew, continued result) {
	t.Helper()
	for _, r := range []*result{&anew, &continued} {
		r.stdout, r.stderr = address.ReplaceAllString(r.stdout, "0x"), address.ReplaceAllString(r.stderr, "0x")
	}
	if diff := cmp.Diff(anew, continued, cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("(-started anew +continued):\n%s", diff)
	}
}

// endings are programs whose ends can be seen from outside. Expected is what Python does when it takes itself apart.
var endings = map[string]string{
	"finalizer":             "class A:\n  def __del__(self): print('end of', type(self))\na = A()",
	"finalizer in a cycle":  "class A:\n  def __del__(self): print('end', __name__)\na = A(); a.a = [a]",
	"no dict":               "class A:\n  __slots__ = ()\n  def __del__(self): print('end')\na = A()",
	"held by the library":   "import json\nclass A:\n  def __del__(self): print('end')\njson.a = A()",
	"held by builtins":      "import builtins\nclass A:\n  def __del__(self): print('end')\nbuiltins.a = A()",
	"order":                 "import json, sys\nclass A:\n  def __init__(self, n): self.n = n\n  def __del__(self): print('end', self.n)\njson.a, sys.a, a = A(1), A(2), A(3)",
	"failing finalizer":     "import sys\nsys.unraisablehook = lambda u: print(u.exc_type)\nclass A:\n  def __del__(self): 1 / 0\na = A()",
	"generator":             "def g():\n  try: yield\n  finally: print('closed')\nx = g(); next(x)",
	"coroutine":             "async def f(): pass\nx = f()",
	"weak reference":        "import weakref\nclass A: pass\na = A(); r = weakref.ref(a, lambda r: print('gone'))",
	"weakref.finalize":      "import weakref\nclass A: pass\na = A(); weakref.finalize(a, print, 'gone')",
	"exit functions":        "import atexit\natexit.register(print, 1); atexit.register(print, 2)",
	"thread's exit":         "import threading\nthreading._register_atexit(print, 'exit')",
	"logging":               "import logging, sys\nh = logging.StreamHandler(sys.stdout); h.close = lambda: print('closed')\nlogging.getLogger().addHandler(h)",
	"open file":             "import atexit\nf = open('/tmp/f', 'w'); f.write('x')\nclass A:\n  def __del__(self, open=open): f.close(); print(open('/tmp/f').read())\na = A()",
	"temporary directory":   "import tempfile\nd = tempfile.TemporaryDirectory()",
	"stream replaced":       "import sys, io\nprint(1)\nsys.stdout = io.StringIO(); print(2)",
	"stream of its own":     "import sys\nclass W:\n  def write(self, s): sys.__stdout__.write(s.upper())\n  def flush(self): sys.__stdout__.write('flushed')\nsys.stdout = W(); print('x')",
	"stream closed":         "import sys\nprint(1); sys.stdout.close()",
	"stream gone":           "import os\nprint(1); os.close(1)",
	"exception in cycle":    "class A:\n  def __del__(self): print('end')\ndef f():\n  a = A(); 1 / 0\nf()",
	"exit status in atexit": "import atexit, sys\natexit.register(lambda: 1 / 0); sys.exit(3)",
	"modules cleared":       "import sys\nsys.modules.clear(); print(1)",
}

// TestEndsAsPythonDoes holds runs that continue the base's memory image, with its streams and with streams made anew,
// against runs of an interpreter started anew.
func TestEndsAsPythonDoes(t *testing.T) {
	continued, anew := box(t), fresh(t)
	for name, source := range endings {
		for _, env := range [][]string{nil, {"PYTHONUNBUFFERED=1"}} {
			t.Run(strings.Join(append([]string{name}, env...), ", "), func(t *testing.T) {
				r := run{args: []string{"-c", source}, env: env}
				compare(t, anew(t, r), continued(t, r))
			})
		}
	}
}

// TestStartsAsPythonDoes does so for what a program can see of its start.
func TestStartsAsPythonDoes(t *testing.T) {
	continued, anew := box(t), fresh(t)
	const look = "import os, sys, time, locale, warnings, __main__\n" +
		"print(sys.argv, sys.orig_argv, sys.flags, sys.path, sys.warnoptions, sys._xoptions, sys.executable, sys.prefix)\n" +
		"print(sorted(vars(__main__)), __name__, __doc__, __spec__, __package__, vars(__main__).get('__file__'))\n" +
		"print(warnings.filters, os.getcwd(), sorted(os.environ.items()), time.tzname, time.timezone)\n" +
		"print(locale.setlocale(locale.LC_CTYPE), sys.stdin, sys.stdout, sys.stderr, sys.stdout.errors, sys.stderr.line_buffering)\n"
	dir := t.TempDir()
	for name, text := range map[string]string{"main.py": look, "random.py": "x = 1", "uses.py": "import random; print(random.x)", "s/a.py": look} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]run{
		"command":               {args: []string{"-c", look, "-x", "é"}},
		"input":                 {stdin: look},
		"dash":                  {args: []string{"-", "a"}, stdin: look, dir: "/tmp"},
		"script":                {args: []string{"/app/s/a.py", "a"}},
		"relative script":       {args: []string{"./a.py"}, dir: "/app/s"},
		"module":                {args: []string{"-m", "a", "b"}, dir: "/app/s"},
		"folder":                {args: []string{"/app/s"}},
		"hidden module":         {args: []string{"/app/uses.py"}},
		"hidden for commands":   {args: []string{"-c", "import random; print(random.x)"}, dir: "/app"},
		"hidden by PYTHONPATH":  {args: []string{"-c", "import random; print(random.x)"}, env: []string{"PYTHONPATH=/app"}},
		"missing script":        {args: []string{"/app/nowhere.py"}},
		"missing module":        {args: []string{"-m", "nowhere"}},
		"imported module":       {args: []string{"-m", "asyncio.tasks"}},
		"syntax error":          {args: []string{"-c", "1 +"}},
		"traceback":             {args: []string{"-c", "def f():\n  1 / 0\nf()"}},
		"zone":                  {args: []string{"-c", look}, env: []string{"TZ=Asia/Tokyo"}},
		"locale":                {args: []string{"-c", look}, env: []string{"LC_ALL=de_DE.UTF-8"}},
		"C locale":              {args: []string{"-c", look}, env: []string{"LC_ALL=C"}},
		"unbuffered":            {args: []string{"-c", look}, env: []string{"PYTHONUNBUFFERED=1"}},
		"options":               {args: []string{"-I", "-W", "error", "-X", "dev", "-c", look}},
		"empty":                 {args: []string{""}},
		"attached":              {args: []string{"-cprint(1)"}},
		"no more arguments":     {args: []string{"-c"}},
		"argument like options": {args: []string{"-c", look, "-m", "x", "--"}},
	}
	for name, r := range cases {
		t.Run(name, func(t *testing.T) {
			r.mount = dir
			compare(t, anew(t, r), continued(t, r))
		})
	}
}

// TestCaptureOfApplication captures statements as python3 -c runs them.
func TestCaptureOfApplication(t *testing.T) {
	cases := []struct {
		name, statement string
		status          int
		stderr          string // what it contains
		program, stdout string
	}{
		{"imports", "import html", 0, "", "import sys; print('html' in sys.modules, 'html' in globals(), sys.argv, sys.path.count(''))", "True False ['-c'] 1\n"},
		{"seeded generator", "import random, sys; sys.r = random.Random(3); sys.r.random()", 0, "", "import sys, random; r = random.Random(3); r.random(); print(sys.r.random() == r.random())", "True\n"},
		{"exit functions", "import atexit; atexit.register(print, 'captured')", 0, "", "print(1)", "1\ncaptured\n"},
		{"finalizer", "import json\nclass A:\n  def __del__(self): print('end')\njson.a = A()", 0, "", "print(1)", "1\nend\n"},
		{"exception", "1 / 0", 1, "ZeroDivisionError", "", ""},
		{"exit", "raise SystemExit(0)", 1, "SystemExit", "", ""},
		{"open file", "import sys; sys.f = open('/etc/passwd')", 1, "/etc/passwd", "", ""},
		{"thread", "import threading; threading.Thread(target=print).start()", 1, "can't start new thread", "", ""},
	}
	i := newImage(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			capturing := &wasi.Process{Args: []string{"python3", "-c", c.statement}, Env: env, Stderr: &stderr}
			defer capturing.Close()
			instance := i.instance(t)
			status, _ := i.call(t, instance, "wizer.initialize", capturing)
			if int(status) != c.status || !strings.Contains(stderr.String(), c.stderr) {
				t.Fatalf("status %d, want %d; stderr %q, want %q within", status, c.status, &stderr, c.stderr)
			}
			if c.status != 0 {
				return
			}
			process := &wasi.Process{Args: []string{"python3", "-c", c.program}, Env: env, Stdout: &stdout, Stderr: &stderr}
			defer process.Close()
			if serves, _ := i.call(t, instance, "boxer.serves", process); serves == 0 {
				t.Fatal("does not serve")
			}
			if i.call(t, instance, "_start", process); stdout.String() != c.stdout {
				t.Errorf("%q, want %q; stderr %q", &stdout, c.stdout, &stderr)
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
