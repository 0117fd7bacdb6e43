package oci

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/vfs"
)

// recorder notes what an unpacker adds; of several entries for one path the last counts, as in an opened layer.
type recorder map[string]string

func (r recorder) Add(e vfs.Entry, content io.Reader) error {
	line := fmt.Sprintf("%v %d:%d", e.Mode, e.UID, e.GID)
	if content != nil {
		data, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		if int64(len(data)) != e.Size {
			return io.ErrUnexpectedEOF
		}
		line += fmt.Sprintf(" %q", data)
	}
	switch {
	case e.Whiteout:
		line = "whiteout"
	case e.HardLink != "":
		line = "link " + e.HardLink
	case e.Symlink != "":
		line = "symlink " + e.Symlink
	case e.Opaque:
		line += " opaque"
	}
	r[e.Path] = line
	return nil
}

const (
	reg  = tar.TypeReg
	dir  = tar.TypeDir
	link = tar.TypeLink
	sym  = tar.TypeSymlink
)

func TestUnpack(t *testing.T) {
	long := strings.Repeat("long/", 60) + "name"
	for _, test := range []struct {
		name string
		tar  []tar.Header
		want recorder
	}{
		{"kinds", []tar.Header{
			{Name: "d/", Typeflag: dir, Mode: 0o1777, Uid: 1, Gid: 2},
			{Name: "d/f", Typeflag: reg, Mode: 0o4755},
			{Name: "d/s", Typeflag: sym, Linkname: "../../anywhere", Mode: 0o777},
			{Name: "d/h", Typeflag: link, Linkname: "d/f"},
		}, recorder{"d": "dtrwxrwxrwx 1:2", "d/f": `urwxr-xr-x 0:0 "d/f"`, "d/s": "symlink ../../anywhere", "d/h": "link d/f"}},
		{"names from the root", []tar.Header{
			{Name: "./", Typeflag: dir, Mode: 0o700},
			{Name: "./a", Typeflag: reg, Mode: 0o644},
			{Name: "/b", Typeflag: reg, Mode: 0o644},
			{Name: "//c//./d", Typeflag: reg, Mode: 0o644},
		}, recorder{".": "drwx------ 0:0", "a": `-rw-r--r-- 0:0 "./a"`, "b": `-rw-r--r-- 0:0 "/b"`, "c/d": `-rw-r--r-- 0:0 "//c//./d"`}},
		{"whiteouts", []tar.Header{
			{Name: "d/.wh.gone", Typeflag: reg},
			{Name: "o/", Typeflag: dir, Mode: 0o750},
			{Name: "o/.wh..wh..opq", Typeflag: reg},
			{Name: "both/", Typeflag: dir, Mode: 0o755},
			{Name: ".wh.both", Typeflag: reg},
			{Name: "file", Typeflag: reg},
			{Name: ".wh.file", Typeflag: reg},
			{Name: ".wh..wh.plnk", Typeflag: dir},
		}, recorder{"d/gone": "whiteout", "o": "drwxr-x--- 0:0 opaque", "both": "drwxr-xr-x 0:0 opaque", "file": `---------- 0:0 "file"`}},
		{"opaque before its directory", []tar.Header{
			{Name: "o/.wh..wh..opq", Typeflag: reg},
			{Name: "o/f", Typeflag: reg},
			{Name: "o/", Typeflag: dir, Mode: 0o711},
		}, recorder{"o": "drwx--x--x 0:0 opaque", "o/f": `---------- 0:0 "o/f"`}},
		{"opaque root", []tar.Header{{Name: ".wh..wh..opq", Typeflag: reg}}, recorder{".": "drwxr-xr-x 0:0 opaque"}},
		{"whiteouts of unusual types", []tar.Header{
			{Name: ".wh.a", Typeflag: dir}, {Name: ".wh.b", Typeflag: sym, Linkname: "x"}, {Name: ".wh.c", Typeflag: reg, Size: 10},
		}, recorder{"a": "whiteout", "b": "whiteout", "c": "whiteout"}},
		{"later entries replace earlier ones", []tar.Header{
			{Name: "f", Typeflag: reg, Mode: 0o600}, {Name: "f", Typeflag: reg, Mode: 0o644},
			{Name: "s", Typeflag: reg}, {Name: "s", Typeflag: sym, Linkname: "f"},
			{Name: "d", Typeflag: reg}, {Name: "d/", Typeflag: dir, Mode: 0o755}, {Name: "d/x", Typeflag: reg},
			{Name: "e/", Typeflag: dir}, {Name: "e", Typeflag: reg},
		}, recorder{"f": `-rw-r--r-- 0:0 "f"`, "s": "symlink f", "d": "drwxr-xr-x 0:0", "d/x": `---------- 0:0 "d/x"`, "e": `---------- 0:0 "e"`}},
		{"devices are left out", []tar.Header{
			{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, {Name: "sda", Typeflag: tar.TypeBlock}, {Name: "p", Typeflag: tar.TypeFifo},
		}, recorder{}},
		{"links of links and of symlinks", []tar.Header{
			{Name: "a", Typeflag: reg}, {Name: "b", Typeflag: link, Linkname: "./a"}, {Name: "c", Typeflag: link, Linkname: "/b"},
			{Name: "s", Typeflag: sym, Linkname: "x"}, {Name: "t", Typeflag: link, Linkname: "s"},
		}, recorder{"a": `---------- 0:0 "a"`, "b": "link a", "c": "link a", "s": "symlink x", "t": "link s"}},
		{"a link to a file of the layers beneath", []tar.Header{{Name: "new", Typeflag: link, Linkname: "old"}}, recorder{"new": "link old"}},
		{"long and strange names", []tar.Header{
			{Name: long, Typeflag: reg}, {Name: "caf\xe9", Typeflag: reg, Format: tar.FormatGNU}, {Name: "a b\n\x1b[1m", Typeflag: reg},
		}, recorder{long: `---------- 0:0 "` + long + `"`, "caf\xe9": `---------- 0:0 "caf\xe9"`, "a b\n\x1b[1m": `---------- 0:0 "a b\n\x1b[1m"`}},
		{"extended attributes are left out", []tar.Header{
			{Name: "f", Typeflag: reg, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "x", "BOXER.x": "y"}},
		}, recorder{"f": `---------- 0:0 "f"`}},
	} {
		got := recorder{}
		if err := unpack(bytes.NewReader(tarOf(t, test.tar...)), got, Limits{}); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"name with ..":                       {{Name: "../f"}},
		"name with .. inside":                {{Name: "a/../../f"}},
		"absolute name with ..":              {{Name: "/../f"}},
		"link with ..":                       {{Name: "f", Typeflag: link, Linkname: "../../etc/passwd"}},
		"name through a symlink":             {{Name: "s", Typeflag: sym, Linkname: "/etc"}, {Name: "s/passwd"}},
		"name through a symlink, deep":       {{Name: "s", Typeflag: sym, Linkname: "/etc"}, {Name: "s/a/b/passwd"}},
		"whiteout through a symlink":         {{Name: "s", Typeflag: sym, Linkname: "/etc"}, {Name: "s/.wh.passwd"}},
		"opaque symlink":                     {{Name: "s", Typeflag: sym, Linkname: "/etc"}, {Name: "s/.wh..wh..opq"}},
		"name through a hard link":           {{Name: "s", Typeflag: sym, Linkname: "/"}, {Name: "h", Typeflag: link, Linkname: "s"}, {Name: "h/f"}},
		"name beneath a file":                {{Name: "f"}, {Name: "f/g"}},
		"directory replaced by a symlink":    {{Name: "d/f"}, {Name: "d", Typeflag: sym, Linkname: "/etc"}},
		"directory replaced by a file":       {{Name: "d/", Typeflag: dir}, {Name: "d/f"}, {Name: "d"}},
		"link to a directory":                {{Name: "d/", Typeflag: dir}, {Name: "h", Typeflag: link, Linkname: "d"}},
		"link to itself":                     {{Name: "f"}, {Name: "f", Typeflag: link, Linkname: "f"}},
		"link to itself by way of another":   {{Name: "f"}, {Name: "g", Typeflag: link, Linkname: "f"}, {Name: "f", Typeflag: link, Linkname: "g"}},
		"link to nothing":                    {{Name: "f", Typeflag: link, Linkname: ""}},
		"link to the root":                   {{Name: "f", Typeflag: link, Linkname: "/"}},
		"link before its file":               {{Name: "f", Typeflag: link, Linkname: "g"}, {Name: "g"}},
		"linked file replaced":               {{Name: "f"}, {Name: "g", Typeflag: link, Linkname: "f"}, {Name: "f"}},
		"beneath a file of the layers below": {{Name: "h", Typeflag: link, Linkname: "f"}, {Name: "f/g"}},
		"symlink to nothing":                 {{Name: "s", Typeflag: sym}},
		"symlink to too much":                {{Name: "s", Typeflag: sym, Linkname: strings.Repeat("x", vfs.MaxPath+1)}},
		"root as a file":                     {{Name: "."}},
		"root as a symlink":                  {{Name: "/", Typeflag: sym, Linkname: "/etc"}},
		"whiteout of nothing":                {{Name: "d/.wh."}},
		"whiteout of .":                      {{Name: "d/.wh.."}},
		"whiteout of ..":                     {{Name: "d/.wh..."}},
		"whiteout with children":             {{Name: ".wh.d/f"}},
		"long component":                     {{Name: strings.Repeat("x", vfs.MaxName+1)}},
		"long name":                          {{Name: strings.Repeat("x/", vfs.MaxPath/2) + "f"}},
		"negative owner":                     {{Name: "f", Uid: -1}},
		"huge owner":                         {{Name: "f", Gid: math.MaxUint32 + 1}},
		"unknown type":                       {{Name: "f", Typeflag: 'Z'}},
	} {
		got := recorder{}
		if err := unpack(bytes.NewReader(tarOf(t, entries...)), got, Limits{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt; %v", name, err, got)
		}
	}
}

func TestUnpackTimes(t *testing.T) {
	var got []time.Time
	sink := sinkFunc(func(e vfs.Entry, _ io.Reader) error { got = append(got, e.ModTime.UTC()); return nil })
	precise := time.Date(1969, 7, 20, 20, 17, 40, 123456789, time.UTC)
	content := tarOf(t,
		tar.Header{Name: "a", ModTime: precise, Format: tar.FormatPAX},
		tar.Header{Name: "b", ModTime: time.Unix(1<<55, 0), Format: tar.FormatPAX},
	)
	if err := unpack(bytes.NewReader(content), sink, Limits{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]time.Time{precise, time.Unix(0, 0).UTC()}, got); diff != "" {
		t.Error(diff)
	}
}

type sinkFunc func(vfs.Entry, io.Reader) error

func (f sinkFunc) Add(e vfs.Entry, content io.Reader) error { return f(e, content) }

func TestUnpackTruncated(t *testing.T) {
	whole := tarOf(t, tar.Header{Name: "f", Size: 5000}, tar.Header{Name: "g"})
	for _, n := range []int{1, 511, 512 + 1, 512 + 4999, 512 + 5120 + 100} {
		if err := unpack(bytes.NewReader(whole[:n]), recorder{}, Limits{}); err == nil {
			t.Errorf("the first %d bytes were accepted", n)
		}
	}
}

func TestUnpackLimits(t *testing.T) {
	big := tarOf(t, tar.Header{Name: "a", Size: 600}, tar.Header{Name: "b", Size: 600})
	many := tarOf(t, tar.Header{Name: "a/b/c/d"})
	for name, test := range map[string]struct {
		tar    []byte
		limits Limits
		ok     bool
	}{
		"bytes within":  {big, Limits{LayerBytes: 1200}, true},
		"bytes beyond":  {big, Limits{LayerBytes: 1199}, false},
		"files within":  {many, Limits{LayerFiles: 5}, true}, // with the root
		"files beyond":  {many, Limits{LayerFiles: 4}, false},
		"gigantic size": {gigantic(t), Limits{}, false},
		"sparse bomb":   {sparseBomb(t), Limits{}, false},
	} {
		err := unpack(bytes.NewReader(test.tar), recorder{}, test.limits)
		if test.ok != (err == nil) || (err != nil && !errors.Is(err, ErrTooLarge)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// gigantic is a tar that ends after the header of a file of 8 EiB.
func gigantic(t *testing.T) []byte {
	var buffer bytes.Buffer
	if err := tar.NewWriter(&buffer).WriteHeader(&tar.Header{Name: "f", Size: math.MaxInt64, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// sparseBomb has a file of 4 TiB without any data.
func sparseBomb(t *testing.T) []byte { return sparseTar(t, "0\n", "", 1<<42) }

func TestUnpackSparse(t *testing.T) {
	sparse := sparseTar(t, "1\n512\n4\n", "DATA", 1024)
	got := recorder{}
	if err := unpack(bytes.NewReader(sparse), got, Limits{}); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("-rw-r--r-- 0:0 %q", strings.Repeat("\x00", 512)+"DATA"+strings.Repeat("\x00", 508))
	if got["f"] != want {
		t.Errorf("%s", got["f"])
	}
}

// sparseTar has the file f in GNU's sparse format 1.0, whose content starts with a map of its data padded to a block.
func sparseTar(t *testing.T, sparseMap, data string, size int) []byte {
	t.Helper()
	content := sparseMap + strings.Repeat("\x00", 512-len(sparseMap)) + data
	var buffer bytes.Buffer
	tw := tar.NewWriter(&buffer)
	// The writer refuses GNU.sparse records; these stand in for them at equal length.
	header := &tar.Header{Name: "GNUSparseFile.0/f", Mode: 0o644, Size: int64(len(content)), PAXRecords: map[string]string{
		"GNU_sparse.major": "1", "GNU_sparse.minor": "0", "GNU_sparse.name": "f", "GNU_sparse.realsize": fmt.Sprint(size),
	}}
	if err := tw.WriteHeader(header); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(tw, content); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(buffer.Bytes(), []byte("GNU_sparse"), []byte("GNU.sparse"))
}

// FuzzUnpack demands that what an unpacker adds is a tree, whatever the tar says.
func FuzzUnpack(f *testing.F) {
	f.Add(tarOf(f, tar.Header{Name: "d/", Typeflag: dir}, tar.Header{Name: "d/f"}, tar.Header{Name: "d/.wh.x"}, tar.Header{Name: "d/h", Typeflag: link, Linkname: "d/f"}))
	f.Add(tarOf(f, tar.Header{Name: "s", Typeflag: sym, Linkname: "/"}, tar.Header{Name: "s/f"}))
	f.Add(tarOf(f, tar.Header{Name: "o/.wh..wh..opq"}, tar.Header{Name: "caf\xe9", PAXRecords: map[string]string{"SCHILY.xattr.user.x": "y"}}))
	f.Fuzz(func(t *testing.T, content []byte) {
		tree := map[string]vfs.Entry{}
		sink := sinkFunc(func(e vfs.Entry, r io.Reader) error {
			if r != nil {
				if n, err := io.Copy(io.Discard, r); err != nil || n != e.Size {
					return io.ErrUnexpectedEOF
				}
			}
			tree[e.Path] = e
			return nil
		})
		if unpack(bytes.NewReader(content), sink, Limits{LayerBytes: 1 << 24, LayerFiles: 1000}) != nil {
			return
		}
		checkTree(t, tree)
	})
}

func checkTree(t *testing.T, tree map[string]vfs.Entry) {
	for name, e := range tree {
		if name != e.Path || (name != "." && !fs.ValidPath(strings.ToValidUTF8(name, "?"))) || len(name) > vfs.MaxPath {
			t.Errorf("invalid path %q", name)
		}
		for parent := name; strings.Contains(parent, "/"); {
			parent = parent[:strings.LastIndexByte(parent, '/')]
			if p, ok := tree[parent]; ok && (!p.Mode.IsDir() || p.Whiteout) {
				t.Errorf("%q is beneath %q, which is no directory", name, parent)
			}
		}
		if e.HardLink != "" {
			if target, ok := tree[e.HardLink]; ok && (target.HardLink != "" || target.Mode.IsDir()) {
				t.Errorf("%q is a link to %q, which is no file", name, e.HardLink)
			}
		}
	}
}
