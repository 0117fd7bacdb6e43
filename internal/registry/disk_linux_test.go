package registry

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk is a file system of some bytes that can be made larger.
func smallDisk(t *testing.T, bytes int) (dir string, grow func(bytes int)) {
	t.Helper()
	dir = t.TempDir()
	mount := func(flags uintptr, bytes int) error {
		return unix.Mount("tmpfs", dir, "tmpfs", flags, fmt.Sprintf("size=%d", bytes))
	}
	if err := mount(0, bytes); err != nil {
		t.Skipf("mounting a small file system takes root: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir, func(bytes int) {
		if err := mount(unix.MS_REMOUNT, bytes); err != nil {
			t.Fatal(err)
		}
	}
}
