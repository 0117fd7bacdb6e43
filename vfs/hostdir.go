package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// HostDir returns the source of a host directory. Symlinks in it are followed
// within the box: an absolute target is one from the box's root. The os.Root is
// what keeps lookups inside the directory, even while the host changes it; it
// must stay open as long as the directory is mounted.
//
// What is neither file, directory nor symlink shows but cannot be opened
// (ENXIO). Setuid and setgid bits are not set on the host.
func HostDir(root *os.Root, readOnly bool) Source {
	return hostSource{root: root, name: ".", readOnly: readOnly}
}

// HostFile returns the source of one regular file of a host directory.
func HostFile(root *os.Root, name string, readOnly bool) Source {
	return hostSource{root: root, name: name, readOnly: readOnly, file: true}
}

type hostSource struct {
	root     *os.Root
	name     string
	readOnly bool
	file     bool
}

func (s hostSource) attach(p *mountPoint) (external, fs.FileMode, error) {
	info, err := s.root.Lstat(s.name)
	switch {
	case err != nil:
		return nil, 0, hostError(err)
	case info.IsDir() && s.file:
		return nil, 0, syscall.EISDIR
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, 0, syscall.ELOOP
	case !info.IsDir() && !info.Mode().IsRegular():
		return nil, 0, syscall.ENXIO
	}
	p.readOnly = p.readOnly || s.readOnly
	return &hostNode{point: p, base: s.root, top: s.root, rel: s.name, at: "."}, info.Mode().Type(), nil
}

// hostNode is a file in a host directory: a path relative to an os.Root, that
// of the mount or that of an open directory. Every method that changes anything
// begins by asking writable.
type hostNode struct {
	point *mountPoint
	top   *os.Root // of the mount
	base  *os.Root // of the directory that the lookup started at
	rel   string   // path in base
	at    string   // path in the mount, as far as is known
	depth int      // components of rel
}

func (n *hostNode) mount() *mountPoint { return n.point }

func (n *hostNode) writable() error {
	if n.point.readOnly {
		return syscall.EROFS
	}
	return nil
}

func (n *hostNode) child(name string) *hostNode {
	return &hostNode{n.point, n.top, n.base, join(n.rel, name), join(n.at, name), n.depth + 1}
}

// effort is how many components the host looks at to find a file: every lookup
// starts at the directory that is open.
func effort(s spot) int {
	if n, ok := s.ext.(*hostNode); ok {
		return n.depth
	}
	return 0
}

func (n *hostNode) lookup(name string) (external, fs.FileMode, error) {
	if !validHostName(name) {
		return nil, 0, syscall.ENOENT
	}
	c := n.child(name)
	info, err := c.base.Lstat(c.rel)
	if err != nil {
		return nil, 0, hostError(err)
	}
	return c, info.Mode().Type(), nil
}

func (n *hostNode) above() (spot, error) {
	if n.at == "." {
		return n.point.fs.spotOf(n.point.up)
	}
	up := &hostNode{n.point, n.top, n.base, path.Dir(n.rel), path.Dir(n.at), n.depth - 1}
	if n.rel == "." {
		up.base, up.rel, up.depth = n.top, up.at, strings.Count(up.at, "/")+1
	}
	return spot{ext: up, typ: fs.ModeDir, point: n.point.below(up.at)}, nil
}

func (n *hostNode) stat() (Stat, error) {
	info, err := n.base.Lstat(n.rel)
	if err != nil {
		return Stat{}, hostError(err)
	}
	return n.statOf(info), nil
}

func (n *hostNode) statOf(info fs.FileInfo) Stat {
	t := info.ModTime()
	s := Stat{Mode: info.Mode(), Dev: n.point.dev, Nlink: 1, Size: info.Size(), Atime: t, Mtime: t, Ctime: t}
	fillStat(&s, info.Sys())
	if o := n.point.owner; o != nil {
		s.UID, s.GID = o.UID, o.GID
	}
	if stable := n.point.stable; stable != nil {
		if t.After(stable.Begin) {
			t = stable.Shown
		}
		s.Ino, s.Atime, s.Mtime, s.Ctime = 0, t, t, t
	}
	if s.Ino == 0 {
		s.Ino = hashName(n.at)
	}
	if s.IsDir() {
		s.Size = 0
	}
	return s
}

