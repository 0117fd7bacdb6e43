package vfs

import (
	"os"
	"syscall"
	"testing"
)

// diskUsage is how many bytes of the disk a file takes, as far as the file system tells.
func diskUsage(t *testing.T, name string) (int64, bool) {
	t.Helper()
	info, err := os.Stat(name)
	must(t, err)
	return info.Sys().(*syscall.Stat_t).Blocks * 512, true // of 512 bytes whatever the file system's are: stat(2)
}
