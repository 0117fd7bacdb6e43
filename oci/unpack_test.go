package oci

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/vfs"
)

// recorder notes what an unpacker adds.
type recorder []string

func (r *recorder) Add(e vfs.Entry, content io.Reader) error {
	line := fmt.Sprintf("%s %v %d:%d", e.Path, e.Mode, e.UID, e.GID)
	if e.Mode.IsRegular() && e.HardLink == "" && !e.Whiteout {
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
	case e.Whiteout && e.Opaque:
		line = e.Path + " opaque"
	case e.Whiteout:
		line = e.Path + " whiteout"
	case e.HardLink != "":
		line = e.Path + " link " + e.HardLink
	case e.Symlink != "":
		line = e.Path + " symlink " + e.Symlink
	}
	*r = append(*r, line)
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
			{Name: "d/h", Typeflag: link, Linkname: "./d/f"},
		}, recorder{"d dtrwxrwxrwx 1:2", `d/f urwxr-xr-x 0:0 "d/f"`, "d/s symlink ../../anywhere", "d/h link d/f"}},
		{"names from the root", []tar.Header{
			{Name: "./", Typeflag: dir, Mode: 0o700},
			{Name: "./a", Typeflag: reg, Mode: 0o644},
			{Name: "/b", Typeflag: reg, Mode: 0o644},
			{Name: "//c//./d", Typeflag: reg, Mode: 0o644},
		}, recorder{". drwx------ 0:0", `a -rw-r--r-- 0:0 "./a"`, `b -rw-r--r-- 0:0 "/b"`, `c/d -rw-r--r-- 0:0 "//c//./d"`}},
		{"whiteouts", []tar.Header{
			{Name: "d/.wh.gone", Typeflag: reg},
			{Name: "o/.wh..wh..opq", Typeflag: reg},
			{Name: ".wh..wh..opq", Typeflag: reg},
			{Name: ".wh..wh.plnk", Typeflag: dir},
			{Name: "./.wh..wh.aufs", Typeflag: reg},
		}, recorder{"d/gone whiteout", "o opaque", ". opaque"}},
		{"whiteouts of unusual types", []tar.Header{
			{Name: ".wh.a", Typeflag: dir}, {Name: ".wh.b", Typeflag: sym, Linkname: "x"}, {Name: ".wh.c", Typeflag: reg, Size: 10},
		}, recorder{"a whiteout", "b whiteout", "c whiteout"}},
		{"devices are left out", []tar.Header{
			{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, {Name: "sda", Typeflag: tar.TypeBlock}, {Name: "p", Typeflag: tar.TypeFifo},
		}, nil},
		{"long and strange names", []tar.Header{
			{Name: long, Typeflag: reg}, {Name: "caf\xe9", Typeflag: reg, Format: tar.FormatGNU}, {Name: "a b\n\x1b[1m", Typeflag: reg},
		}, recorder{long + ` ---------- 0:0 "` + long + `"`, "caf\xe9" + ` ---------- 0:0 "caf\xe9"`, "a b\n\x1b[1m" + ` ---------- 0:0 "a b\n\x1b[1m"`}},
		{"extended attributes are left out", []tar.Header{
			{Name: "f", Typeflag: reg, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "x", "BOXER.x": "y"}},
		}, recorder{`f ---------- 0:0 "f"`}},
	} {
		var got recorder
		if err := unpack(bytes.NewReader(tarOf(t, test.tar...)), &got, newBudget(Limits{})); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	for name, entry := range map[string]tar.Header{
		"name with ..":                   {Name: "../f"},
		"name with .. inside":            {Name: "a/../../f"},
		"name with .. at end":            {Name: "a/b/.."},
		"absolute name with ..":          {Name: "/../f"},
		"link with ..":                   {Name: "f", Typeflag: link, Linkname: "../../etc/passwd"},
		"whiteout of nothing":            {Name: "d/.wh."},
		"whiteout of .":                  {Name: "d/.wh.."},
		"whiteout of ..":                 {Name: "d/.wh..."},
		"whiteout with children":         {Name: ".wh.d/f"},
		"whiteout with children, deeper": {Name: "a/.wh.d/b/f"},
		"negative owner":                 {Name: "f", Uid: -1},
		"huge owner":                     {Name: "f", Gid: math.MaxUint32 + 1},
		"unknown type":                   {Name: "f", Typeflag: 'Z'},
	} {
		var got recorder
		if err := unpack(bytes.NewReader(tarOf(t, entry)), &got, newBudget(Limits{})); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt; %q", name, err, got)
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
	if err := unpack(bytes.NewReader(content), sink, newBudget(Limits{})); err != nil {
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
		if err := unpack(bytes.NewReader(whole[:n]), new(recorder), newBudget(Limits{})); err == nil {
			t.Errorf("the first %d bytes were accepted", n)
		}
	}
}

func TestUnpackLimits(t *testing.T) {
	big := tarOf(t, tar.Header{Name: "a", Size: 600}, tar.Header{Name: "b", Size: 600})
	many := tarOf(t, tar.Header{Name: "a/b/c/d"}, tar.Header{Name: "a/b/c/s", Typeflag: sym, Linkname: "x/y/z"})
	for name, test := range map[string]struct {
		tar    []byte
		limits Limits
		ok     bool
	}{
		"bytes within":  {big, Limits{Bytes: 1200}, true},
		"bytes beyond":  {big, Limits{Bytes: 1199}, false},
		"files within":  {many, Limits{Files: 7}, true},
		"files beyond":  {many, Limits{Files: 6}, false},
		"gigantic size": {gigantic(t), Limits{}, false},
		"sparse bomb":   {sparseBomb(t), Limits{}, false},
	} {
		err := unpack(bytes.NewReader(test.tar), new(recorder), newBudget(test.limits))
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
	var got recorder
	if err := unpack(bytes.NewReader(sparse), &got, newBudget(Limits{})); err != nil {
		t.Fatal(err)
	}
	want := recorder{fmt.Sprintf("f -rw-r--r-- 0:0 %q", strings.Repeat("\x00", 512)+"DATA"+strings.Repeat("\x00", 508))}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
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

// FuzzUnpack demands that a layer can be made, or is refused, whatever the tar says, and that all of it can then be read.
func FuzzUnpack(f *testing.F) {
	f.Add(tarOf(f, tar.Header{Name: "d/", Typeflag: dir}, tar.Header{Name: "d/f"}, tar.Header{Name: "d/.wh.x"}, tar.Header{Name: "d/h", Typeflag: link, Linkname: "d/f"}))
	f.Add(tarOf(f, tar.Header{Name: "s", Typeflag: sym, Linkname: "/"}, tar.Header{Name: "s/f"}))
	f.Add(tarOf(f, tar.Header{Name: "o/.wh..wh..opq"}, tar.Header{Name: "caf\xe9", PAXRecords: map[string]string{"SCHILY.xattr.user.x": "y"}}))
	file := filepath.Join(f.TempDir(), "layer")
	f.Fuzz(func(t *testing.T, content []byte) {
		writer, err := vfs.CreateLayer(file)
		if err != nil {
			t.Fatal(err)
		}
		if unpack(bytes.NewReader(content), writer, newBudget(Limits{Bytes: 1 << 20, Files: 1000})) != nil {
			if err := writer.Abort(); err != nil {
				t.Fatal(err)
			}
			return
		}
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
		layer, err := vfs.OpenLayer(file)
		if err != nil {
			t.Fatal(err)
		}
		defer layer.Close()
		snapshot(t, vfs.New(layer))
	})
}
