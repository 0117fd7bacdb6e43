//go:build !windows

package export

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOwners: owners are the box's where the user may give files away, and else the user.
func TestOwners(t *testing.T) {
	dir := t.TempDir()
	if err := Files(dir, tree(t)); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(dir, "app/sub"), 0o755)
	info, err := os.Lstat(filepath.Join(dir, "app/run.py"))
	if err != nil {
		t.Fatal(err)
	}
	want := uint32(os.Geteuid())
	if want == 0 {
		want = 1234
	}
	if got := info.Sys().(*syscall.Stat_t).Uid; got != want {
		t.Errorf("owner %d, want %d", got, want)
	}
}
