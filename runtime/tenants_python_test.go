package runtime

import (
	"strings"
	"testing"
	"time"
)

// predecessor does what it can to be remembered by whoever runs next.
const predecessor = `
import atexit, builtins, gc, itertools, locale, os, random, signal, sys, tempfile, time, types
secret = [("SECRET-%d" % i) * 100 for i in range(20000)]
builtins.print = builtins.open = None
sys.modules["json"] = types.ModuleType("SECRET")
sys.path.insert(0, "/tmp")
sys.setrecursionlimit(77); sys.setswitchinterval(9); gc.disable(); gc.set_threshold(1, 1, 1)
os.environ["SECRET"] = "1"; os.chdir("/tmp"); os.umask(0o77)
random.seed(1); signal.signal(signal.SIGINT, signal.SIG_IGN); atexit.register(lambda: None)
for i in range(200):
    with os.fdopen(os.open("/tmp/secret%d" % i, os.O_CREAT | os.O_RDWR), "w") as f: f.write("SECRET")
files = [os.open("/tmp/secret1", os.O_RDONLY) for _ in range(50)]
os.utime("/", (1, 1)); os.utime("/usr", (1, 1)); os.mkdir("/SECRET"); os.rename("/usr/local/bin", "/usr/local/SECRET")
sys.intern("SECRET" * 3); time.sleep(0.01)
`

// successor tells all that it can find out: of files, descriptors, clocks, identities, addresses and its own interpreter.
const successor = `
import gc, itertools, locale, os, signal, sys, tempfile, time
def stat(p):
    s = os.stat(p)
    return p, s.st_ino, s.st_dev, s.st_mode, s.st_nlink, s.st_size, s.st_uid
for d in "/", "/usr", "/usr/local", "/usr/local/bin", "/tmp", "/dev": print(stat(d), os.listdir(d))
print(os.stat("/usr").st_atime, os.stat("/usr").st_mtime)
fd = os.open("/tmp/new", os.O_CREAT | os.O_RDWR)
print(fd, stat("/tmp/new"), os.stat("/tmp/new").st_mtime - time.time() > -60)
print(os.getpid(), os.getppid(), os.getuid(), os.umask(0o22), os.getcwd(), sorted(os.environ.items()))
print(hash("x"), hash(1.5), id(None), id(object()), id([]), id({}), len(sys.modules), sorted(sys.modules))
print(sys.path, sys.getrecursionlimit(), sys.getswitchinterval(), gc.isenabled(), gc.get_threshold(), gc.get_count(), sys.getallocatedblocks())
print(signal.getsignal(signal.SIGINT), locale.setlocale(locale.LC_ALL), print, open)
print("".join(("SEC", "RET")) in repr(gc.get_objects()))
`

// What tenant B learns of tenant A, who had the same instance just before: nothing. All that B sees is what it sees on an engine
// that nobody has used.
func TestPythonTenantLearnsNothing(t *testing.T) {
	_, unused := pythonPool(t)
	want := python(t, unused, Cmd{}, true, "-c", successor)
	if strings.Contains(want, "Error") || !strings.Contains(want, "False") {
		t.Fatal(want)
	}
	e, box := pythonPool(t)
	for range 3 {
		if out := python(t, box, Cmd{}, true, "-c", predecessor); out != "<nil>" {
			t.Fatal(out)
		}
		e.Settle()
		if got := python(t, box, Cmd{}, true, "-c", successor); got != want {
			t.Errorf("after a predecessor\n%s\nwithout\n%s", got, want)
		}
	}
}

// Clocks begin with the run, not with the machine, the process or the instance; what processor time is used is the run's own.
func TestPythonClocksBeginWithTheRun(t *testing.T) {
	_, box := pythonPool(t)
	python(t, box, Cmd{}, true, "-c", "sum(range(3_000_000))")
	began := time.Now()
	got := python(t, box, Cmd{}, true, "-c", "import time; a = time.monotonic(), time.perf_counter(), time.process_time(); print(max(a))")
	elapsed := time.Since(began)
	shown, err := time.ParseDuration(strings.TrimSuffix(got, "\n<nil>") + "s")
	if err != nil || shown > elapsed {
		t.Errorf("clocks show %s in a run of %v (%v)", got, elapsed, err)
	}
}

// unlimited takes away what Python itself puts against it.
const unlimited = "import sys; sys.setrecursionlimit(2**31 - 1)\n"

// TestPythonDeepRecursion: whatever recurses, in Python or in C, ends the program and nothing else; the next one is well.
func TestPythonDeepRecursion(t *testing.T) {
	_, box := pythonPool(t)
	for name, code := range map[string]string{
		"calls":               "def f(): f()\nf()",
		"calls without limit": unlimited + "def f(): f()\nf()",
		"methods in C":        unlimited + "class A:\n  def __repr__(self): return repr(self)\nrepr(A())",
		"comparison":          unlimited + "a = []; b = []\nfor i in range(50000): a, b = [a], [b]\na == b",
		"iterators":           "import itertools\nit = iter(())\nfor i in range(300000): it = itertools.chain(it)\nnext(it)",
		"json":                "import json; json.loads('[' * 300000)",
		"literal":             "import ast; ast.literal_eval('(' * 300000)",
		"expression":          "eval('-' * 300000 + '1')",
		"attributes":          "eval('a' + '.b' * 100000)",
		"regular expression":  "import re; re.compile('(' * 1000 + ')' * 1000)",
		"copy":                unlimited + "import copy; x = None\nfor i in range(20000): x = [x]\ncopy.deepcopy(x); raise SystemExit(1)",
		"deallocation":        "x = None\nfor i in range(300000): x = (x,)\ndel x; raise SystemExit(1)",
		"generators":          unlimited + "def g(n): yield from g(n + 1)\nnext(g(0))",
		"elements":            "import xml.etree.ElementTree as e; e.fromstring('<a>' * 100000); raise SystemExit(1)",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := run(t, box, Cmd{Args: []string{"python3", "-c", code}, Limits: Limits{Timeout: time.Minute, Memory: 96 << 20}})
			if got.Status != 1 && got.Status != StatusTrap {
				t.Errorf("status %d, %v\n%.500s", got.Status, err, got.Stderr)
			}
			if strings.Contains(got.Stderr, "goroutine ") {
				t.Errorf("%.2000s", got.Stderr)
			}
		})
	}
	if out := python(t, box, Cmd{}, true, "-c", "print('well')"); out != "well\n<nil>" {
		t.Errorf("the next one: %s", out)
	}
}
