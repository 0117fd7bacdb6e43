package vfs

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// treeSubject runs operations on a tree.
type treeSubject struct {
	f     *FS
	files [slots]*File
}

func (s *treeSubject) closeAll() {
	for i, f := range s.files {
		if f != nil {
			f.Close()
		}
		s.files[i] = nil
	}
}

func (s *treeSubject) run(o operation) string {
	if o.op <= opFstat {
		return s.runFile(o)
	}
	f, a, b := s.f, "/"+o.a, "/"+o.b
	root := f.Root()
	defer root.Close()
	switch o.op {
	case opTruncate:
		return result(f.Truncate(a, int64(o.off)), "")
	case opMkdir:
		return result(f.Mkdir(a, o.mode), "")
	case opUnlink:
		return result(root.UnlinkAt(a, 0), "")
	case opRmdir:
		return result(root.RmdirAt(a, 0), "")
	case opRename:
		return result(f.Rename(a, b), "")
	case opLink:
		return result(f.Link(a, b), "")
	case opSymlink:
		return result(f.Symlink(o.a, b), "")
	case opReadlink:
		target, err := f.Readlink(a)
		return result(err, "%q", target)
	case opStat:
		st, err := f.Stat(a)
		return describe(st, err)
	case opLstat:
		st, err := f.Lstat(a)
		return describe(st, err)
	case opChmod:
		return result(f.Chmod(a, o.mode), "")
	default:
		ents, err := f.ReadDir(a)
		var list []string
		for _, e := range ents {
			list = append(list, fmt.Sprint(e.Name(), e.Type()))
		}
		return result(err, "%v", list)
	}
}

// describe tells of a file what does not depend on the machine.
func describe(s Stat, err error) string {
	if s.IsDir() {
		s.Size = 0
	}
	return result(err, "%v links %d size %d", s.Mode, s.Nlink, s.Size)
}

func (s *treeSubject) runFile(o operation) string {
	if o.op == opOpen {
		if s.files[o.slot] != nil {
			s.files[o.slot].Close()
		}
		f, err := s.f.Open("/"+o.a, o.flag, o.mode)
		s.files[o.slot] = f
		return result(err, "")
	}
	f := s.files[o.slot]
	if f == nil {
		return "not open"
	}
	switch o.op {
	case opWrite:
		n, err := f.Write([]byte(o.contents))
		return result(err, "%d", n)
	case opRead:
		b := make([]byte, o.n)
		n, err := f.Read(b)
		return result(err, "%q", b[:n])
	case opPread:
		b := make([]byte, o.n)
		n, err := f.ReadAt(b, int64(o.off))
		return result(err, "%q", b[:n])
	case opPwrite:
		n, err := f.WriteAt([]byte(o.contents), int64(o.off))
		return result(err, "%d", n)
	case opSeek:
		if f.Type().IsDir() {
			return "directory" // offsets of directories are each system's own
		}
		pos, err := f.Seek(int64(o.off)-1000, o.n%3)
		return result(err, "%d", pos)
	case opFtruncate:
		return result(f.Truncate(int64(o.off)), "")
	case opClose:
		s.files[o.slot] = nil
		return result(f.Close(), "")
	default:
		st, err := f.Stat()
		return describe(st, err)
	}
}

// hostSubject runs operations on a directory of this machine.
type hostSubject struct {
	root string
	fds  [slots]int // one more than the descriptor, 0 if closed
}

func (s *hostSubject) closeAll() {
	for i, fd := range s.fds {
		if fd != 0 {
			unix.Close(fd - 1)
		}
		s.fds[i] = 0
	}
}

