//go:build !linux

package registry

import "testing"

func smallDisk(t *testing.T, _ int) (string, func(int)) {
	t.Helper()
	t.Skip("a small file system is mounted on Linux only")
	return "", nil
}
