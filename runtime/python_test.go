package runtime

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"boxer.dev/bases"
	"boxer.dev/oci"
)

// Tests and benchmarks named Python need the Python base, which takes minutes to build.

// pythonRoot is the Python base, opened.
var pythonRoot = sync.OnceValues(func() (*oci.Rootfs, error) {
	dir, err := scratch()
	if err != nil {
		return nil, err
	}
	store, err := oci.Open(dir)
	if err != nil {
		return nil, err
	}
	return bases.Open(bases.Python, store)
})

// scratch is a directory that lasts as long as the tests.
var scratch = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "boxer-runtime") })

func TestMain(m *testing.M) {
	status := m.Run()
	if dir, err := scratch(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(status)
}

func openPython(t testing.TB) *oci.Rootfs {
	t.Helper()
	root, err := pythonRoot()
	if errors.Is(err, bases.ErrNotBuilt) {
		t.Fatalf("%v\nhint: %s", err, bases.NotBuiltHint)
	}
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func newPython(t testing.TB) *Box {
	t.Helper()
	e, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	box, err := e.Load(openPython(t))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func TestPython(t *testing.T) {
	b := newPython(t)
	for name, test := range map[string]struct {
		cmd  Cmd
		want result
	}{
		"option":      {Cmd{Args: []string{"-c", "print('hello')"}}, result{Stdout: "hello\n"}},
		"program":     {Cmd{Args: []string{"python3", "-c", "import sys; print(sys.argv)", "a"}}, result{Stdout: "['-c', 'a']\n"}},
		"stdin":       {Cmd{Args: []string{"-"}, Stdin: strings.NewReader("print(1+1)")}, result{Stdout: "2\n"}},
		"status":      {Cmd{Args: []string{"-c", "import sys; sys.exit(3)"}}, result{Status: 3}},
		"directory":   {Cmd{Args: []string{"-c", "import os; print(os.getcwd())"}, Dir: "/srv/x"}, result{Stdout: "/srv/x\n"}},
		"environment": {Cmd{Args: []string{"-c", "import os; print('PWD' in os.environ)"}}, result{Stdout: "False\n"}},
		"user":        {Cmd{Args: []string{"-c", "import os; print(os.getuid())"}, User: "1000"}, result{Stdout: "1000\n"}},
		"shell":       {Cmd{Args: []string{"sh", "-c", "cd /tmp; python3 -c 'import os; print(os.getcwd())' | cat"}}, result{Stdout: "/tmp\n"}},
		"pipe":        {Cmd{Args: []string{"sh", "-c", "echo 'print(6*7)' | python3"}}, result{Stdout: "42\n"}},
		"signal":      {Cmd{Args: []string{"-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"}}, result{Status: 128 + 15}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := run(t, b, test.cmd)
			if got != test.want {
				t.Errorf("%+v, %v; want %+v", got, err, test.want)
			}
		})
	}
}

func TestPythonScript(t *testing.T) {
	b := newPython(t)
	tree := openPython(t).FS()
	if err := tree.WriteFile("/usr/bin/tool", []byte("#!/usr/bin/env python3\nimport sys\nprint(sys.argv)\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := run(t, b, Cmd{Args: []string{"tool", "x"}, FS: tree})
	if want := "['/usr/bin/tool', 'x']\n"; got.Stdout != want {
		t.Errorf("%+v, %v; want %q", got, err, want)
	}
}

// TestPythonRandomDiffersBetweenRuns is hyperlight #1745.
func TestPythonRandomDiffersBetweenRuns(t *testing.T) {
	b := newPython(t)
	c := Cmd{Args: []string{"-c", "import random, os, uuid; print(random.random(), os.urandom(8), uuid.uuid4())"}}
	first, _ := run(t, b, c)
	second, err := run(t, b, c)
	if err != nil || first.Stdout == second.Stdout {
		t.Errorf("%+v, %v", second, err)
	}
}

func TestPythonSleepMovesAGivenClock(t *testing.T) {
	box := newPython(t)
	var out strings.Builder
	epoch := time.Unix(0, 0)
	err := box.Run(t.Context(), &Cmd{
		Args:   []string{"-c", "import asyncio, time; time.sleep(3600); asyncio.run(asyncio.sleep(3600)); print(time.time())"},
		Stdout: &out, Now: func() time.Time { return epoch },
	})
	if err != nil || !strings.HasPrefix(out.String(), "7200.") {
		t.Errorf("after two hours asleep since 0 the clock shows %q (%v)", out.String(), err)
	}
}

func TestPythonMemoryError(t *testing.T) {
	got, err := run(t, newPython(t), Cmd{Args: []string{"-c", "a = bytearray(5 << 30)"}})
	if got.Status != 1 || !strings.Contains(got.Stderr, "Error") {
		t.Errorf("%+v, %v", got, err)
	}
}

// BenchmarkPythonHello is a run of a program that is loaded already.
func BenchmarkPythonHello(b *testing.B) {
	box := newPython(b)
	c := &Cmd{Args: []string{"-c", "print('hello')"}}
	if err := box.Run(context.Background(), c); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := box.Run(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPythonCold is what a process does that finds its machine code on disk.
func BenchmarkPythonCold(b *testing.B) {
	root := openPython(b)
	dir := b.TempDir()
	cold := func() Stats {
		e, err := New(context.Background(), Options{CacheDir: dir})
		if err != nil {
			b.Fatal(err)
		}
		defer e.Close()
		box, err := e.Load(root)
		if err != nil {
			b.Fatal(err)
		}
		var stats Stats
		if err := box.Run(context.Background(), &Cmd{Args: []string{"-c", "print('hello')"}, Stats: &stats}); err != nil {
			b.Fatal(err)
		}
		return stats
	}
	cold()
	var load, run Stats
	for b.Loop() {
		s := cold()
		load.Load += s.Load
		run.Run += s.Run
	}
	b.ReportMetric(load.Load.Seconds()*1e3/float64(b.N), "load-ms")
	b.ReportMetric(run.Run.Seconds()*1e3/float64(b.N), "run-ms")
}

// BenchmarkPythonLoad is what a process pays for the interpreter's machine code, which is in the cache.
func BenchmarkPythonLoad(b *testing.B) {
	box, options := newPython(b), Options{CacheDir: b.TempDir()}
	s, err := box.sandbox(&Cmd{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.close()
	first, err := box.command(s, &Cmd{Args: []string{"python3"}})
	if err != nil {
		b.Fatal(err)
	}
	found, err := s.find(&first)
	if err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]form{"plain": plain, "restorable": restorable} {
		module := found.module
		module.form = f
		newEngineLoad(b, options, module)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				newEngineLoad(b, options, module)
			}
		})
	}
}

// BenchmarkPythonLookup is what precedes a run with an instance at hand: its tree, and its program in that.
func BenchmarkPythonLookup(b *testing.B) {
	box := newPython(b)
	b.ReportAllocs()
	for b.Loop() {
		c := &Cmd{Args: []string{"python3", "-c", "pass"}}
		s, err := box.sandbox(c)
		if err != nil {
			b.Fatal(err)
		}
		first, err := box.command(s, c)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.findFirst(&first); err != nil {
			b.Fatal(err)
		}
		if err := s.close(); err != nil {
			b.Fatal(err)
		}
	}
}