// hashName makes an inode number of a path where the host has none (FNV-1a).
func hashName(p string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(p) {
		h = (h ^ uint64(p[i])) * 1099511628211
	}
	return h | 1
}

func (n *hostNode) readlink() (string, error) {
	target, err := n.base.Readlink(n.rel)
	return target, hostError(err)
}

func (n *hostNode) open(flag Flag) (handle, error) {
	if flag.writable() || flag&O_TRUNC != 0 {
		if err := n.writable(); err != nil {
			return nil, err
		}
	}
	info, err := n.base.Lstat(n.rel)
	switch {
	case err != nil:
		return nil, hostError(err)
	case info.IsDir():
		return n.openDir()
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, syscall.ELOOP // swapped since the lookup
	case !info.Mode().IsRegular():
		return nil, syscall.ENXIO
	}
	return n.openFile(flag&(accessMode|O_APPEND|O_TRUNC), 0)
}

func (n *hostNode) openDir() (handle, error) {
	root, err := n.base.OpenRoot(n.rel)
	if err != nil {
		return nil, hostError(err)
	}
	return &hostDirHandle{hostNode{n.point, n.top, root, ".", n.at, 0}}, nil
}

// openFile opens a regular file. Opening does not wait: should the file have
// become a fifo, that must not hang the box.
func (n *hostNode) openFile(flag Flag, perm fs.FileMode) (handle, error) {
	mode := map[Flag]int{O_RDONLY: os.O_RDONLY, O_WRONLY: os.O_WRONLY, O_RDWR: os.O_RDWR}[flag&accessMode] | hostNonblock
	if flag&O_TRUNC != 0 && !flag.writable() {
		mode |= os.O_RDWR // ftruncate(2) wants it; that this handle is for reading is known above
	}
	if flag&O_CREATE != 0 {
		mode |= os.O_CREATE | os.O_EXCL
	}
	f, err := n.base.OpenFile(n.rel, mode, perm&fs.ModePerm)
	if err != nil {
		return nil, hostError(err)
	}
	h := &hostHandle{node: *n, f: f}
	if err := h.prepare(flag); err != nil {
		f.Close()
		return nil, err
	}
	return h, nil
}

func (h *hostHandle) prepare(flag Flag) error {
	info, err := h.f.Stat()
	if err != nil {
		return hostError(err)
	}
	if !info.Mode().IsRegular() {
		return syscall.ENXIO
	}
	if flag&O_TRUNC != 0 && info.Size() > 0 {
		if err := h.f.Truncate(0); err != nil {
			return hostError(err)
		}
	}
	if flag&O_APPEND != 0 {
		return h.setAppend(true)
	}
	return nil
}

func (n *hostNode) create(name string, flag Flag, perm fs.FileMode) (handle, error) {
	if err := n.writable(); err != nil {
		return nil, err
	}
	if !validHostName(name) {
		return nil, syscall.EINVAL
	}
	c := n.child(name)
	h, err := c.openFile(flag&(accessMode|O_APPEND)|O_CREATE, perm)
	if err == syscall.EEXIST && flag&O_EXCL == 0 {
		return c.open(flag) // made since the lookup
	}
	if err == nil && perm&0o022 != 0 {
		// The umask of this process is not the box's.
		err = hostError(h.(*hostHandle).f.Chmod(perm & fs.ModePerm))
	}
	return h, err
}

func (n *hostNode) mkdir(name string, perm fs.FileMode) error {
	if err := n.writable(); err != nil {
		return err
	}
	if !validHostName(name) {
		return syscall.EINVAL
	}
	c := n.child(name)
	err := c.base.Mkdir(c.rel, perm&fs.ModePerm)
	if err == nil && perm&0o022 != 0 {
		err = c.base.Chmod(c.rel, perm&fs.ModePerm)
	}
	return hostError(err)
}

