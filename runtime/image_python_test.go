package runtime

import (
	"bytes"
	"context"
	"crypto/rand"
	"path/filepath"
	"sync"
	"testing"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// newLayer opens a layer that holds these files.
func newLayer(files map[string][]byte) (*vfs.Layer, error) {
	dir, err := scratch()
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, rand.Text())
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

var pythonImage = sync.OnceValues(func() (*oci.Rootfs, error) {
	root, err := pythonRoot()
	if err != nil {
		return nil, err
	}
	e, err := shared()
	if err != nil {
		return nil, err
	}
	above, _, err := withImage(root, e, &Cmd{Args: []string{"python3"}})
	return above, err
})

func TestPythonImage(t *testing.T) {
	openPython(t)
	root, err := pythonImage()
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, Options{CacheDir: mustScratch(t), Keep: 2})
	box, err := e.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var out bytes.Buffer
		var stats Stats
		err := box.Run(context.Background(), &Cmd{Args: []string{"python3", "-c", "import sys, json; print(json.dumps(sys.argv))", "a"}, Stdout: &out, Stderr: &out, Stats: &stats})
		t.Log(err, out.String(), stats.String(), stats.Restored)
	}
}

func BenchmarkPythonPooledHello(b *testing.B) {
	openPython(b)
	root, err := pythonImage()
	if err != nil {
		b.Fatal(err)
	}
	e := newEngine(b, Options{CacheDir: mustScratch(b), Keep: 2})
	box, err := e.Load(root)
	if err != nil {
		b.Fatal(err)
	}
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

func mustScratch(t testing.TB) string {
	dir, err := scratch()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "codes")
}