func (s *hostSubject) run(o operation) string {
	if o.op <= opFstat {
		return s.runFile(o)
	}
	a, b := s.root+"/"+o.a, s.root+"/"+o.b
	mode := uint32(o.mode.Perm())
	switch o.op {
	case opTruncate:
		return result(unix.Truncate(a, int64(o.off)), "")
	case opMkdir:
		return result(unix.Mkdir(a, mode), "")
	case opUnlink:
		return result(unix.Unlink(a), "")
	case opRmdir:
		return result(unix.Rmdir(a), "")
	case opRename:
		return result(unix.Rename(a, b), "")
	case opLink:
		return result(unix.Link(a, b), "")
	case opSymlink:
		return result(unix.Symlink(o.a, b), "")
	case opReadlink:
		buf := make([]byte, 4096)
		n, err := unix.Readlink(a, buf)
		return result(err, "%q", buf[:max(n, 0)])
	case opStat, opLstat:
		return s.stat(a, o.op == opLstat)
	case opChmod:
		return result(unix.Chmod(a, mode), "")
	default:
		fd, err := unix.Open(a, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return result(err, "")
		}
		f := os.NewFile(uintptr(fd), a)
		defer f.Close()
		ents, err := f.ReadDir(-1)
		slices.SortFunc(ents, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		var list []string
		for _, e := range ents {
			list = append(list, fmt.Sprint(e.Name(), e.Type()))
		}
		return result(err, "%v", list)
	}
}

func (s *hostSubject) stat(p string, nofollow bool) string {
	var st unix.Stat_t
	flags := 0
	if nofollow {
		flags = unix.AT_SYMLINK_NOFOLLOW
	}
	err := unix.Fstatat(unix.AT_FDCWD, p, &st, flags)
	return describeHost(&st, err)
}

func describeHost(st *unix.Stat_t, err error) string {
	if err != nil {
		return result(err, "")
	}
	mode := fs.FileMode(st.Mode & 0o777)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	}
	return describe(Stat{Mode: mode, Nlink: uint32(st.Nlink), Size: st.Size}, nil)
}

func (s *hostSubject) runFile(o operation) string {
	if o.op == opOpen {
		if s.fds[o.slot] != 0 {
			unix.Close(s.fds[o.slot] - 1)
		}
		fd, err := unix.Open(s.root+"/"+o.a, hostFlags(o.flag), uint32(o.mode.Perm()))
		s.fds[o.slot] = fd + 1
		return result(err, "")
	}
	fd := s.fds[o.slot] - 1
	if fd < 0 {
		return "not open"
	}
	switch o.op {
	case opWrite:
		n, err := unix.Write(fd, []byte(o.contents))
		return result(err, "%d", n)
	case opRead:
		b := make([]byte, o.n)
		n, err := unix.Read(fd, b)
		return result(err, "%q", b[:max(n, 0)])
	case opPread:
		b := make([]byte, o.n)
		n, err := unix.Pread(fd, b, int64(o.off))
		return result(err, "%q", b[:max(n, 0)])
	case opPwrite:
		n, err := unix.Pwrite(fd, []byte(o.contents), int64(o.off))
		return result(err, "%d", n)
	case opSeek:
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return "directory"
		}
		pos, err := unix.Seek(fd, int64(o.off)-1000, o.n%3)
		return result(err, "%d", pos)
	case opFtruncate:
		return result(unix.Ftruncate(fd, int64(o.off)), "")
	case opClose:
		s.fds[o.slot] = 0
		return result(unix.Close(fd), "")
	default:
		var st unix.Stat_t
		err := unix.Fstat(fd, &st)
		return describeHost(&st, err)
	}
}

func hostFlags(flag Flag) int {
	m := unix.O_CLOEXEC
	for ours, theirs := range map[Flag]int{
		O_WRONLY: unix.O_WRONLY, O_RDWR: unix.O_RDWR, O_APPEND: unix.O_APPEND, O_CREATE: unix.O_CREAT,
		O_EXCL: unix.O_EXCL, O_TRUNC: unix.O_TRUNC, O_DIRECTORY: unix.O_DIRECTORY, O_NOFOLLOW: unix.O_NOFOLLOW,
	} {
		if ours&accessMode != 0 && flag&accessMode == ours || ours&accessMode == 0 && flag&ours != 0 {
			m |= theirs
		}
	}
	return m
}
