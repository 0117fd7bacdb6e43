package diskspace

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestBelow(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x", "a/y", "a/b/z"} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 100_000), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := Below(dir)
	if got.Files != 3 || got.Bytes < 300_000 || got.Bytes > 400_000 {
		t.Errorf("got %+v", got)
	}
	if none := Below(filepath.Join(dir, "missing")); none != (Space{}) {
		t.Errorf("a directory that is not there has %+v", none)
	}
}

func TestHolesDoNotCount(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skipf("holes are not made by truncating on %s", runtime.GOOS)
	}
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	if got := Below(dir); got.Files != 1 || got.Bytes > 1<<20 {
		t.Errorf("got %+v", got)
	}
}
