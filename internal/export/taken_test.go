package export

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/vfs"
)

// TestTakeLeadsNowhere: neither links of a box nor those that wait in the destination carry what is copied out of it.
func TestTakeLeadsNowhere(t *testing.T) {
	outside, dest := t.TempDir(), t.TempDir()
	if err := errors.Join(
		os.WriteFile(filepath.Join(outside, "file"), []byte("mine"), 0o600),
		os.Symlink(outside, filepath.Join(dest, "app")), os.Symlink(filepath.Join(outside, "file"), filepath.Join(dest, "file")),
	); err != nil {
		t.Fatal(err)
	}
	f := vfs.New()
	if err := errors.Join(
		f.MkdirAll("/app/deep", 0o755), f.WriteFile("/app/file", []byte("theirs"), 0o644), f.WriteFile("/file", []byte("theirs"), 0o644),
		f.Symlink(outside, "/app/deep/out"), f.Symlink("../../..", "/app/up"),
	); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/app", "/file", "/app/up/app/deep/."} {
		if err := Take(f, name, dest, Taking{Follow: true}); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{filepath.Join(outside, "file"): "mine", filepath.Join(dest, "app/file"): "theirs", filepath.Join(dest, "file"): "theirs"} {
		if text, err := os.ReadFile(name); string(text) != want || err != nil {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if names, err := os.ReadDir(outside); len(names) != 1 || err != nil {
		t.Errorf("outside there is %v, %v", names, err)
	}
}

func TestTakeKeepsLinksAndModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permissions or hard links that could be asked for")
	}
	dest := filepath.Join(t.TempDir(), "new")
	if err := Take(tree(t), "/app", dest, Taking{}); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(dest, "sub"), 0o755)
	one, err := os.Lstat(filepath.Join(dest, "run.py"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.Lstat(filepath.Join(dest, "again.py"))
	if err != nil || !os.SameFile(one, two) || one.Mode() != 0o750 {
		t.Errorf("mode %v, links are one file: %v, %v", one.Mode(), os.SameFile(one, two), err)
	}
}

func TestTakeTar(t *testing.T) {
	for name, want := range map[string][]string{
		"/app":          {"app/", "app/again.py", "app/link -> /etc/passwd", "app/sub/", "app/sub/x", "app/run.py -> app/again.py"},
		"/app/.":        {"./", "again.py", "link -> /etc/passwd", "sub/", "sub/x", "run.py -> again.py"},
		"/app/sub/x":    {"x"},
		"/app/link":     {"link -> /etc/passwd"},
		"app/../app//":  {"app/", "app/again.py", "app/link -> /etc/passwd", "app/sub/", "app/sub/x", "app/run.py -> app/again.py"},
		"/app/run.py":   {"run.py"},
		"/../app/sub/.": {"./", "x"},
	} {
		var archive bytes.Buffer
		if err := TakeTar(&archive, tree(t), name, Taking{}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for r := tar.NewReader(&archive); ; {
			header, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			text := header.Name
			if header.Linkname != "" {
				text += " -> " + header.Linkname
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
