package vfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLayerEntriesInAnyOrder adds what tars hold in unusual places.
func TestLayerEntriesInAnyOrder(t *testing.T) {
	below := layerOf(t, []Entry{dir("a"), file("a/low"), dir("b"), file("b/low"), file("gone"), file("c/low")}, nil)
	tests := []struct {
		name    string
		entries []Entry
		want    []string
	}{
		{"children first", []Entry{file("a/x"), {Path: "a", Mode: fs.ModeDir | 0o700}}, []string{"a/", "a/low", "a/x"}},
		{"file replaced by directory", []Entry{file("a"), dir("a"), file("a/x")}, []string{"a/", "a/low", "a/x"}},
		{"directory replaced by file", []Entry{dir("a"), file("a/x"), file("a")}, []string{"a"}},
		{"whiteout, then directory", []Entry{whiteout("a"), dir("a"), file("a/x")}, []string{"a/", "a/x"}},
		{"directory, then whiteout", []Entry{dir("a"), file("a/x"), whiteout("a")}, []string{"a/", "a/x"}},
		{"whiteout, then child", []Entry{whiteout("a"), file("a/x")}, []string{"a/", "a/x"}},
		{"opaque mark before the directory", []Entry{{Path: "a", Whiteout: true, Opaque: true}, dir("a"), file("a/x")}, []string{"a/", "a/x"}},
		{"opaque mark alone", []Entry{{Path: "a", Whiteout: true, Opaque: true}}, []string{"a/"}},
		{"whiteout of a file that is added", []Entry{file("a/low"), whiteout("a/low")}, []string{"a/", "a/low"}},
		{"parent is a symlink", []Entry{symlink("link", "a"), file("link/x")}, []string{"a/", "a/low", "a/x", "link"}},
		{"parent is an absolute symlink", []Entry{symlink("link", "/a/../a"), file("link/x")}, []string{"a/", "a/low", "a/x", "link"}},
		{"hard link", []Entry{file("x"), hardlink("y", "x"), hardlink("y", "y")}, []string{"a/", "a/low", "x", "y"}},
		{"hard link to what lies beneath", []Entry{hardlink("y", "a/low"), whiteout("a/low")}, []string{"a/", "y"}},
		{"hard link to nothing", []Entry{hardlink("y", "nowhere")}, []string{"a/", "a/low"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entries := append(tt.entries, whiteout("b"), whiteout("c"), whiteout("gone"))
			got := names(t, New(below, layerOf(t, entries, nil)))
			if diff := cmp.Diff(append([]string{"./"}, tt.want...), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestImpliedDirectoryKeepsMetadata(t *testing.T) {
	l := layerOf(t, []Entry{{Path: "a", Mode: fs.ModeDir | fs.ModeSticky | 0o700, UID: 7}}, nil)
	f := New(l, layerOf(t, []Entry{file("a/x")}, nil))
	if s, err := f.Stat("/a"); err != nil || s.Mode != fs.ModeDir|fs.ModeSticky|0o700 || s.UID != 7 {
		t.Errorf("Stat = %+v, %v", s, err)
	}
	must(t, f.WriteFile("/a/y", nil, 0o600))
	if s, err := f.Stat("/a"); err != nil || s.Mode != fs.ModeDir|fs.ModeSticky|0o700 || s.UID != 7 {
		t.Errorf("Stat after a change = %+v, %v", s, err)
	}
}

// TestLinkCountsAcrossLayers checks that a file has as many links as names show.
func TestLinkCountsAcrossLayers(t *testing.T) {
	one := layerOf(t, []Entry{file("a"), hardlink("b", "a"), hardlink("d/c", "a"), file("single")}, nil)
	two := layerOf(t, []Entry{whiteout("b"), hardlink("e", "single"), hardlink("f", "e")}, nil)
	three := layerOf(t, []Entry{whiteout("e"), whiteout("d")}, nil)
	for i, want := range []map[string]uint32{
		{"a": 3, "b": 3, "d/c": 3, "single": 1},
		{"a": 2, "d/c": 2, "single": 3, "e": 3, "f": 3},
		{"a": 1, "single": 2, "f": 2},
	} {
		f := New([]*Layer{one, two, three}[:i+1]...)
		for p, n := range want {
			if s, err := f.Stat("/" + p); err != nil || s.Nlink != n {
				t.Errorf("%d layers: %s has %d links, %v; want %d", i+1, p, s.Nlink, err, n)
			}
		}
	}
	f := New(one, two, three)
	must(t, f.WriteFile("/f", []byte("through the link"), 0))
	mustRead(t, f, "/single", "through the link")
}

func TestLayerRefusesEntries(t *testing.T) {
	tests := []struct {
		e    Entry
		want error
	}{
		{file("/abs"), syscall.EINVAL},
		{file("../up"), syscall.EINVAL},
		{file("a/../b"), syscall.EINVAL},
		{file("a//b"), syscall.EINVAL},
		{file(""), syscall.EINVAL},
		{file("a\x00b"), syscall.EINVAL},
		{file(strings.Repeat("x", 256)), syscall.ENAMETOOLONG},
		{file(strings.Repeat("x/", 3000) + "x"), syscall.ENAMETOOLONG},
		{symlink("s", ""), syscall.EINVAL},
		{symlink("s", strings.Repeat("x", 5000)), syscall.EINVAL},
		{file("."), syscall.EINVAL},
		{whiteout("."), syscall.EINVAL},
		{file("file/below"), syscall.ENOTDIR},
		{hardlink("h", "/abs"), syscall.EINVAL},
		{hardlink("h", "dir"), syscall.EPERM},
		{file("loop/x"), syscall.ELOOP},
		{Entry{Path: "neg", Mode: 0o644, Size: -1}, syscall.EINVAL},
		{Entry{Path: "short", Mode: 0o644, Size: 10}, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		name := filepath.Join(t.TempDir(), "layer")
		w, err := CreateLayer(name)
		must(t, err)
		for _, e := range []Entry{file("file"), dir("dir"), symlink("loop", "loop")} {
			must(t, w.Add(e, nil))
		}
		if err := w.Add(tt.e, strings.NewReader("few")); !errors.Is(err, tt.want) {
			t.Errorf("Add(%.60q): %v; want %v", fmt.Sprint(tt.e), err, tt.want)
		}
		if err := w.Close(); !errors.Is(err, tt.want) {
			t.Errorf("Close: %v; want %v", err, tt.want)
		}
		if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the file is left: %v", err)
		}
	}
}

// TestLayerIsDeterministic: the same entries make the same file.
func TestLayerIsDeterministic(t *testing.T) {
	entries := []Entry{file("b"), dir("d"), file("d/x"), hardlink("a", "b"), whiteout("w"), symlink("s", "b")}
	var first []byte
	for range 3 {
		b, err := os.ReadFile(layerOf(t, entries, map[string]string{"b": "bee"}).file)
		must(t, err)
		if first != nil && !bytes.Equal(b, first) {
			t.Fatal("files differ")
		}
		first = b
	}
}

func TestLayerOutlivesClose(t *testing.T) {
	l := layerOf(t, []Entry{file("f")}, map[string]string{"f": "mapped"})
	f := New(l)
	must(t, l.Close())
	mustRead(t, f, "/f", "mapped")
	unused := layerOf(t, nil, nil)
	must(t, unused.Close())
	defer func() {
		if recover() == nil {
			t.Error("a tree over a closed layer")
		}
	}()
	New(unused)
}

// sample is a layer with something of everything.
func sample(t testing.TB) []byte {
	entries := []Entry{
		dir("a"), file("a/one"), hardlink("a/two", "a/one"), dir("a/b"), file("a/b/three"), symlink("s", "a/one"),
		whiteout("gone"), {Path: "o", Mode: fs.ModeDir | 0o755, Opaque: true}, hardlink("borrowed", "elsewhere"),
		{Path: "dev", Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600, Rdev: 259},
	}
	b, err := os.ReadFile(layerOf(t, entries, map[string]string{"a/one": "one", "a/b/three": strings.Repeat("3", 300)}).file)
	must(t, err)
	return b
}

// exercise uses everything of a tree; errors are fine, anything else is not.
func exercise(f *FS) {
	fs.WalkDir(f.IOFS(), ".", func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		f.Stat("/" + p)
		f.ReadFile("/" + p)
		f.Readlink("/" + p)
		return nil
	})
	for _, p := range []string{"/a/one", "/a/two", "/a/b/three", "/s", "/o/x", "/borrowed", "/elsewhere", "/gone", "/dev"} {
		f.Stat(p)
		f.Chmod(p, 0o600)
		f.WriteFile(p, []byte("x"), 0o600)
	}
	Diff(New(), f)
	f.RemoveAll("/a")
}

func openBytes(t testing.TB, b []byte) (*Layer, error) {
	file := filepath.Join(t.TempDir(), "layer")
	must(t, os.WriteFile(file, b, 0o600))
	return OpenLayer(file)
}

// TestTruncatedLayer: a file that is too short by whatever is refused, before
// anything beyond its end is touched.
func TestTruncatedLayer(t *testing.T) {
	b := sample(t)
	for n := 0; n < len(b); n += 1 + n/50 {
		_, err := openBytes(t, b[:n])
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || !errors.Is(err, syscall.EIO) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if _, err := openBytes(t, append(b, 0)); err == nil {
		t.Error("a byte too many")
	}
}

// TestCorruptLayer changes bytes of the index at random.
func TestCorruptLayer(t *testing.T) {
	b := sample(t)
	h, problem := decodeHeader(b, int64(len(b)))
	if problem != "" {
		t.Fatal(problem)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for range 400 {
		c := bytes.Clone(b)
		for range 1 + rng.IntN(4) {
			at := int(h.index) + rng.IntN(len(b)-int(h.index))
			c[at] = []byte{0, 1, 2, 3, 0x7f, 0x80, 0xff, byte(rng.Uint32())}[rng.IntN(8)]
		}
		l, err := openBytes(t, c)
		must(t, err)
		exercise(New(layerOf(t, []Entry{file("elsewhere"), file("o/x")}, nil), l))
	}
}

func FuzzOpenLayer(f *testing.F) {
	f.Add(sample(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Sums are not what is looked for.
		if len(b) >= headerSize {
			h, _ := decodeHeader(resum(b), int64(len(b)))
			copy(b, h.encode())
		}
		if l, err := openBytes(t, b); err == nil {
			exercise(New(l))
		}
	})
}

// resum returns a header with its size and sum put right.
func resum(b []byte) []byte {
	c := bytes.Clone(b)
	binary.LittleEndian.PutUint64(c[16:], uint64(len(b)))
	binary.LittleEndian.PutUint32(c[60:], crc32.Checksum(c[:60], castagnoli))
	return c
}
