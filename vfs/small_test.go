package vfs

import (
	"errors"
	"syscall"
	"testing"
)

// TestReadSmallFile: what is looked up in a file that somebody else made takes no more memory than is meant for it.
func TestReadSmallFile(t *testing.T) {
	f := New()
	for name, size := range map[string]int64{"/four": 4, "/five": 5, "/terabyte": 1 << 40} {
		if err := errors.Join(f.WriteFile(name, nil, 0o644), f.Truncate(name, size)); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(f.Mkdir("/dev", 0o755), f.Mount("/dev", Devices(DeviceSet{}), MountOptions{}), f.Symlink("/dev/zero", "/endless"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		"/four": nil, "/five": syscall.EFBIG, "/terabyte": syscall.EFBIG, "/endless": syscall.EINVAL, "/dev": syscall.EINVAL, "/none": syscall.ENOENT,
	} {
		data, err := f.ReadSmallFile(name, 4)
		if !errors.Is(err, want) || err == nil && len(data) != 4 {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}
