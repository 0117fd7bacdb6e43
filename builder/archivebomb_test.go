package builder

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// bombs are archives of a few kilobytes that unpack to 16 MiB.
func bombs(t *testing.T) map[string][]byte {
	t.Helper()
	const size = 16 << 20
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	fill := func(h *tar.Header, contents string) {
		t.Helper()
		h.Size = max(h.Size, int64(len(contents)))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, io.MultiReader(strings.NewReader(contents), io.LimitReader(zeros{}, h.Size-int64(len(contents))))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 16 { // no one of them is large
		fill(&tar.Header{Name: "f" + strconv.Itoa(i), Mode: 0o644, Size: size / 16}, "")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	pack := func(open func(io.Writer) io.WriteCloser) []byte {
		t.Helper()
		var b bytes.Buffer
		z := open(&b)
		if _, err := z.Write(plain.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	list := map[string][]byte{
		"bomb.tar.gz":  pack(func(w io.Writer) io.WriteCloser { z, _ := gzip.NewWriterLevel(w, 9); return z }),
		"bomb.tar.zst": pack(func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z }),
	}
	// A member of a kind that nobody knows is skipped, with all that it holds.
	plain.Reset()
	w = tar.NewWriter(&plain)
	fill(&tar.Header{Name: "f", Mode: 0o644}, "f")
	fill(&tar.Header{Name: "skipped", Typeflag: 'Z', Size: size}, "")
	fill(&tar.Header{Name: "g", Mode: 0o644}, "g")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	list["skipped.tar.zst"] = pack(func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z })
	// A sparse file (GNU tar manual, "PAX Format, Version 1.0"): a map of one byte at the end, and that byte.
	var sparse bytes.Buffer
	w = tar.NewWriter(&sparse)
	holes := "1\n" + strconv.Itoa(size-1) + "\n1\n"
	fill(&tar.Header{Name: "f", Mode: 0o644, Format: tar.FormatPAX, PAXRecords: map[string]string{
		"GNU_sparse.major": "1", "GNU_sparse.minor": "0", "GNU_sparse.realsize": strconv.Itoa(size), "GNU_sparse.name": "f",
	}}, holes+strings.Repeat("\x00", 512-len(holes))+"x")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	list["sparse.tar"] = bytes.ReplaceAll(sparse.Bytes(), []byte("GNU_sparse"), []byte("GNU.sparse"))
	return list
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestArchiveBomb: neither ADD nor an archive that is the context fills the disk.
func TestArchiveBomb(t *testing.T) {
	slack := boxLimits.Slack
	boxLimits.Slack = 2 << 20
	defer func() { boxLimits.Slack = slack }()
	const want = "it unpacks to over 200 times its size"
	tree, dir := openTree(t)
	for name, bomb := range bombs(t) {
		if len(bomb) > 32<<10 {
			t.Errorf("%s has %d bytes", name, len(bomb))
		}
		writeFile(t, filepath.Join(dir, name), bomb)
		_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nADD "+name+" /x/\n"), Context: tree.root})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ADD %s: %v", name, err)
		}
		if _, err := buildContextOf(t, "-", bytes.NewReader(bomb), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s as context: %v", name, err)
		}
	}
}

// FuzzAddArchive: ADD unpacks whatever an archive holds, in whichever compression, below its destination or not at all.
func FuzzAddArchive(f *testing.F) {
	plain := tarOf(f, tarFile("a/b", "text"), tarLink(tar.TypeSymlink, "l", "../.."), tarFile("l/outside", "x"), tarLink(tar.TypeLink, "h", "a/b"), tarFile("../up", "x"))
	f.Add(plain)
	f.Add(plain[:700])
	for _, open := range []func(io.Writer) io.WriteCloser{
		func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
	} {
		var packed bytes.Buffer
		w := open(&packed)
		if _, err := w.Write(plain); err != nil {
			f.Fatal(err)
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(packed.Bytes())
	}
	f.Add([]byte("BZh91AY&SY\x00\x00"))
	f.Add([]byte("\xfd7zXZ\x00\x00\x04"))
	tree, dir := openTree(f)
	boxfile, err := Parse("Boxfile", strings.NewReader("FROM scratch\nADD archive /x/\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		writeFile(t, filepath.Join(dir, "archive"), archive)
		res, err := Build(t.Context(), Options{Boxfile: boxfile, Context: tree.root})
		if err != nil {
			if placed := new(Error); !errors.As(err, &placed) {
				t.Errorf("error without a place: %v", err)
			}
			return
		}
		root, err := newStore(t).Rootfs(res.Image)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		top, err := root.FS().ReadDir("/")
		for _, entry := range top {
			if entry.Name() != "x" {
				t.Errorf("%q is outside of the destination", entry.Name())
			}
		}
		if names, readErr := os.ReadDir(dir); readErr != nil || len(names) != 1 || err != nil {
			t.Errorf("the context has %v, %v, %v", names, readErr, err)
		}
	})
}

// TestArchiveBombInside: what ADD unpacks is not unpacked again, whatever it is.
func TestArchiveBombInside(t *testing.T) {
	tree, dir := openTree(t)
	inner := bombs(t)["bomb.tar.gz"]
	writeFile(t, filepath.Join(dir, "outer.tar"), tarOf(t, tarFile("inner.tar.gz", string(inner))))
	res, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nADD outer.tar /x/\n"), Context: tree.root})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describeResult(t, res)["files"], "/x/inner.tar.gz "+strconv.Itoa(len(inner))+" bytes"; !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant %s", got, want)
	}
}
