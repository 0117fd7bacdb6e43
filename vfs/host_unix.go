//go:build unix

package vfs

import (
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hostNonblock keeps opening a fifo from waiting for its other end.
const hostNonblock = unix.O_NONBLOCK

func validHostName(string) bool { return true }

func hostErrno(e syscall.Errno) error { return e }

// inDirs calls do with descriptors of two directories. With those, names are
// single components, and nothing is followed.
func inDirs(a, b *hostNode, do func(a, b int) error) error {
	const directory = unix.O_DIRECTORY | hostNonblock // whatever it has become since it was looked up
	d, err := a.base.OpenFile(a.rel, directory, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	e, err := b.base.OpenFile(b.rel, directory, 0)
	if err != nil {
		return err
	}
	defer e.Close()
	return do(int(d.Fd()), int(e.Fd()))
}

func hostRename(from *hostNode, name string, to *hostNode, newname string) error {
	return inDirs(from, to, func(a, b int) error { return unix.Renameat(a, name, b, newname) })
}

func hostLink(from *hostNode, name string, to *hostNode, newname string) error {
	return inDirs(from, to, func(a, b int) error { return unix.Linkat(a, name, b, newname, 0) })
}

// hostTimes sets the times of a file; of a symlink, its own.
func hostTimes(n *hostNode, atime, mtime time.Time) error {
	dir := &hostNode{base: n.base, rel: path.Dir(n.rel)}
	return inDirs(dir, dir, func(fd, _ int) error {
		ts := []unix.Timespec{timespec(atime), timespec(mtime)}
		return unix.UtimesNanoAt(fd, path.Base(n.rel), ts, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// hostFileTimes sets the times of an open file, which may have lost its name.
func hostFileTimes(h *hostHandle, atime, mtime time.Time) error {
	return futimens(h, timespec(atime), timespec(mtime))
}

func timespec(t time.Time) unix.Timespec {
	if t.IsZero() {
		return unix.Timespec{Nsec: utimeOmit}
	}
	return unix.NsecToTimespec(t.UnixNano())
}

func (h *hostHandle) setAppend(on bool) error {
	fd := h.f.Fd()
	flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	if flags &^= unix.O_APPEND; on {
		flags |= unix.O_APPEND
	}
	_, err = unix.FcntlInt(fd, unix.F_SETFL, flags)
	return err
}
