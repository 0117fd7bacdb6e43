package vfs_test

import (
	"path/filepath"
	"strings"
	"testing"

	"boxer.dev/vfs"
)

func TestInLayer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "layer")
	w, err := vfs.CreateLayer(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		if err := w.Add(vfs.Entry{Path: name, Mode: 0o644, Size: 4}, strings.NewReader(name+"...")); err != nil {
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
	defer layer.Close()
	tree := vfs.New(layer)
	for name, change := range map[string]func(*vfs.File) error{
		"/b": func(f *vfs.File) error { _, err := f.WriteAt([]byte("x"), 1); return err },
		"/c": func(f *vfs.File) error { return f.Chmod(0o600) },
		"/d": func(f *vfs.File) error {
			if err := f.Truncate(2); err != nil {
				return err
			}
			return f.Truncate(4) // longer again, by zeros
		},
	} {
		f, err := tree.Open(name, vfs.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := change(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if err := tree.WriteFile("/new", []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	at := map[int64]string{}
	for name, want := range map[string]string{"/a": "a...", "/b": "", "/c": "c...", "/d": "", "/new": "", "/": ""} {
		f, err := tree.Open(name, vfs.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		in, offset, contents, ok := f.InLayer()
		if string(contents) != want || ok != (want != "") || ok && in != layer {
			t.Errorf("%s: %q, %v; want %q", name, contents, ok, want)
		}
		if ok && at[offset] != "" {
			t.Errorf("%s and %s are both at %d", name, at[offset], offset)
		}
		at[offset] = name
		f.Close()
	}
}
