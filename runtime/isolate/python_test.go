package isolate

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"boxer.dev/bases"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

// Tests and benchmarks named Python need the Python base, which takes minutes to build.

// scratch is a directory that lasts as long as the tests.
var scratch = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "boxer-isolate") })

func TestMain(m *testing.M) {
	Main()
	status := m.Run()
	if dir, err := scratch(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(status)
}

// pythonRoot is the Python base, opened.
var pythonRoot = sync.OnceValues(func() (*oci.Rootfs, error) {
	dir, err := scratch()
	if err != nil {
		return nil, err
	}
	store, err := oci.Open(filepath.Join(dir, "images"))
	if err != nil {
		return nil, err
	}
	return bases.Open(bases.Python, store)
})

// codeDir is the cache of machine code: the user's, so that Python is not compiled for each test.
func codeDir(t testing.TB) string {
	t.Helper()
	if dir, err := os.UserCacheDir(); err == nil {
		dir = filepath.Join(dir, "boxer", "code")
		if err := os.MkdirAll(dir, 0o700); err == nil {
			return dir
		}
	}
	dir, err := scratch()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "code")
}

func openPython(t testing.TB) *oci.Rootfs {
	t.Helper()
	root, err := pythonRoot()
	if err != nil {
		t.Fatalf("%v\nhint: %s", err, bases.NotBuiltHint)
	}
	return root
}

func newPool(t testing.TB, p *Pool) *Pool {
	t.Helper()
	p.CacheDir = codeDir(t)
	if p.Warn == nil {
		p.Warn = func(err error) { t.Errorf("warning: %v", err) }
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// BenchmarkPythonAdded is what a run costs more in a worker than in this process: runs take turns, so that each finds what the
// one before has left to be done in the background done.
func BenchmarkPythonAdded(b *testing.B) {
	p := newPool(b, &Pool{})
	box := Box{Root: openPython(b)}
	e, err := runtime.New(b.Context(), runtime.Options{CacheDir: p.CacheDir, Keep: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	here, err := e.Load(openPython(b))
	if err != nil {
		b.Fatal(err)
	}
	took := func(run func(*runtime.Cmd) error) time.Duration {
		var out bytes.Buffer
		e.Settle()
		start := time.Now()
		err := run(&runtime.Cmd{Args: []string{"python3", "-c", "print('hello')"}, Stdout: &out, Stderr: &out})
		elapsed := time.Since(start)
		if err != nil || out.String() != "hello\n" {
			b.Fatalf("%q, %v", out.String(), err)
		}
		return elapsed
	}
	var isolated, inside []time.Duration
	for b.Loop() {
		isolated = append(isolated, took(func(c *runtime.Cmd) error { return p.Run(b.Context(), box, c) }))
		inside = append(inside, took(func(c *runtime.Cmd) error { return here.Run(b.Context(), c) }))
	}
	slices.Sort(isolated)
	slices.Sort(inside)
	median := func(d []time.Duration) float64 { return float64(d[len(d)/2].Nanoseconds()) / 1e3 }
	b.ReportMetric(median(isolated), "µs/isolated")
	b.ReportMetric(median(inside), "µs/inside")
	b.ReportMetric(median(isolated)-median(inside), "µs/added")
}

// BenchmarkPythonHello is the throughput of one worker.
func BenchmarkPythonHello(b *testing.B) {
	p := newPool(b, &Pool{})
	box := Box{Root: openPython(b)}
	hello := func() {
		var out bytes.Buffer
		err := p.Run(context.Background(), box, &runtime.Cmd{Args: []string{"python3", "-c", "print('hello')"}, Stdout: &out, Stderr: &out})
		if err != nil || out.String() != "hello\n" {
			b.Fatalf("%q, %v", out.String(), err)
		}
	}
	hello()
	for b.Loop() {
		hello()
	}
}
