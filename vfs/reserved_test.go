package vfs_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/vfs"
)

func writeLayer(t *testing.T, files map[string]string, whiteouts ...string) *vfs.Layer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "layer")
	w, err := vfs.CreateLayer(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range files {
		if err := w.Add(vfs.Entry{Path: name, Mode: 0o644, Size: int64(len(body))}, strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range whiteouts {
		if err := w.Add(vfs.Entry{Path: name, Whiteout: true}, nil); err != nil {
			t.Fatal(err)
		}
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

func TestReservedIsHidden(t *testing.T) {
	layer := writeLayer(t, map[string]string{".boxer/image": "secret", "app/.boxer/x": "shown", "f": ""})
	tree := vfs.New(layer)
	for _, name := range []string{"/.boxer", "/.boxer/image", "/app/../.boxer/image"} {
		if _, err := tree.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Lstat(%q): %v", name, err)
		}
	}
	entries, err := tree.ReadDir("/")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"app", "f"}, names); diff != "" {
		t.Error(diff)
	}
	if s, err := tree.Stat("/"); err != nil || s.Nlink != 3 {
		t.Errorf("Stat(/): %d links, %v", s.Nlink, err)
	}
	if b, err := tree.ReadFile("/app/.boxer/x"); err != nil || string(b) != "shown" {
		t.Errorf("elsewhere the name is like any other: %q, %v", b, err)
	}
}

func TestReservedCannotBeMade(t *testing.T) {
	tree := vfs.New(writeLayer(t, map[string]string{".boxer/image": "", "f": "", "d/x": ""}))
	for what, err := range map[string]error{
		"mkdir":   tree.Mkdir("/.boxer", 0o755),
		"write":   tree.WriteFile("/.boxer", nil, 0o644),
		"symlink": tree.Symlink("/d", "/.boxer"),
		"link":    tree.Link("/f", "/.boxer"),
		"rename":  tree.Rename("/d", "/.boxer"),
	} {
		if !errors.Is(err, syscall.EPERM) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestReservedFile(t *testing.T) {
	layer := writeLayer(t, map[string]string{".boxer/image": "contents", ".boxer/empty": ""}, ".boxer/gone")
	if b, err := layer.ReservedFile("image"); err != nil || string(b) != "contents" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := layer.ReservedFile("empty"); err != nil || b == nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := layer.ReservedFile("gone"); err != nil || b != nil {
		t.Errorf("a whiteout: %q, %v", b, err)
	}
	if _, err := layer.ReservedFile("other"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	got := map[string]bool{}
	if err := layer.ReservedNames(func(name string, whiteout bool) { got[name] = whiteout }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]bool{"image": false, "empty": false, "gone": true}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := writeLayer(t, map[string]string{"f": ""}).ReservedFile("image"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