func (n *hostNode) remove(name string, _ bool) error {
	if err := n.writable(); err != nil {
		return err
	}
	return hostError(n.base.Remove(join(n.rel, name)))
}

func (n *hostNode) symlink(target, name string) error {
	if err := n.writable(); err != nil {
		return err
	}
	if !validHostName(name) {
		return syscall.EINVAL
	}
	return hostError(n.base.Symlink(target, join(n.rel, name)))
}

func (n *hostNode) rename(name string, to external, newname string) error {
	if err := n.writable(); err != nil {
		return err
	}
	dir, ok := to.(*hostNode)
	if !ok {
		return syscall.EXDEV
	}
	if !validHostName(newname) {
		return syscall.EINVAL
	}
	return hostError(hostRename(n, name, dir, newname))
}

func (n *hostNode) link(old external, name string) error {
	if err := n.writable(); err != nil {
		return err
	}
	from, ok := old.(*hostNode)
	if !ok {
		return syscall.EXDEV
	}
	if !validHostName(name) {
		return syscall.EINVAL
	}
	dir := &hostNode{from.point, from.top, from.base, path.Dir(from.rel), path.Dir(from.at), from.depth - 1}
	return hostError(hostLink(dir, path.Base(from.rel), n, name))
}

func (n *hostNode) chmod(perm fs.FileMode) error {
	if err := n.writable(); err != nil {
		return err
	}
	return hostError(n.base.Chmod(n.rel, perm&(fs.ModePerm|fs.ModeSticky)))
}

func (n *hostNode) chown(uid, gid int) error {
	if err := n.writable(); err != nil {
		return err
	}
	if n.point.owner != nil {
		return nil
	}
	return hostError(n.base.Lchown(n.rel, uid, gid))
}

func (n *hostNode) chtimes(atime, mtime time.Time) error {
	if err := n.writable(); err != nil {
		return err
	}
	return hostError(hostTimes(n, atime, mtime))
}

func (n *hostNode) truncate(size int64) error {
	h, err := n.open(O_WRONLY)
	if err != nil {
		return err
	}
	defer h.close()
	return h.truncate(size)
}

// hostDirHandle is an open host directory: an os.Root of its own, which goes
// where the directory goes.
type hostDirHandle struct{ node hostNode }

func (h *hostDirHandle) file() external                       { return &h.node }
func (h *hostDirHandle) read([]byte) (int, error)             { return 0, syscall.EISDIR }
func (h *hostDirHandle) write([]byte) (int, error)            { return 0, syscall.EBADF }
func (h *hostDirHandle) readAt([]byte, int64) (int, error)    { return 0, syscall.EISDIR }
func (h *hostDirHandle) writeAt([]byte, int64) (int, error)   { return 0, syscall.EBADF }
func (h *hostDirHandle) seek(int64, int) (int64, error)       { return 0, syscall.EINVAL }
func (h *hostDirHandle) truncate(int64) error                 { return syscall.EINVAL }
func (h *hostDirHandle) allocate(int64) error                 { return syscall.ENODEV }
func (h *hostDirHandle) setAppend(bool) error                 { return nil }
func (h *hostDirHandle) stat() (Stat, error)                  { return h.node.stat() }
func (h *hostDirHandle) chmod(perm fs.FileMode) error         { return h.node.chmod(perm) }
func (h *hostDirHandle) chown(uid, gid int) error             { return h.node.chown(uid, gid) }
func (h *hostDirHandle) chtimes(atime, mtime time.Time) error { return h.node.chtimes(atime, mtime) }
func (h *hostDirHandle) close() error                         { return hostError(h.node.base.Close()) }
func (h *hostDirHandle) sync() error                          { return nil }

func (h *hostDirHandle) list() ([]DirEntry, error) {
	d, err := h.node.base.Open(".")
	if err != nil {
		return nil, hostError(err)
	}
	defer d.Close()
	var ents []DirEntry
	for {
		list, err := d.ReadDir(listPiece)
		if err == io.EOF {
			return ents, h.sort(ents)
		}
		if err == nil && h.node.point.fs.over() {
			err = syscall.EINTR
		}
		if err == nil {
			ents, err = h.describe(ents, list)
		}
		if err != nil {
			return nil, hostError(err)
		}
	}
}

