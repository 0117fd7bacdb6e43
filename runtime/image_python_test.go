package runtime

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// newLayer opens a layer that holds these files.
func newLayer(files map[string][]byte) (*vfs.Layer, error) {
	dir, err := scratch()
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, crand.Text())
	w, err := vfs.CreateLayer(name)
	if err != nil {
		return nil, err
	}
	for path, contents := range files {
		if err := w.Add(vfs.Entry{Path: path, Mode: 0o644, Size: int64(len(contents))}, bytes.NewReader(contents)); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return vfs.OpenLayer(name)
}

// withImage puts a layer with an image of what c initialises on top of a box's layers.
func withImage(root *oci.Rootfs, e *Engine, c *Cmd) (*oci.Rootfs, *Capture, error) {
	box, err := e.Load(root)
	if err != nil {
		return nil, nil, err
	}
	var stored bytes.Buffer
	taken, err := box.Capture(context.Background(), c, &stored)
	if err != nil {
		return nil, nil, err
	}
	layer, err := newLayer(map[string][]byte{vfs.Reserved + "/" + ImageName(taken.Module): stored.Bytes()})
	if err != nil {
		return nil, nil, err
	}
	above := *root
	above.Layers = append(append([]*vfs.Layer(nil), root.Layers...), layer)
	return &above, taken, nil
}

// pythonPool is a box of the Python base, whose layers hold a memory image, with instances kept ready.
func pythonPool(t testing.TB) (*Engine, *Box) {
	t.Helper()
	e := pythonEngine(t, CountIfNeeded)
	return e, load(t, e, openPython(t))
}

func pythonEngine(t testing.TB, counting Counting) *Engine {
	t.Helper()
	dir, err := scratch()
	if err != nil {
		t.Fatal(err)
	}
	return newEngine(t, Options{CacheDir: filepath.Join(dir, "code"), Keep: 2, Counting: counting})
}

// python runs `python3 ARGS`, restored if that is wanted, and gives what it prints.
func python(t *testing.T, b *Box, c Cmd, restored bool, args ...string) string {
	t.Helper()
	var stats Stats
	c.Args, c.Stats = append([]string{"python3"}, args...), &stats
	got, err := run(t, b, c)
	if restored != (stats.Restored == 1) {
		t.Errorf("%q: restored is %v, want %v", args, stats.Restored == 1, restored)
	}
	return fmt.Sprintf("%s%s%v", got.Stdout, got.Stderr, err)
}

// What a run may not share with another: everything that is random, and time (componentize-py #30, hyperlight #1745).
func TestPythonRunsDiffer(t *testing.T) {
	_, box := pythonPool(t)
	for _, code := range []string{
		"import random; print(random.random())",
		"import random; print(random.Random().random())",
		"import random; print(random.SystemRandom().random())",
		"import secrets; print(secrets.token_hex())",
		"import uuid; print(uuid.uuid4())",
		"import uuid; print(uuid.uuid1())",
		"import os; print(os.urandom(16))",
		"import tempfile; print(tempfile.mkdtemp())",
		"import sqlite3; print(sqlite3.connect(':memory:').execute('select random()').fetchone())",
		"import time; print(time.time_ns())",
		"import datetime; print(datetime.datetime.now())",
		"import logging; print(logging._startTime)",
		"import string, random; print(random.choices(string.ascii_letters, k=20))",
	} {
		seen := map[string]bool{}
		for range 3 {
			out := python(t, box, Cmd{}, true, "-c", code)
			if seen[out] || strings.Contains(out, "Error") {
				t.Errorf("%s: again %s", code, out)
			}
			seen[out] = true
		}
	}
}

