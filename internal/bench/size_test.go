package bench

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestContainerImageMoves: a changed app moves its layer, configuration and manifest, and not the root again.
func TestContainerImageMoves(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root.tar")
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	noise := make([]byte, 1<<20) // of which gzip leaves most
	state := uint32(1)
	for i := range noise {
		state = state*1664525 + 1013904223
		noise[i] = byte(state >> 24)
	}
	if err := w.WriteHeader(&tar.Header{Name: "noise", Mode: 0o644, Size: int64(len(noise))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(noise); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root, files.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	to, err := newCountingRegistry()
	if err != nil {
		t.Fatal(err)
	}
	defer to.server.Close()
	m, err := Size{Root: root}.image(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	if m.first < 1<<19 || m.changed < 500 || m.changed > 10_000 || m.unpacked < 1<<20 || m.compressed > m.first {
		t.Errorf("%+v", *m)
	}
}