const listPiece = 256 // names that are listed, or compared, between looks at whether anybody waits for them

func (h *hostDirHandle) describe(ents []DirEntry, list []fs.DirEntry) ([]DirEntry, error) {
	for _, e := range list {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s := h.node.child(e.Name()).statOf(info)
		ents = append(ents, DirEntry{Name: e.Name(), Ino: s.Ino, Type: s.Mode.Type()})
	}
	return ents, nil
}

// sort sorts by name. Once nobody waits for it all names are alike to it, which are in order soon.
func (h *hostDirHandle) sort(ents []DirEntry) error {
	compared, over := 0, false
	slices.SortFunc(ents, func(a, b DirEntry) int {
		if compared++; compared%listPiece == 0 && !over {
			over = h.node.point.fs.over()
		}
		if over {
			return 0
		}
		return strings.Compare(a.Name, b.Name)
	})
	if over {
		return syscall.EINTR
	}
	return nil
}

// hostHandle is an open host file. Its offset is the host's.
type hostHandle struct {
	node   hostNode
	f      *os.File
	append bool // where the host cannot be told
}

func (h *hostHandle) file() external { return &h.node }

func (h *hostHandle) read(p []byte) (int, error) {
	n, err := h.f.Read(p)
	if err == io.EOF {
		err = nil
	}
	return n, hostError(err)
}

func (h *hostHandle) readAt(p []byte, off int64) (int, error) {
	n, err := h.f.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return n, hostError(err)
}

func (h *hostHandle) write(p []byte) (int, error) {
	if h.append {
		if _, err := h.f.Seek(0, io.SeekEnd); err != nil {
			return 0, hostError(err)
		}
	}
	n, err := h.f.Write(p)
	return n, hostError(err)
}

func (h *hostHandle) writeAt(p []byte, off int64) (int, error) {
	n, err := h.f.WriteAt(p, off)
	return n, hostError(err)
}

func (h *hostHandle) seek(off int64, whence int) (int64, error) {
	if whence < io.SeekStart || whence > io.SeekEnd {
		return 0, syscall.EINVAL
	}
	pos, err := h.f.Seek(off, whence)
	return pos, hostError(err)
}

func (h *hostHandle) truncate(size int64) error { return hostError(h.f.Truncate(size)) }

func (h *hostHandle) allocate(size int64) error {
	info, err := h.f.Stat()
	if err == nil && info.Size() < size {
		err = h.f.Truncate(size)
	}
	return hostError(err)
}

func (h *hostHandle) list() ([]DirEntry, error) { return nil, syscall.ENOTDIR }
func (h *hostHandle) sync() error               { return hostError(h.f.Sync()) }
func (h *hostHandle) close() error              { return hostError(h.f.Close()) }

func (h *hostHandle) stat() (Stat, error) {
	info, err := h.f.Stat()
	if err != nil {
		return Stat{}, hostError(err)
	}
	return h.node.statOf(info), nil
}

func (h *hostHandle) chmod(perm fs.FileMode) error {
	if err := h.node.writable(); err != nil {
		return err
	}
	return hostError(h.f.Chmod(perm & (fs.ModePerm | fs.ModeSticky)))
}

func (h *hostHandle) chown(uid, gid int) error {
	if err := h.node.writable(); err != nil {
		return err
	}
	if h.node.point.owner != nil {
		return nil
	}
	return hostError(h.f.Chown(uid, gid))
}

func (h *hostHandle) chtimes(atime, mtime time.Time) error {
	if err := h.node.writable(); err != nil {
		return err
	}
	return hostError(hostFileTimes(h, atime, mtime))
}

// hostError reduces an error of package os to its errno.
func hostError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrClosed):
		return syscall.EBADF
	}
	var e syscall.Errno
	if errors.As(err, &e) {
		return hostErrno(e)
	}
	// os.Root has no exported error for this.
	if strings.HasSuffix(err.Error(), "path escapes from parent") {
		return syscall.EPERM
	}
	return syscall.EIO
}
