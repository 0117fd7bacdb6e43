package coreutils

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"io/fs"
	"strings"
	"testing"

	"boxer.dev/vfs"
)

// member is a member of an archive that tries to get out.
type member struct {
	name, link, data string
	kind             byte
}

// escapes are archives of which nothing may land outside of the destination /dst. Each tries to write /victim or
// to change /outside/file.
var escapes = map[string][]member{
	"dotdot":                  {{name: "../victim", data: "x"}},
	"dotdot inside":           {{name: "a/../../victim", data: "x"}},
	"absolute":                {{name: "/victim", data: "x"}},
	"many slashes":            {{name: "///victim", data: "x"}},
	"only dotdot":             {{name: "..", data: "x"}, {name: "../..", kind: tar.TypeDir}},
	"symlink then through":    {{name: "l", link: "/outside", kind: tar.TypeSymlink}, {name: "l/file", data: "x"}},
	"relative symlink":        {{name: "l", link: "../outside", kind: tar.TypeSymlink}, {name: "l/file", data: "x"}},
	"symlink chain":           {{name: "a", link: ".", kind: tar.TypeSymlink}, {name: "a/b", link: "a/..", kind: tar.TypeSymlink}, {name: "b/victim", data: "x"}},
	"symlink to file":         {{name: "l", link: "/outside/file", kind: tar.TypeSymlink}, {name: "l", data: "x"}},
	"hard link out":           {{name: "h", link: "/outside/file", kind: tar.TypeLink}, {name: "h", data: "x"}},
	"hard link dotdot":        {{name: "h", link: "../outside/file", kind: tar.TypeLink}, {name: "h", data: "x"}},
	"hard link to symlink":    {{name: "l", link: "/outside/file", kind: tar.TypeSymlink}, {name: "h", link: "l", kind: tar.TypeLink}, {name: "h", data: "x"}},
	"hard link by symlink":    {{name: "l", link: "/outside", kind: tar.TypeSymlink}, {name: "h", link: "l/file", kind: tar.TypeLink}, {name: "h", data: "x"}},
	"directory mode":          {{name: "l", link: "/outside", kind: tar.TypeSymlink}, {name: "l", kind: tar.TypeDir}},
	"existing symlink":        {{name: "there/file", data: "x"}},
	"existing symlink dir":    {{name: "there", kind: tar.TypeDir}, {name: "there/file", data: "x"}},
	"existing symlink file":   {{name: "filelink", data: "x"}},
	"mkdir through a symlink": {{name: "l", link: "..", kind: tar.TypeSymlink}, {name: "l/victim/x", data: "x"}},
	"backslashes":             {{name: `..\victim`, data: "x"}, {name: `..\..\victim`, data: "x"}},
}

func slipTree(t *testing.T) *vfs.FS {
	t.Helper()
	tree := vfs.New()
	for _, dir := range []string{"/dst", "/outside"} {
		if err := tree.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.WriteFile("/outside/file", []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"/dst/there": "/outside", "/dst/filelink": "/outside/file"} {
		if err := tree.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func checkNothingOutside(t *testing.T, tree *vfs.FS) {
	t.Helper()
	entries, err := tree.ReadDir("/")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if n := e.Name(); n != "dst" && n != "outside" && n != "archive" {
			t.Errorf("/%s was made", n)
		}
	}
	data, err := tree.ReadFile("/outside/file")
	st, serr := tree.Stat("/outside/file")
	if err != nil || serr != nil || string(data) != "untouched" || st.Mode != 0o600 || st.Nlink != 1 {
		t.Errorf("/outside/file: %q, mode %v, %d links (%v)", data, st.Mode, st.Nlink, err)
	}
	if st, err := tree.Stat("/outside"); err != nil || st.Mode != fs.ModeDir|0o755 {
		t.Errorf("/outside: %v %v", st.Mode, err)
	}
	if entries, _ := tree.ReadDir("/outside"); len(entries) != 1 {
		t.Errorf("/outside holds %d files", len(entries))
	}
}

func TestTarSlip(t *testing.T) {
	for name, members := range escapes {
		t.Run(name, func(t *testing.T) {
			tree := slipTree(t)
			var buf bytes.Buffer
			tw := tar.NewWriter(&buf)
			for _, m := range members {
				h := &tar.Header{Name: m.name, Linkname: m.link, Typeflag: m.kind, Size: int64(len(m.data)), Mode: 0o777}
				if m.kind == 0 {
					h.Typeflag = tar.TypeReg
				}
				if err := tw.WriteHeader(h); err != nil {
					t.Fatal(err)
				}
				if _, err := tw.Write([]byte(m.data)); err != nil {
					t.Fatal(err)
				}
			}
			if err := tw.Close(); err != nil {
				t.Fatal(err)
			}
			if err := tree.WriteFile("/archive", buf.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			got := run(t, Env{FS: tree}, "tar", "-xf", "/archive", "-C", "/dst")
			t.Logf("%+v", got)
			checkNothingOutside(t, tree)
		})
	}
}

func TestZipSlip(t *testing.T) {
	for name, members := range escapes {
		t.Run(name, func(t *testing.T) {
			tree := slipTree(t)
			var buf bytes.Buffer
			zw := zip.NewWriter(&buf)
			for _, m := range members {
				h := &zip.FileHeader{Name: m.name}
				data := m.data
				switch m.kind {
				case tar.TypeSymlink:
					h.SetMode(fs.ModeSymlink | 0o777)
					data = m.link
				case tar.TypeDir:
					h.Name += "/"
				case tar.TypeLink:
					continue // zip has none
				default:
					h.SetMode(0o777)
				}
				w, err := zw.CreateHeader(h)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write([]byte(data)); err != nil && !strings.HasSuffix(h.Name, "/") {
					t.Fatal(err)
				}
			}
			if err := zw.Close(); err != nil {
				t.Fatal(err)
			}
			if err := tree.WriteFile("/archive", buf.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			got := run(t, Env{FS: tree}, "unzip", "-o", "/archive", "-d", "/dst")
			t.Logf("%+v", got)
			checkNothingOutside(t, tree)
		})
	}
}

// TestTarMessages: what is taken from names is said, once for each.
func TestTarMessages(t *testing.T) {
	tree := slipTree(t)
	e := Env{FS: tree}
	got := run(t, e, "tar", "-cf", "/archive", "/outside/file", "/outside")
	if want := "tar: Removing leading `/' from member names\n"; got.err != want || got.status != 0 {
		t.Errorf("%+v, want %q", got, want)
	}
	if got := run(t, e, "tar", "-tf", "/archive"); got.out != "outside/file\noutside/\noutside/file\n" {
		t.Errorf("%+v", got)
	}
}

// TestDecompressionIsBounded: a small archive that unpacks to more than the box may hold ends with an error.
func TestDecompressionIsBounded(t *testing.T) {
	tree := vfs.New()
	tree.Configure(vfs.Config{Limits: vfs.Limits{Bytes: 1 << 20}})
	var buf bytes.Buffer
	z, err := newGzipWriter(&buf, 9)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(make([]byte, 64<<20)); err != nil {
		t.Fatal(err)
	}
	z.Close()
	if err := tree.WriteFile("/bomb.gz", buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := run(t, Env{FS: tree}, "gunzip", "/bomb.gz"); got.status == 0 || !strings.Contains(got.err, "No space left on device") {
		t.Errorf("%+v", got)
	}
	if _, err := tree.Stat("/bomb"); err == nil {
		t.Error("half a file was left")
	}
}
