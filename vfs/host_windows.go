package vfs

import (
	"io/fs"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

const hostNonblock = 0

// validHostName refuses names that mean something else on the host: other
// separators, drives, streams and wildcards.
func validHostName(name string) bool { return !strings.ContainsAny(name, `\:*?"<>|`) }

func hostErrno(e syscall.Errno) error {
	const invented = 1 << 29 // syscall.APPLICATION_ERROR: already one of POSIX
	switch {
	case e >= invented:
		return e
	case e == windows.ERROR_DIR_NOT_EMPTY:
		return syscall.ENOTEMPTY
	case e == windows.ERROR_NOT_SAME_DEVICE:
		return syscall.EXDEV
	case e == windows.ERROR_DISK_FULL:
		return syscall.ENOSPC
	case e == windows.ERROR_SHARING_VIOLATION || e == windows.ERROR_LOCK_VIOLATION:
		return syscall.EBUSY
	case e == windows.ERROR_DIRECTORY:
		return syscall.ENOTDIR
	case e == windows.ERROR_WRITE_PROTECT:
		return syscall.EROFS
	case e.Is(fs.ErrNotExist):
		return syscall.ENOENT
	case e.Is(fs.ErrExist):
		return syscall.EEXIST
	case e.Is(fs.ErrPermission):
		return syscall.EACCES
	}
	return syscall.EIO
}

// onBase calls do with paths of two files relative to one root. Where they were
// looked up from different directories, those of the mount are used.
func onBase(a *hostNode, name string, b *hostNode, newname string, do func(base *hostNode, old, new string) error) error {
	if a.base == b.base {
		return do(a, join(a.rel, name), join(b.rel, newname))
	}
	top := &hostNode{base: a.top}
	return do(top, join(a.at, name), join(b.at, newname))
}

func hostRename(from *hostNode, name string, to *hostNode, newname string) error {
	return onBase(from, name, to, newname, func(n *hostNode, old, new string) error { return n.base.Rename(old, new) })
}

func hostLink(from *hostNode, name string, to *hostNode, newname string) error {
	return onBase(from, name, to, newname, func(n *hostNode, old, new string) error { return n.base.Link(old, new) })
}

func hostTimes(n *hostNode, atime, mtime time.Time) error { return n.base.Chtimes(n.rel, atime, mtime) }

func hostFileTimes(h *hostHandle, atime, mtime time.Time) error {
	return hostTimes(&h.node, atime, mtime)
}

func (h *hostHandle) setAppend(on bool) error {
	h.append = on
	return nil
}

func fillStat(s *Stat, sys any) {
	if d, ok := sys.(*syscall.Win32FileAttributeData); ok {
		s.Atime = time.Unix(0, d.LastAccessTime.Nanoseconds())
		s.Ctime = s.Mtime
	}
}
