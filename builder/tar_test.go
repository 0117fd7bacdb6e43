package builder

import (
	"archive/tar"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// makeTar packs files under dir. An entry named a>b is a symlink to b, a=b a hard link, a/ a directory.
func makeTar(t testing.TB, dir, name string, members []string) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := io.WriteCloser(file)
	switch path.Ext(name) {
	case ".gz":
		out = gzip.NewWriter(file)
	case ".zst":
		if out, err = zstd.NewWriter(file); err != nil {
			t.Fatal(err)
		}
	}
	w := tar.NewWriter(out)
	for _, m := range members {
		h := &tar.Header{Name: m, Mode: 0o640, Uid: 7, Gid: 8, ModTime: time.Unix(1e8, 0), Typeflag: tar.TypeReg}
		data := []byte(m + "\n")
		if to, from, ok := strings.Cut(m, ">"); ok {
			h.Name, h.Linkname, h.Typeflag, h.Mode, data = to, from, tar.TypeSymlink, 0o777, nil
		} else if to, from, ok := strings.Cut(m, "="); ok {
			h.Name, h.Linkname, h.Typeflag, data = to, from, tar.TypeLink, nil
		} else if strings.HasSuffix(m, "/") {
			h.Typeflag, h.Mode, data = tar.TypeDir, 0o750, nil
		} else if strings.HasPrefix(m, "dev") {
			h.Typeflag, data = tar.TypeChar, nil
		}
		h.Size = int64(len(data))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if out != file {
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
