//go:build unix

package vfs

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFifoInMountDoesNotHang: what is neither file nor directory in a mount is
// seen and refused, at once.
func TestFifoInMountDoesNotHang(t *testing.T) {
	host, root := hostDir(t, map[string]string{"f": "f"})
	must(t, unix.Mkfifo(filepath.Join(host, "fifo"), 0o600))
	l, err := net.Listen("unix", filepath.Join(host, "s"))
	must(t, err)
	defer l.Close()
	f := New()
	mount(t, f, "/m", HostDir(root, false))
	for _, p := range []string{"/m/fifo", "/m/s"} {
		for _, flag := range []Flag{O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_CREATE, O_WRONLY | O_TRUNC} {
			_, err := f.Open(p, flag, 0o600)
			wantErrno(t, p, err, syscall.ENXIO)
		}
		if s, err := f.Stat(p); err != nil || s.Mode.IsRegular() {
			t.Errorf("Stat(%q) = %v, %v", p, s.Mode, err)
		}
		wantErrno(t, "truncate "+p, f.Truncate(p, 0), syscall.EINVAL)
		must(t, f.Remove(p))
	}
	wantErrno(t, "mounted", f.Mount("/fifo", HostFile(root, "fifo", false), MountOptions{}), syscall.ENOENT)
}