// A run that begins as an image cannot be told from one that initialises itself.
func TestPythonImageIsLikeAFreshStart(t *testing.T) {
	_, box := pythonPool(t)
	scripts := t.TempDir()
	for name, text := range map[string]string{
		"script.py": "import sys; print(sys.argv, sys.path[0], __name__, __file__); from beside import x; print(x)",
		"beside.py": "x = 'beside'",
		"broken.py": "def f(:\n",
		"raises.py": "def f():\n    raise KeyError('x')\nf()\n",
		"rest.py":   "import sys; print(sys.stdin.readline(), sys.stdin.read())",
	} {
		if err := os.WriteFile(filepath.Join(scripts, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mounts := []Mount{{Source: scripts, Target: "/scripts"}}
	state := "import sys, os, locale, warnings, time, signal, gc, builtins, random;" +
		"print(sys.argv, sys.orig_argv, sys.flags, sys.path, sys.prefix, sys.executable, sys.warnoptions, sys.dont_write_bytecode);" +
		"print(dict(os.environ), os.getcwd(), os.getpid(), os.getuid(), os.umask(0o22));" +
		"print(warnings.filters, locale.setlocale(locale.LC_ALL), time.tzname, time.strftime('%Y', time.gmtime(0)));" +
		"print(sys.stdin, sys.stdout.encoding, sys.stdout.errors, sys.stdout.line_buffering, sys.stderr.errors, sys.stdout.isatty());" +
		"print(sorted(globals()), sorted(dir(builtins)), gc.isenabled(), gc.get_threshold(), sys.getrecursionlimit());" +
		"print(sys.getswitchinterval(), sys.gettrace(), sys.excepthook, sys.displayhook, sys.float_info, sys.getfilesystemencoding());" +
		"print(signal.getsignal(signal.SIGINT), sys.is_finalizing(), sys.version, sys.hash_info, sys.implementation.name)"
	const streams = "import sys; print(sys.flags, [(s.name, s.mode, s.encoding, s.errors, s.line_buffering, s.write_through, s.buffer)" +
		" for s in (sys.stdin, sys.stdout, sys.stderr)]); sys.stdout.write('x'); import os; os._exit(0)"
	for _, test := range []struct {
		cmd  Cmd
		args []string
	}{
		{Cmd{}, []string{"-c", state, "a", "-b"}},
		{Cmd{Env: []string{"A=ä", "TZ=Europe/Berlin", "HOME=/x", "EMPTY="}, Dir: "/usr"}, []string{"-c", state}},
		{Cmd{Env: []string{"TZ=America/New_York"}}, []string{"-c", "import time; print(time.tzname, time.localtime(0))"}},
		{Cmd{Mounts: mounts}, []string{"/scripts/script.py", "x", "y"}},
		{Cmd{Mounts: mounts, Dir: "/scripts"}, []string{"script.py"}},
		{Cmd{Mounts: mounts, Dir: "/scripts"}, []string{"-m", "script", "x"}},
		{Cmd{Mounts: mounts}, []string{"/scripts/broken.py"}},
		{Cmd{Mounts: mounts}, []string{"/scripts/raises.py"}},
		{Cmd{}, []string{"/missing.py"}},
		{Cmd{}, []string{"-m", "missing"}},
		{Cmd{}, []string{"-m", "json.tool", "--help"}},
		{Cmd{}, []string{"-c", "x ="}},
		{Cmd{}, []string{"-c", "1/0"}},
		{Cmd{}, []string{"-c", "import sys; sys.exit(3)"}},
		{Cmd{}, []string{"-c", "import sys; sys.exit('said')"}},
		{Cmd{}, []string{"-c", "raise SystemExit"}},
		{Cmd{}, []string{"-c", "import os; print('lost'); os._exit(4)"}},
		{Cmd{}, []string{"-c", "raise KeyboardInterrupt"}},
		{Cmd{}, []string{"-c", "import atexit; atexit.register(print, 'at exit'); print('first')"}},
		{Cmd{}, []string{"-c", "class A:\n def __del__(self): print('gone')\na = A(); b = [a]; b.append(b)"}},
		{Cmd{}, []string{"-c", "import sys; sys.stdout.write('not ended')"}},
		{Cmd{}, []string{"-c", "import sys; sys.stdout.close()"}},
		{Cmd{}, []string{"-c", "print('é', '\\udc80'.encode('utf8', 'surrogateescape'))"}},
		{Cmd{}, []string{"-c", "import sys; print(sys.stdin.read())"}},
		{Cmd{Stdin: strings.NewReader("print(input())\nnext line\n")}, []string{"-"}},
		{Cmd{Stdin: strings.NewReader("a line\n")}, []string{"-c", "print(input(), open(0).read())"}},
		{Cmd{Stdin: strings.NewReader("print('from stdin', __name__)")}, nil},
		{Cmd{}, []string{"-c", "import warnings; warnings.warn('careful'); import sys; print(len(sys.modules) > 30)"}},
		{Cmd{}, []string{"-c", "help('keywords')"}},
		{Cmd{}, []string{"-c", "import this"}},
		{Cmd{}, []string{"-c", "f = open('/tmp/x', 'w'); f.write('kept'); import os, atexit; atexit.register(lambda: print(os.path.getsize('/tmp/x')))"}},
		{Cmd{Env: []string{"PYTHONUNBUFFERED=1"}}, []string{"-c", state}},
		{Cmd{Env: []string{"PYTHONUNBUFFERED=1"}}, []string{"-c", streams}},
		{Cmd{Env: []string{"PYTHONUNBUFFERED=0"}}, []string{"-c", streams}},
		{Cmd{Env: []string{"PYTHONUNBUFFERED="}}, []string{"-c", streams}},
		{Cmd{Env: []string{"PYTHONUNBUFFERED=yes"}, Stdin: strings.NewReader("print('first')\nimport sys; print(sys.stdin.read())\nrest\n")}, nil},
		{Cmd{Env: []string{"PYTHONUNBUFFERED=1"}, Stdin: strings.NewReader("a\nb\n"), Mounts: mounts}, []string{"/scripts/rest.py"}},
		{Cmd{Env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, []string{"-c", state}},
		{Cmd{Env: []string{"PYTHONDONTWRITEBYTECODE=0"}}, []string{"-c", state}},
		{Cmd{Env: []string{"PYTHONDONTWRITEBYTECODE=1"}, Mounts: mounts}, []string{"-c", "import sys; sys.path[0] = '/scripts'; import beside, os; print(os.listdir('/scripts'))"}},
		{Cmd{Env: []string{"PYTHONDONTWRITEBYTECODE=x", "PYTHONUNBUFFERED=x", "PYTHONIOENCODING=utf8", "PYTHONUTF8=1"}}, []string{"-c", state}},
		{Cmd{Env: []string{"PYTHONIOENCODING=UTF-8"}}, []string{"-c", streams}},
		{Cmd{Env: []string{"PYTHONUTF8=1"}}, []string{"-c", state}},
		{Cmd{Env: []string{"PYTHONPATH=/scripts:/missing"}, Mounts: mounts}, []string{"-c", state + "; import beside; print(beside.__file__)"}},
		{Cmd{Env: []string{"PYTHONPATH=/scripts"}, Mounts: mounts}, []string{"-m", "script"}},
		{Cmd{Env: []string{"PYTHONPATH=/scripts", "PYTHONDONTWRITEBYTECODE=1"}, Mounts: mounts}, []string{"/scripts/script.py"}},
		{Cmd{User: "nobody"}, []string{"-c", "import os, pwd; print(os.getuid(), pwd.getpwuid(os.getuid()))"}},
	} {
		// Readers are used up: each run gets its own.
		stdin := ""
		if test.cmd.Stdin != nil {
			all, err := io.ReadAll(test.cmd.Stdin)
			if err != nil {
				t.Fatal(err)
			}
			stdin = string(all)
		}
		runs := make([]string, 3)
		for i := range runs {
			c := test.cmd
			c.Fresh = i == 0
			if stdin != "" {
				c.Stdin = strings.NewReader(stdin)
			}
			runs[i] = addresses.ReplaceAllString(python(t, box, c, !c.Fresh, test.args...), "0x…")
		}
		for _, restored := range runs[1:] {
			if diff := cmp.Diff(runs[0], restored); diff != "" {
				t.Errorf("%q (-fresh +restored):\n%s", test.args, diff)
			}
		}
	}
}

var addresses = regexp.MustCompile(`0x[0-9a-f]+`)

// What has to act before initialisation takes the complete path by itself, and does act.
func TestPythonFullInitialisation(t *testing.T) {
	_, box := pythonPool(t)
	for _, test := range []struct {
		env  []string
		args []string
		want string
	}{
		{nil, []string{"-I", "-c", "import sys; print(sys.flags.isolated)"}, "1\n"},
		{nil, []string{"-E", "-c", "import sys; print(sys.flags.ignore_environment)"}, "1\n"},
		{nil, []string{"-O", "-c", "assert False; print(__debug__)"}, "False\n"},
		{nil, []string{"-W", "error", "-c", "import sys; print(sys.warnoptions)"}, "['error']\n"},
		{nil, []string{"-X", "importtime", "-c", "pass"}, "import time:"},
		{nil, []string{"-S", "-c", "import sys; print('site' in sys.modules)"}, "False\n"},
		{nil, []string{"-B", "-c", "import sys; print(sys.dont_write_bytecode)"}, "True\n"},
		{[]string{"PYTHONHASHSEED=1"}, []string{"-c", "print(hash('a'))"}, ""},
		{[]string{"PYTHONHASHSEED=0"}, []string{"-c", "import sys; print(sys.flags.hash_randomization)"}, "0\n"},
		{[]string{"PYTHONIOENCODING=latin1"}, []string{"-c", "import sys; print(sys.stdout.encoding)"}, "iso8859-1\n"},
		{[]string{"PYTHONIOENCODING=utf-8:ignore"}, []string{"-c", "import sys; print(sys.stdout.errors)"}, "ignore\n"},
		{[]string{"PYTHONPATH=x"}, []string{"-c", "import sys; print(sys.path[1])"}, "/x\n"},
		{[]string{"PYTHONPATH=/x:"}, []string{"-c", "import sys; print(sys.path[1])"}, "/x\n"},
		{[]string{"PYTHONPATH=/x/:/y/../z:/x"}, []string{"-c", "import sys; print(sys.path[1:3])"}, "['/x', '/z']\n"},
		{[]string{"PYTHONPATH=/usr/local/lib/python3.13"}, []string{"-c", "import sys; print(sys.path[1:3])"}, ""},
		{[]string{"PYTHONOPTIMIZE=1"}, []string{"-c", "print(__debug__)"}, "False\n"},
		{[]string{"PYTHONWARNINGS=error"}, []string{"-c", "import sys; print(sys.warnoptions)"}, "['error']\n"},
		{[]string{"PYTHONSAFEPATH=1"}, []string{"-c", "import sys; print(sys.flags.safe_path)"}, "True\n"},
		{nil, []string{"--version"}, "Python 3.13"},
	} {
		c := Cmd{Env: test.env}
		c.Fresh = true
		fresh := python(t, box, c, false, test.args...)
		var stats Stats
		got, err := run(t, box, Cmd{Env: test.env, Args: append([]string{"python3"}, test.args...), Stats: &stats})
		all := fmt.Sprintf("%s%s%v", got.Stdout, got.Stderr, err)
		if !strings.Contains(all, test.want) {
			t.Errorf("%q %q gives %s, want %s", test.env, test.args, all, test.want)
		}
		if test.want != "import time:" && all != fresh {
			t.Errorf("%q %q gives %s, fresh %s", test.env, test.args, all, fresh)
		}
	}
}

// The hash seed of an image is that of the base: all runs share it, which is said in the documentation (workerd #1780).
func TestPythonHashSeedOfImage(t *testing.T) {
	_, box := pythonPool(t)
	const code = "print(hash('a'), list({'a', 'b', 'c'}))"
	if first, second := python(t, box, Cmd{}, true, "-c", code), python(t, box, Cmd{}, true, "-c", code); first != second {
		t.Errorf("%s and %s", first, second)
	}
	if first, second := python(t, box, Cmd{Fresh: true}, false, "-c", code), python(t, box, Cmd{Fresh: true}, false, "-c", code); first == second {
		t.Errorf("without an image, again %s", first)
	}
}

// A module beside the script comes before one of the same name that the image holds.
func TestPythonImageDoesNotShadow(t *testing.T) {
	_, box := pythonPool(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"random.py": "ours = True", "main.py": "import random; print(random.ours)"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := Cmd{Mounts: []Mount{{Source: dir, Target: "/app"}}}
	if got := python(t, box, c, false, "/app/main.py"); got != "True\n<nil>" {
		t.Error(got)
	}
	c.Dir = "/app"
	if got := python(t, box, c, false, "-c", "import random; print(random.ours)"); got != "True\n<nil>" {
		t.Error(got)
	}
}

// spoilers are things that programs do, each of which leaves something behind.
var spoilers = []string{
	"import builtins; builtins.print = None; builtins.open = len",
	"import sys; sys.modules.clear()",
	"import sys; sys.path[:] = []; sys.argv = None",
	"import os; os.environ['LEFT'] = 'behind'; os.chdir('/usr'); os.umask(0)",
	"import random; random.seed(1)",
	"files = [open('/tmp/%d' % i, 'w') for i in range(50)]; [f.write('x' * 5000) for f in files]",
	"def g():\n while True: yield\nhalf = [g() for _ in range(1000)]; [next(x) for x in half]",
	"big = bytearray(3_000_000); big[::4096] = b'x' * len(big[::4096])",
	"garbage = []\nfor i in range(20000):\n a = []; a.append(a); garbage.append(a)",
	"import decimal; decimal.getcontext().prec = 3; decimal.setcontext(decimal.Context(traps=[]))",
	"import warnings, locale; warnings.simplefilter('error'); warnings.filters.append(None)",
	"import gc; gc.disable(); gc.unfreeze(); gc.set_threshold(1)",
	"import sys; sys.setrecursionlimit(100000); sys.settrace(lambda *a: None); sys.setswitchinterval(9)",
	"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
	"import atexit; atexit.register(lambda: 1/0)",
	"import json; json.loads = lambda s: 'spoilt'; json.encoder = None",
	"class Meta(type): pass\nclass A(metaclass=Meta):\n def __del__(self): raise ValueError\nkept = A()",
	"def deep(n): return deep(n + 1)\ntry: deep(0)\nexcept RecursionError: pass",
	"import ctypes",
	"import sys; sys.stdout = sys.stderr = None",
	"import asyncio; asyncio.run(asyncio.sleep(0))",
	"import re; [re.compile('x%d' % i) for i in range(600)]",
	"import sqlite3; c = sqlite3.connect('/tmp/db'); c.execute('create table t(x)'); c.execute('insert into t values(1)')",
	"import tempfile; tempfile.tempdir = '/nowhere'; t = tempfile._get_candidate_names()",
	"import threading; threading.main_thread().name = 'spoilt'; threading.local().x = 1",
	"import linecache; linecache.cache['x'] = 1; import traceback; traceback.print_stack()",
	"import os; os._exit(7)",
	"import os; os.kill(os.getpid(), 9)",
	"raise SystemExit(5)",
	"1/0",
	"x = [bytes(1000) for _ in range(60000)]", // memory grows
	"import sys; sys.intern('left behind'); int.__dict__; sys.set_int_max_str_digits(0)",
	"import io; io.DEFAULT_BUFFER_SIZE = 1; import codecs; codecs.register(lambda n: None)",
	"import collections.abc; collections.abc.Sized.register(int)",
	"type.__setattr__(type('X', (), {}), 'y', 1); object.__subclasses__()[0]",
	"import time; time.sleep(0); time.tzset()",
	"import contextvars; contextvars.ContextVar('left').set(1)",
}

// Whatever programs do, and whichever do so one after the other, the next tenant's memory is byte for byte the image, and
// answers as on the first day.
func TestPythonPoolIsAsNew(t *testing.T) {
	e, box := pythonPool(t)
	const probe = "import sys, builtins, json, warnings, decimal, gc, threading, os, re, io, tempfile, linecache;" +
		"print(len(dir(builtins)), sorted(sys.modules), sys.path, json.loads('1'), warnings.filters, decimal.getcontext(), gc.get_threshold()," +
		"sys.getrecursionlimit(), threading.main_thread(), sorted(os.environ), os.getcwd(), len(re._cache), io.DEFAULT_BUFFER_SIZE, " +
		"tempfile.tempdir, len(linecache.cache), os.listdir('/tmp'), sys.getswitchinterval(), len(gc.get_objects()))"
	want := python(t, box, Cmd{}, true, "-c", probe)
	source := rand.New(rand.NewPCG(4, 2))
	for range 60 {
		var code []string
		for range 1 + source.IntN(3) {
			code = append(code, spoilers[source.IntN(len(spoilers))])
		}
		program := strings.Join(code, "\n")
		python(t, box, Cmd{Env: []string{fmt.Sprint("N=", source.Int())}}, true, "-c", program)
		checkPools(t, e)
		if got := python(t, box, Cmd{}, true, "-c", probe); got != want {
			t.Fatalf("after\n%s\nthe next tenant sees (-before +after)\n%s", program, cmp.Diff(want, got))
		}
	}
	if !checkPools(t, e) {
		t.Error("no instance was ever kept")
	}
}

func BenchmarkPythonPooledHello(b *testing.B) {
	e, box := pythonPool(b)
	once := func() {
		var out bytes.Buffer
		if err := box.Run(context.Background(), &Cmd{Args: []string{"python3", "-c", "print('hello')"}, Stdout: &out}); err != nil {
			b.Fatal(err)
		}
		if out.String() != "hello\n" {
			b.Fatalf("%q", out.String())
		}
	}
	once()
	e.Settle()
	b.ReportAllocs()
	for b.Loop() {
		once()
		e.Settle()
	}
}
