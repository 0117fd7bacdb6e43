package isolate

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/vfs"
)

func TestPythonRunsInAWorker(t *testing.T) {
	p := newPool(t, &Pool{})
	var out bytes.Buffer
	err := p.Run(context.Background(), Box{Root: openPython(t)}, &runtime.Cmd{
		Args: []string{"python3", "-c", "print(input()[::-1]); raise SystemExit(3)"}, Stdin: bytes.NewReader([]byte("olleh\n")), Stdout: &out, Stderr: &out,
	})
	if out.String() != "hello\n" || runtime.ExitStatus(err) != 3 {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestPythonSeesWhyItEnds(t *testing.T) {
	p := newPool(t, &Pool{})
	ready := runtime.Cmd{Args: []string{"python3", "-c", ""}, Stdout: new(bytes.Buffer), Grace: time.Minute}
	if err := p.Run(t.Context(), Box{Root: openPython(t)}, &ready); err != nil { // starting a worker takes longer than the runs have
		t.Fatal(err)
	}
	for want, begin := range map[string]func() (context.Context, context.CancelFunc){
		"TimeoutError":      func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), 2*time.Second) },
		"KeyboardInterrupt": func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) },
	} {
		ctx, cancel := begin()
		defer cancel()
		out := &bytes.Buffer{}
		begun := writerFunc(func(text []byte) (int, error) {
			if bytes.Contains(text, []byte("begun")) && want == "KeyboardInterrupt" {
				cancel()
			}
			return out.Write(text)
		})
		err := p.Run(ctx, Box{Root: openPython(t)}, &runtime.Cmd{Args: []string{"python3", "-c", `
print("begun", flush=True)
try:
    while True: pass
except BaseException as e:
    print(type(e).__name__)
`}, Stdout: begun, Grace: time.Minute})
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %q, %v", want, out.String(), err)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func double(_ context.Context, arguments json.RawMessage) (any, error) {
	var numbers []int
	if err := json.Unmarshal(arguments, &numbers); err != nil {
		return nil, err
	}
	return numbers[0] * 2, nil
}

// loadHere loads a box for this process, to compare workers with.
func loadHere(t testing.TB, root *oci.Rootfs) *runtime.Box {
	t.Helper()
	e, err := runtime.New(t.Context(), runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	b, err := e.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newBox is a box with a shell and utilities, which every box has, and one file.
func newBox(t testing.TB) Box { return newBoxOf(t, "hello", "hello\n") }

// newBoxOf is one with another file.
func newBoxOf(t testing.TB, path, contents string) Box {
	t.Helper()
	name := filepath.Join(t.TempDir(), "layer")
	w, err := vfs.CreateLayer(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(vfs.Entry{Path: path, Mode: 0o644, Size: int64(len(contents))}, strings.NewReader(contents)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := vfs.OpenLayer(name)
	if err != nil {
		t.Fatal(err)
	}
	root := &oci.Rootfs{Config: &v1.ConfigFile{}, Layers: []*vfs.Layer{layer}}
	t.Cleanup(func() { root.Close() })
	return Box{Root: root}
}

// TestForgottenBoxLeavesNothing: neither workers nor notes are kept of a box that will not be run again.
func TestForgottenBoxLeavesNothing(t *testing.T) {
	p, box, other := newPool(t, &Pool{Workers: 2}), newBox(t), newBoxOf(t, "hello", "other\n")
	other.Root.Digest.Hex = strings.Repeat("0", 64)
	print := func(b Box, want string) {
		t.Helper()
		var out bytes.Buffer
		if err := p.Run(t.Context(), b, &runtime.Cmd{Args: []string{"cat", "/hello"}, Stdout: &out}); err != nil || out.String() != want {
			t.Errorf("%q, %v", out.String(), err)
		}
	}
	print(box, "hello\n")
	print(other, "other\n")
	p.Forget(box.Root)
	if len(p.classes) != 1 || p.living != 1 {
		t.Errorf("%d classes and %d workers", len(p.classes), p.living)
	}
	print(box, "hello\n") // it may be run again all the same
	p.Forget(box.Root)

	// One that runs it meanwhile ends with its run, and makes room for another.
	reading, writing := io.Pipe()
	ended := make(chan error)
	started := make(chan struct{})
	go func() {
		ended <- p.Run(t.Context(), box, &runtime.Cmd{Args: []string{"cat", "-", "/hello"}, Stdin: reading, Stdout: &tellingWriter{told: started}})
	}()
	writing.Write([]byte("x"))
	<-started
	p.Forget(box.Root)
	writing.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(p.classes) != 1 || p.living != 1 {
		t.Errorf("%d classes and %d workers", len(p.classes), p.living)
	}
}

// tellingWriter tells of the first write.
type tellingWriter struct {
	once sync.Once
	told chan struct{}
}

func (w *tellingWriter) Write(b []byte) (int, error) {
	w.once.Do(func() { close(w.told) })
	return len(b), nil
}
