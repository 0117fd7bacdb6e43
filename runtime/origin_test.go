package runtime

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// layerOf makes a layer with one module, /answer, that answers n.
func layerOf(t *testing.T, n byte) *vfs.Layer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "layer")
	w, err := vfs.CreateLayer(file)
	if err != nil {
		t.Fatal(err)
	}
	module := answerModule(n)
	if err := w.Add(vfs.Entry{Path: "answer", Mode: 0o755, Size: int64(len(module))}, bytes.NewReader(module)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := vfs.OpenLayer(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { layer.Close() })
	return layer
}

func TestDigestOfLayeredModuleIsRemembered(t *testing.T) {
	needCompiler(t)
	dir := t.TempDir()
	layer := layerOf(t, 1)
	id := v1.Hash{Algorithm: "sha256", Hex: "1111111111111111111111111111111111111111111111111111111111111111"}
	root := &oci.Rootfs{Layers: []*vfs.Layer{layer}, Config: &v1.ConfigFile{RootFS: v1.RootFS{DiffIDs: []v1.Hash{id}}}}
	find := func() source {
		t.Helper()
		b, err := newEngine(t, Options{CacheDir: dir}).Load(root)
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.sandbox(&Cmd{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		found, err := s.find(&command{args: []string{"/answer"}, dir: "/"})
		if err != nil {
			t.Fatal(err)
		}
		return found.module
	}
	want := digest(sha256.Sum256(answerModule(1)))
	if got := find(); got.digest != want || !got.mapped {
		t.Fatalf("%x, mapped %v; want %x", got.digest, got.mapped, want)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.digest"))
	if err != nil || len(files) != 1 {
		t.Fatalf("digests on disk: %q, %v", files, err)
	}
	// It is what the file says, so a damaged file must not be believed.
	other := digest(sha256.Sum256(answerModule(2)))
	e := newEngine(t, Options{CacheDir: dir})
	key := filepath.Base(files[0])
	for name, change := range map[string]func(data []byte) []byte{
		"whole":   func(data []byte) []byte { return data },
		"damaged": func(data []byte) []byte { return append(other[:], data[len(other):]...) },
		"short":   func(data []byte) []byte { return data[:10] },
	} {
		data, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(e.codes.dir, key), change(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := find(); got.digest != want {
			t.Errorf("%s: %x, want %x", name, got.digest, want)
		}
	}
}

// TestModuleChangedByTheGuestIsAnother: a program that was overwritten is not the one that its layer holds.
func TestModuleChangedByTheGuestIsAnother(t *testing.T) {
	e, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	tree := vfs.New(layerOf(t, 1))
	b, err := e.NewBox(tree, v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	find := func(tree *vfs.FS) digest {
		t.Helper()
		s, err := b.sandbox(&Cmd{FS: tree})
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		found, err := s.find(&command{args: []string{"/answer"}, dir: "/"})
		if err != nil {
			t.Fatal(err)
		}
		return found.module.digest
	}
	before := find(tree)
	if err := tree.WriteFile("/answer", answerModule(2), 0o755); err != nil {
		t.Fatal(err)
	}
	if after := find(tree); before != sha256.Sum256(answerModule(1)) || after != sha256.Sum256(answerModule(2)) {
		t.Errorf("before %x, after %x", before, after)
	}
}
