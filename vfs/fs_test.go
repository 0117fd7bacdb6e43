package vfs

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// epoch is the time of everything in these tests.
var epoch = time.Unix(1_000_000_000, 500)

// layerOf writes entries, with their contents by path, and opens the layer.
func layerOf(t testing.TB, entries []Entry, contents map[string]string) *Layer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "layer")
	w, err := CreateLayer(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.ModTime.IsZero() {
			e.ModTime = epoch
		}
		body := contents[e.Path]
		if e.Mode.IsRegular() && !e.Whiteout && e.HardLink == "" {
			e.Size = int64(len(body))
		}
		if err := w.Add(e, strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := OpenLayer(file)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func file(p string) Entry { return Entry{Path: p, Mode: 0o644} }
func dir(p string) Entry  { return Entry{Path: p, Mode: fs.ModeDir | 0o755} }
func symlink(p, target string) Entry {
	return Entry{Path: p, Mode: fs.ModeSymlink | 0o777, Symlink: target}
}
func hardlink(p, to string) Entry { return Entry{Path: p, HardLink: to} }
func whiteout(p string) Entry     { return Entry{Path: p, Whiteout: true} }

// names lists every path of a tree that shows, directories with a slash.
func names(t testing.TB, f *FS) []string {
	t.Helper()
	var list []string
	err := fs.WalkDir(f.IOFS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			p += "/"
		}
		list = append(list, p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func mustRead(t testing.TB, f *FS, name, want string) {
	t.Helper()
	if got, err := f.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("ReadFile(%q) = %q, %v; want %q", name, got, err, want)
	}
}

func wantErrno(t testing.TB, what string, err error, want syscall.Errno) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v; want %v", what, err, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLayersShowAsOne(t *testing.T) {
	lower := layerOf(t, []Entry{
		dir("a"), file("a/one"), file("a/two"), dir("a/sub"), file("a/sub/deep"),
		dir("gone"), file("gone/x"), dir("hidden"), file("hidden/x"), file("turned"), dir("flat"), file("flat/x"),
	}, map[string]string{"a/one": "1", "a/two": "2", "a/sub/deep": "deep"})
	upper := layerOf(t, []Entry{
		file("a/two"), whiteout("a/one"), file("a/three"), whiteout("gone"),
		{Path: "hidden", Mode: fs.ModeDir | 0o700, Opaque: true}, file("hidden/y"),
		dir("turned"), file("turned/in"), file("flat"), file("implied/x"),
	}, map[string]string{"a/two": "zwei", "a/three": "3"})
	f := New(lower, upper)
	want := []string{
		"./", "a/", "a/sub/", "a/sub/deep", "a/three", "a/two", "flat", "hidden/", "hidden/y",
		"implied/", "implied/x", "turned/", "turned/in",
	}
	if diff := cmp.Diff(want, names(t, f)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	mustRead(t, f, "/a/two", "zwei")
	mustRead(t, f, "/a/sub/deep", "deep")
	_, err := f.Stat("/a/one")
	wantErrno(t, "whiteout", err, syscall.ENOENT)
	if s, err := f.Stat("/a"); err != nil || s.Mode != fs.ModeDir|0o755 || s.Nlink != 3 || !s.Mtime.Equal(epoch) {
		t.Errorf("Stat(/a) = %+v, %v", s, err)
	}
}

func TestWriteOverLayer(t *testing.T) {
	l := layerOf(t, []Entry{dir("d"), file("d/f"), symlink("l", "/d/f")}, map[string]string{"d/f": "hello"})
	f := New(l)
	must(t, f.WriteFile("/d/new", []byte("new"), 0o600))
	h, err := f.Open("/l", O_RDWR|O_APPEND, 0)
	must(t, err)
	_, err = io.WriteString(h, " world")
	must(t, err)
	g := f.Fork()
	_, err = io.WriteString(h, "!")
	must(t, err)
	must(t, h.Close())
	mustRead(t, f, "/d/f", "hello world!")
	mustRead(t, g, "/d/f", "hello world")
	mustRead(t, New(l), "/d/f", "hello")
	must(t, f.Rename("/d", "/e"))
	mustRead(t, f, "/e/f", "hello world!")
	must(t, g.RemoveAll("/d"))
	if diff := cmp.Diff([]string{"./", "l"}, names(t, g)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
