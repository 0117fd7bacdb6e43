package vfs

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
)

// TestSparseWriter compares what is written, in pieces of any size, with what is in the file.
func TestSparseWriter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var want []byte
		file, err := os.Create(filepath.Join(t.TempDir(), "f"))
		must(t, err)
		w := newSparseWriter(file)
		for range random.IntN(12) {
			piece := make([]byte, random.IntN(40*sparseBlock))
			for range random.IntN(3) {
				if len(piece) > 0 {
					piece[random.IntN(len(piece))] = 1
				}
			}
			want = append(want, piece...)
			if random.IntN(2) == 0 {
				_, err = w.Write(piece)
			} else {
				_, err = w.ReadFrom(iotest.DataErrReader(bytes.NewReader(piece)))
			}
			must(t, err)
		}
		must(t, w.finish())
		got, err := os.ReadFile(file.Name())
		must(t, err)
		must(t, file.Close())
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes differ from the %d written", len(got), len(want))
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestLayerKeepsHoles: a file of nothing but zeros takes no room in an opened layer.
func TestLayerKeepsHoles(t *testing.T) {
	const size = 64 << 20
	name := filepath.Join(t.TempDir(), "layer")
	w, err := CreateLayer(name)
	must(t, err)
	must(t, w.Add(Entry{Path: "hole", Mode: 0o644, Size: size}, zeros{}))
	must(t, w.Add(Entry{Path: "after", Mode: 0o644, Size: 5}, bytes.NewReader([]byte("after"))))
	must(t, w.Close())
	if taken, ok := diskUsage(t, name); ok && taken > 1<<20 {
		t.Errorf("%d bytes of disk are taken", taken)
	}
	layer, err := OpenLayer(name)
	must(t, err)
	defer layer.Close()
	f := New(layer)
	if text, err := f.ReadFile("/after"); string(text) != "after" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	hole, err := f.Open("/hole", O_RDONLY, 0)
	must(t, err)
	defer hole.Close()
	end := make([]byte, 10)
	if n, err := hole.ReadAt(end, size-4); n != 4 || err != io.EOF || !bytes.Equal(end[:4], make([]byte, 4)) {
		t.Errorf("%d bytes %q, %v", n, end[:n], err)
	}
}
