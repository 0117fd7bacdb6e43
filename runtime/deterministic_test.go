package runtime

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/vfs"
)

// observed is all that a run leaves.
type observed struct {
	Stdout, Stderr string
	Result         Result
	Fuel           int64
	Files          map[string]string // what it has written, with times and modes
}

// observe runs a command in a deterministic way. Where c.FS is set, it stands for a tree that is looked through afterwards.
func observe(t *testing.T, b *Box, c Cmd) observed {
	t.Helper()
	var stdout, stderr bytes.Buffer
	var stats Stats
	c.Stdout, c.Stderr, c.Stats, c.CountFuel = &stdout, &stderr, &stats, true
	c.Limits.Deterministic = true
	before := b.tree.Fork()
	if c.FS != nil {
		c.FS = before.Fork()
		c.FS.Configure(vfs.Config{Now: func() time.Time { return time.Unix(0, 0) }})
	}
	err := b.Run(context.Background(), &c)
	o := observed{Stdout: stdout.String(), Stderr: stderr.String(), Result: ResultOf(err), Fuel: stats.Fuel, Files: map[string]string{}}
	if c.FS == nil {
		return o
	}
	err = fs.WalkDir(c.FS.IOFS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		now, err := c.FS.Lstat(path.Join("/", name))
		if was, gone := before.Lstat(path.Join("/", name)); err != nil || gone == nil && was.Ino == now.Ino && was.Mtime.Equal(now.Mtime) {
			return err
		}
		data := ""
		if now.Mode.IsRegular() {
			content, err := c.FS.ReadFile(path.Join("/", name))
			if err != nil {
				return err
			}
			data = string(content)
		}
		o.Files[name] = fmt.Sprintf("%v %v %d %q", now.Mode, now.Mtime.UTC(), now.Ino, data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// alike runs a command twice, with what may differ differing, and shows what differs in what it leaves.
func alike(t *testing.T, b *Box, c Cmd, input string) observed {
	t.Helper()
	first, second := c, c
	if input != "" {
		first.Stdin = strings.NewReader(input)
		second.Stdin = iotest.OneByteReader(strings.NewReader(input))
	}
	one, two := observe(t, b, first), observe(t, b, second)
	if diff := cmp.Diff(one, two); diff != "" {
		t.Errorf("%q: two runs differ:\n%s", c.Args, diff)
	}
	return one
}

// tellTales print what is different each time on a machine.
var tellTales = map[string]string{
	"time":     "import time, datetime; [print(f()) for f in (time.time, time.monotonic, time.perf_counter, time.process_time, time.localtime, datetime.datetime.now) for _ in range(3)]; time.sleep(3600); print(time.time())",
	"random":   "import os, random, secrets, uuid; print(random.random(), os.urandom(9), secrets.token_hex(), uuid.uuid1(), uuid.uuid4(), random.SystemRandom().random())",
	"hash":     "print({'a', 'b', 'c', 'd', 'e'}, hash('x'), hash(b'y'), hash((1, 'z')), frozenset(map(str, range(9))))",
	"address":  "class A: pass\nprint(A(), [id(o) for o in (A, print, [], {}, object())], repr(lambda: 0))",
	"files":    "import os, tempfile; d = tempfile.mkdtemp(); f = tempfile.NamedTemporaryFile(dir=d, delete=False); f.write(b'x'); f.close(); print(f.name, os.listdir('/'), [tuple(os.stat(p)) + (os.stat(p).st_mtime_ns,) for p in (d, f.name, '/', '/tmp', '/dev/null', '/etc/passwd')])",
	"process":  "import os, sys, platform, shutil; print(os.getpid(), os.getppid(), os.cpu_count(), dict(os.environ), shutil.get_terminal_size(), platform.uname(), os.times(), sys.flags)",
	"errors":   "import warnings; warnings.warn('w'); raise RuntimeError(object())",
	"archive":  "import io, zipfile, tarfile, gzip, hashlib\nb = io.BytesIO(); z = zipfile.ZipFile(b, 'w'); z.writestr('a', 'b'); z.close(); g = gzip.compress(b'x' * 99); print(hashlib.sha256(b.getvalue()).hexdigest(), g)\nopen('/tmp/out.gz', 'wb').write(g)",
	"database": "import sqlite3; c = sqlite3.connect('/tmp/db'); c.execute('create table t(a)'); c.execute('insert into t values (random()), (julianday(\"now\"))'); c.commit(); print(list(c.execute('select * from t')))",
	"asyncio":  "import asyncio, random, time\nasync def f(n):\n  await asyncio.sleep(random.random()); print(n, time.monotonic())\nasync def g(): await asyncio.gather(*map(f, range(5)))\nasyncio.run(g())",
	"input":    "import sys, os, select; print(select.select([0], [], [], 0), os.read(0, 5), sys.stdin.readline(), sys.stdin.read())",
	"compile":  "open('/tmp/m.py', 'w').write('x = 1'); import sys; sys.path.insert(0, '/tmp'); import m; print(m, m.__cached__)",
	"logging":  "import logging; logging.basicConfig(format='%(asctime)s %(process)d %(relativeCreated)d %(message)s'); logging.warning('w')",
	"profile":  "import cProfile; cProfile.run('sum(range(999))'); import timeit; print(timeit.timeit('1', number=10))",
	"garbage":  "import gc, weakref; print(gc.get_count(), len(gc.get_objects()), gc.collect())",
}

// TestDeterministicPython: programs that tell what a machine is like, and programs that do work, leave the same bytes each
// time, and use the same fuel.
func TestDeterministicPython(t *testing.T) {
	_, box := pythonPool(t)
	for name, program := range tellTales {
		t.Run(name, func(t *testing.T) {
			got := alike(t, box, Cmd{Args: []string{"python3", "-c", program}}, "one line\nand another\n")
			if got.Stdout == "" && got.Stderr == "" || got.Fuel == 0 || got.Result.Outcome != OutcomeOK && name != "errors" {
				t.Errorf("it has done nothing: %+v", got)
			}
		})
	}
	one := observe(t, box, Cmd{Args: []string{"python3", "-c", "import random; print(random.random())"}})
	if two := observe(t, box, Cmd{Args: []string{"python3", "-c", "import random; print(random.random())"}, Seed: 1}); one.Stdout == two.Stdout {
		t.Errorf("two seeds, one number: %s", one.Stdout)
	}
}

// The programs by which the base is profiled and tested are the corpus: they use most of the standard library.
func TestDeterministicCorpus(t *testing.T) {
	_, box := pythonPool(t)
	for _, pattern := range []string{"../bases/python/profile/programs/*.py", "../bases/python/tests/*.py"} {
		programs, err := filepath.Glob(pattern)
		if err != nil || len(programs) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, name := range programs {
			t.Run(filepath.Base(name), func(t *testing.T) {
				source, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				got := alike(t, box, Cmd{Args: []string{"python3", "-c", string(source)}, FS: vfs.New()}, "")
				t.Logf("%s: %d instructions, %d bytes of output, %d files, %v", got.Result.Outcome, got.Fuel, len(got.Stdout)+len(got.Stderr), len(got.Files), time.Since(begin))
			})
		}
	}
}

// TestDeterministicMounts: of files of the host, the run sees what does not depend on when they were written, or in which
// order.
func TestDeterministicMounts(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	var outputs []string
	for _, names := range [][]string{{"a", "b", "c"}, {"c", "a", "b"}} {
		dir := t.TempDir()
		for _, name := range names {
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, []byte(name), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(file, time.Now(), time.Unix(1e9, 0)); err != nil {
				t.Fatal(err)
			}
		}
		script := "ls -f /m; stat -c '%n %i %X %Y %Z %d' /m/a /m/b /m/c; echo new > /m/d; echo more >> /m/a; stat -c '%n %i %X %Y %Z' /m /m/a /m/d"
		got := observe(t, b, Cmd{Args: []string{"sh", "-c", script}, Mounts: []Mount{{Source: dir, Target: "/m"}}})
		if got.Result.Outcome != OutcomeOK || !strings.Contains(got.Stdout, "/m/a ") {
			t.Fatalf("%+v", got)
		}
		outputs = append(outputs, got.Stdout)
	}
	if diff := cmp.Diff(outputs[0], outputs[1]); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
}

// TestDeterministicShell: the programs of a pipeline run at the same time, and yet draw the same numbers.
func TestDeterministicShell(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	for _, script := range []string{
		"echo $RANDOM $RANDOM; date; head -c 9 /dev/urandom | base64; mktemp",
		"guest now | cat; guest now", "seq 1000 | sort -R | tail -3", "ls -la --time-style=full-iso / | sort",
	} {
		for range 3 {
			alike(t, b, Cmd{Args: []string{"sh", "-c", script}}, "")
		}
	}
}

// TestLinesOfInput: what is read does not depend on how it was written.
func TestLinesOfInput(t *testing.T) {
	text := "one\n\ntwo and more\nno end" + strings.Repeat("long", 100)
	read := func(r io.Reader) (steps []string) {
		buffer := make([]byte, 64)
		for {
			n, err := r.Read(buffer)
			steps = append(steps, string(buffer[:n]))
			if err != nil {
				return steps
			}
		}
	}
	want := read(&lines{from: strings.NewReader(text)})
	if want[0] != "one\n" || want[1] != "\n" || strings.Join(want, "") != text {
		t.Errorf("%q", want)
	}
	for _, r := range []io.Reader{
		iotest.OneByteReader(strings.NewReader(text)), iotest.HalfReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text)),
	} {
		if diff := cmp.Diff(want, read(&lines{from: r})); diff != "" {
			t.Error(diff)
		}
	}
}
