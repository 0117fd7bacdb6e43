package builder

import (
	"archive/tar"
	"encoding/base64"
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

// A tar of d/hello, compressed by what Go has no encoder for. Made by Python's lzma and bz2.
var compressed = map[string]string{
	"xz":  "/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4Af/AEBdADILyQaUIrvVUusHNjUkHsBnrOnmeCF2RneUjhBBS1Mu9s8mkROzYvmsMkZkK5EuLRRmBIYhdr/UK3zCpXlDWgAA/OkuvLhBUQEAAVyAEAAAAFz75lmxxGf7AgAAAAAEWVo=",
	"bz2": "QlpoOTFBWSZTWYtiyGQAACvbgMmQQAD1gAAgZkSeAAgIIABUNSGAAAanoJKamho9TRkAacyMLIiIH7nI1fLFBAM24nEV0BFWQz0ro9GM8BV2MHwEARmcEI6LuSKcKEhFsWQyAA==",
}

func TestAddCompressed(t *testing.T) {
	tree, dir := openTree(t)
	for kind, text := range compressed {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "archive"), data)
		res, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nADD archive /\n"), Context: tree.root})
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		root, err := newStore(t).Rootfs(res.Image)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := root.FS().ReadFile("/d/hello"); err != nil || string(got) != "hello\n" {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	}
}
