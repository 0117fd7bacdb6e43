package oci

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/vfs"
)

func mustRootfs(t testing.TB, s *Store, img v1.Image) *Rootfs {
	t.Helper()
	root, err := s.Rootfs(img)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func content(t testing.TB, tree *vfs.FS, name string) string {
	t.Helper()
	data, err := tree.ReadFile(name)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

func TestRootfs(t *testing.T) {
	s := newStore(t)
	lower := layerOf(t, tarOf(t, tar.Header{Name: "d/a", Mode: 0o644}, tar.Header{Name: "d/b"}, tar.Header{Name: "e/c"}), Zstd)
	upper := layerOf(t, tarOf(t, tar.Header{Name: "d/.wh.a"}, tar.Header{Name: "e/.wh..wh..opq"}, tar.Header{Name: "e/d"}), Gzip)
	outside := imageOf(t, lower, upper)
	mustPut(t, s, outside, "app")
	for where, img := range map[string]v1.Image{"not in the store": outside, "in the store": must(s.Image("app"))} {
		root := mustRootfs(t, s, img)
		if root.Digest != must(img.Digest()) || root.Config.Config.Cmd[0] != "/a" {
			t.Errorf("%s: digest %s, config %+v", where, root.Digest, root.Config)
		}
		tree := root.FS()
		if content(t, tree, "/d/b") != "d/b" || content(t, tree, "/e/d") != "e/d" {
			t.Errorf("%s: wrong content", where)
		}
		for _, gone := range []string{"/d/a", "/e/c"} {
			if _, err := tree.Stat(gone); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %s: %v", where, gone, err)
			}
		}
	}
}

func TestRootfsOpensWithoutUnpackingAgain(t *testing.T) {
	s := newStore(t)
	img := namedImage(t, "a")
	mustRootfs(t, s, img)
	mustRootfs(t, s, unreadable{img})
	root := mustRootfs(t, s, unreadable{img})
	if got := content(t, root.FS(), "/a"); got != "a" {
		t.Errorf("content %q", got)
	}
	if left := unlocked(tempNames(t, s)); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

// unlocked leaves lock files out, which stay until garbage is collected.
func unlocked(names []string) (files []string) {
	for _, name := range names {
		if filepath.Ext(name) != ".lock" {
			files = append(files, name)
		}
	}
	return files
}

func openedFile(t testing.TB, s *Store, img v1.Image) string {
	return filepath.Join(s.layerDir(), must(must(img.Layers())[0].DiffID()).Hex)
}

func TestDamagedOpenedLayerIsRebuilt(t *testing.T) {
	s := newStore(t)
	img := namedImage(t, "a")
	file := openedFile(t, s, img)
	mustRootfs(t, s, img).Close()
	whole := must(os.ReadFile(file))
	flipped := bytes.Clone(whole)
	flipped[16] ^= 1
	for name, damaged := range map[string][]byte{
		"empty": {}, "truncated": whole[:len(whole)-1], "header only": whole[:64], "longer": append(bytes.Clone(whole), 0), "flipped": flipped,
		"text": []byte("no layer"),
	} {
		if err := os.WriteFile(file, damaged, 0o666); err != nil {
			t.Fatal(err)
		}
		root := mustRootfs(t, s, img)
		if got := content(t, root.FS(), "/a"); got != "a" {
			t.Errorf("%s: content %q", name, got)
		}
		root.Close()
		if !bytes.Equal(must(os.ReadFile(file)), whole) {
			t.Errorf("%s: the file was not written anew", name)
		}
	}
}

func TestGCRemovesOpenedLayers(t *testing.T) {
	s := newStore(t)
	stored, kept, gone := namedImage(t, "stored"), namedImage(t, "kept"), namedImage(t, "gone")
	mustPut(t, s, stored, "stored")
	for _, img := range []v1.Image{stored, kept, gone} {
		mustRootfs(t, s, img)
	}
	running := mustRootfs(t, s, gone)
	freed, err := s.GC(kept)
	if err != nil || freed.Layers != 1 || freed.Blobs != 0 {
		t.Errorf("freed %+v, %v", freed, err)
	}
	if _, err := os.Stat(openedFile(t, s, kept)); err != nil {
		t.Error(err)
	}
	if got := content(t, running.FS(), "/gone"); got != "gone" {
		t.Errorf("a tree in use lost its content: %q", got)
	}
}

// claims is a layer that says to have another content than it has.
type claims struct {
	v1.Layer
	diffID    v1.Hash
	mediaType types.MediaType
}

func (c claims) DiffID() (v1.Hash, error) { return c.diffID, nil }
func (c claims) MediaType() (types.MediaType, error) {
	if c.mediaType != "" {
		return c.mediaType, nil
	}
	return c.Layer.MediaType()
}

func TestRootfsRefuses(t *testing.T) {
	layer := layerOf(t, tarOf(t, tar.Header{Name: "f"}), Zstd)
	diffID := must(layer.DiffID())
	truncated := *layer.(*spooledLayer)
	truncated.size /= 2
	for name, img := range map[string]v1.Image{
		"another diff id":    imageOf(t, claims{layer, v1.Hash{Algorithm: "sha256", Hex: someHex}, ""}),
		"diff id with path":  imageOf(t, claims{layer, v1.Hash{Algorithm: "sha256", Hex: "../../x"}, ""}),
		"no layer":           imageOf(t, claims{layer, diffID, "application/vnd.example"}),
		"truncated":          imageOf(t, &truncated),
		"no tar":             imageOf(t, layerOf(t, bytes.Repeat([]byte("text "), 1000), Zstd)),
		"name with ..":       imageOf(t, layerOf(t, tarOf(t, tar.Header{Name: "../f"}), Zstd)),
		"beneath a file":     imageOf(t, layerOf(t, tarOf(t, tar.Header{Name: "f"}, tar.Header{Name: "f/g"}), Zstd)),
		"link to directory":  imageOf(t, layerOf(t, tarOf(t, tar.Header{Name: "d/", Typeflag: dir}, tar.Header{Name: "l", Typeflag: link, Linkname: "d"}), Zstd)),
		"link to the root":   imageOf(t, layerOf(t, tarOf(t, tar.Header{Name: "l", Typeflag: link, Linkname: "/"}), Zstd)),
		"root as a symlink":  imageOf(t, layerOf(t, tarOf(t, tar.Header{Name: "/", Typeflag: sym, Linkname: "/etc"}), Zstd)),
		"root as a file":     imageOf(t, layerOf(t, tarOf(t, tar.Header{Name: "."}), Zstd)),
		"symlinks in a loop": imageOf(t, layerOf(t, tarOf(t, tar.Header{Name: "s", Typeflag: sym, Linkname: "s"}, tar.Header{Name: "s/f"}), Zstd)),
		"too few diff ids":   withoutDiffIDs{namedImage(t, "f")},
	} {
		s := newStore(t)
		if _, err := s.Rootfs(img); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left := unlocked(tempNames(t, s)); len(left) > 0 {
			t.Errorf("%s: temporary files are left: %v", name, left)
		}
		if opened := must(os.ReadDir(s.layerDir())); len(opened) > 0 {
			t.Errorf("%s: the layer was kept", name)
		}
	}
}

type withoutDiffIDs struct{ v1.Image }

func (w withoutDiffIDs) ConfigFile() (*v1.ConfigFile, error) { return &v1.ConfigFile{}, nil }

// Names of a tar that lead through one of its symlinks stay in the box, whatever the symlink says.
func TestNameThroughSymlinkStaysInside(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.Mkdir(outside, 0o777); err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	root := mustRootfs(t, s, imageOf(t, layerOf(t, tarOf(t,
		tar.Header{Name: "s", Typeflag: sym, Linkname: outside},
		tar.Header{Name: "s/f", Mode: 0o644},
		tar.Header{Name: "up", Typeflag: sym, Linkname: "../../../.."},
		tar.Header{Name: "up/g", Mode: 0o644},
	), Zstd)))
	if found := must(os.ReadDir(outside)); len(found) > 0 {
		t.Errorf("the host has %v", found)
	}
	if got := content(t, root.FS(), outside+"/f"); got != "s/f" {
		t.Errorf("content %q", got)
	}
	if got := content(t, root.FS(), "/g"); got != "up/g" {
		t.Errorf("content %q", got)
	}
}

// A few kilobytes must not fill memory or disk, neither as one layer nor as many.
func TestDecompressionBomb(t *testing.T) {
	for _, compression := range []Compression{Zstd, Gzip} {
		one := imageOf(t, bomb(t, compression, "a", 20<<20))
		many := imageOf(t, bomb(t, compression, "b", 8<<20), bomb(t, compression, "c", 8<<20), bomb(t, compression, "d", 8<<20))
		for name, test := range map[string]struct {
			img    v1.Image
			limits Limits
		}{
			"one, ratio":  {one, Limits{Slack: 10 << 20}},
			"many, ratio": {many, Limits{Slack: 10 << 20}},
			"one, size":   {one, Limits{Bytes: 10 << 20}},
			"many, size":  {many, Limits{Bytes: 10 << 20}},
		} {
			s := newStore(t)
			s.Limits = test.limits
			if _, err := s.Rootfs(test.img); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s, %s: %v, want ErrTooLarge", name, compression, err)
			}
			if left := unlocked(tempNames(t, s)); len(left) > 0 {
				t.Errorf("%s, %s: temporary files are left: %v", name, compression, left)
			}
		}
	}
}

// bomb is a layer with one file of zeros.
func bomb(t testing.TB, compression Compression, name string, size int64) v1.Layer {
	t.Helper()
	layer := &spooledLayer{file: must(createUnnamed(t.TempDir())), compression: compression}
	err := layer.compress(func(w io.Writer) error {
		tw := tar.NewWriter(w)
		if err := tw.WriteHeader(&tar.Header{Name: name, Size: size}); err != nil {
			return err
		}
		if _, err := io.CopyN(tw, zeros{}, size); err != nil {
			return err
		}
		return tw.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Zeros without end that follow the archive's end are a bomb, too.
func TestBombBehindTheArchive(t *testing.T) {
	layer := &spooledLayer{file: must(createUnnamed(t.TempDir()))}
	archive := tarOf(t, tar.Header{Name: "f"})
	if err := layer.compress(func(w io.Writer) error {
		_, err := io.Copy(w, io.MultiReader(bytes.NewReader(archive), io.LimitReader(zeros{}, 20<<20)))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	s.Limits.Slack = 10 << 20
	if _, err := s.Rootfs(imageOf(t, layer)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}

// counted counts how often a layer is read.
type counted struct {
	v1.Layer
	mu    *sync.Mutex
	reads *int
}

func (c counted) Compressed() (io.ReadCloser, error) {
	c.mu.Lock()
	*c.reads++
	c.mu.Unlock()
	return c.Layer.Compressed()
}

func TestLayerIsUnpackedOnce(t *testing.T) {
	s := newStore(t)
	var reads int
	img := imageOf(t, counted{layerOf(t, tarOf(t, tar.Header{Name: "f", Size: 1 << 20}), Zstd), new(sync.Mutex), &reads})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := open(s, img); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if reads != 1 {
		t.Errorf("the layer was read %d times", reads)
	}
}

// manyLayers is shaped like a Python base: four layers, over a thousand files.
func manyLayers(t testing.TB) v1.Image {
	var layers []v1.Layer
	for l := range 4 {
		var files []tar.Header
		for f := range 400 {
			files = append(files, tar.Header{Name: fmt.Sprintf("usr/lib/python3.13/package%d/module%d.py", l, f), Mode: 0o644, Size: 10_000})
		}
		layers = append(layers, layerOf(t, tarOf(t, files...), Zstd))
	}
	return imageOf(t, layers...)
}

func BenchmarkRootfsWarm(b *testing.B) {
	s := newStore(b)
	mustPut(b, s, manyLayers(b), "python")
	mustRootfs(b, s, must(s.Image("python")))
	for b.Loop() {
		root, err := s.Rootfs(must(s.Image("python")))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := root.FS().Stat("/usr/lib/python3.13/package3/module7.py"); err != nil {
			b.Fatal(err)
		}
		root.Close()
	}
}

func BenchmarkRootfsCold(b *testing.B) {
	s := newStore(b)
	mustPut(b, s, manyLayers(b), "python")
	for b.Loop() {
		root, err := s.Rootfs(must(s.Image("python")))
		if err != nil {
			b.Fatal(err)
		}
		root.Close()
		b.StopTimer()
		if err := os.RemoveAll(s.layerDir()); err != nil {
			b.Fatal(err)
		}
		if err := os.Mkdir(s.layerDir(), 0o777); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
