package vfs

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"syscall"
	"time"
)

// Subtree returns the source of a file or directory of another tree, which
// sees what is changed through the mount. Symlinks are followed within the tree
// that it is mounted in, as those of a host directory are. Mounts of the other
// tree are not part of it.
func Subtree(tree *FS, name string) Source { return treeSource{tree, name} }

type treeSource struct {
	tree *FS
	name string
}

func (s treeSource) attach(p *mountPoint) (external, fs.FileMode, error) {
	if s.tree == p.fs {
		return nil, 0, syscall.ELOOP // its lock is held
	}
	s.tree.mu.RLock()
	defer s.tree.mu.RUnlock()
	t, err := s.tree.existing(fromRoot, s.name, 0)
	switch {
	case err != nil:
		return nil, 0, err
	case t.ext != nil:
		return nil, 0, syscall.EXDEV
	}
	return &treeNode{point: p, tree: s.tree, top: t.ino, ino: t.ino, typ: t.typ, at: "."}, t.typ, nil
}

// treeNode is a file of another tree.
type treeNode struct {
	point *mountPoint
	tree  *FS
	top   uint64 // what is mounted
	ino   uint64
	typ   fs.FileMode
	at    string // path in the mount, as far as is known
}

func (n *treeNode) mount() *mountPoint { return n.point }

func (n *treeNode) with(ino uint64, typ fs.FileMode, at string) *treeNode {
	return &treeNode{n.point, n.tree, n.top, ino, typ, at}
}

// read and change do something to the tree, under its lock.
func (n *treeNode) read(do func() error) error {
	n.tree.mu.RLock()
	defer n.tree.mu.RUnlock()
	return do()
}

func (n *treeNode) change(do func() error) error {
	if n.point.readOnly {
		return syscall.EROFS
	}
	n.tree.mu.Lock()
	defer n.tree.mu.Unlock()
	return do()
}

func (n *treeNode) lookup(name string) (x external, typ fs.FileMode, err error) {
	err = n.read(func() error {
		var ino uint64
		ino, typ, err = n.tree.child(n.ino, name)
		x = n.with(ino, typ, join(n.at, name))
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return x, typ, nil
}

func (n *treeNode) above() (up spot, err error) {
	if n.ino == n.top {
		return n.point.fs.spotOf(n.point.up)
	}
	err = n.read(func() error {
		ino, err := n.tree.parentOf(n.ino)
		at := path.Dir(n.at)
		up = spot{ext: n.with(ino, fs.ModeDir, at), typ: fs.ModeDir, point: n.point.below(at)}
		return err
	})
	return up, err
}

func (n *treeNode) stat() (s Stat, err error) {
	err = n.read(func() error {
		s, err = n.tree.statInode(n.ino)
		return err
	})
	s.Dev = n.point.dev
	return s, err
}

func (n *treeNode) readlink() (target string, err error) {
	err = n.read(func() error {
		target, err = n.tree.readlink(spot{ino: n.ino, typ: n.typ})
		return err
	})
	return target, err
}

func (n *treeNode) open(flag Flag) (handle, error) {
	if n.point.readOnly && (flag.writable() || flag&O_TRUNC != 0) {
		return nil, syscall.EROFS
	}
	n.tree.mu.Lock()
	defer n.tree.mu.Unlock()
	return n.opened(flag)
}

// opened opens the file; the tree is locked.
func (n *treeNode) opened(flag Flag) (handle, error) {
	f, err := n.tree.openSpot(spot{ino: n.ino, typ: n.typ}, "", flag)
	if err != nil {
		return nil, err
	}
	return &treeHandle{n, f}, nil
}

func (n *treeNode) create(name string, flag Flag, perm fs.FileMode) (h handle, err error) {
	err = n.change(func() error {
		ino, typ, err := n.tree.child(n.ino, name)
		switch {
		case err == nil && flag&O_EXCL != 0:
			return syscall.EEXIST // made since the lookup
		case err == syscall.ENOENT:
			ino, err = n.tree.makeFile(n.ino, name, perm)
			flag &^= O_TRUNC
		}
		if err != nil {
			return err
		}
		h, err = n.with(ino, typ, join(n.at, name)).opened(flag)
		return err
	})
	return h, err
}

func (n *treeNode) mkdir(name string, perm fs.FileMode) error {
	return n.change(func() error {
		if _, _, err := n.tree.child(n.ino, name); err != syscall.ENOENT {
			return orExists(err)
		}
		_, err := n.tree.makeDir(n.ino, name, perm)
		return err
	})
}

func (n *treeNode) symlink(target, name string) error {
	return n.change(func() error {
		if _, _, err := n.tree.child(n.ino, name); err != syscall.ENOENT {
			return orExists(err)
		}
		return n.tree.makeSymlink(n.ino, name, target)
	})
}

func orExists(err error) error {
	if err == nil {
		return syscall.EEXIST
	}
	return err
}

func (n *treeNode) remove(name string, dir bool) error {
	return n.change(func() error {
		ino, typ, err := n.tree.child(n.ino, name)
		switch {
		case err != nil:
			return err
		case dir && !typ.IsDir():
			return syscall.ENOTDIR
		case dir:
			return n.tree.rmdir(n.ino, name, ino)
		case typ.IsDir():
			return syscall.EISDIR
		}
		return n.tree.unlink(n.ino, name, ino)
	})
}

func (n *treeNode) rename(name string, to external, newname string) error {
	dir, ok := to.(*treeNode)
	if !ok || dir.tree != n.tree {
		return syscall.EXDEV
	}
	return n.change(func() error {
		m := move{dir: n.ino, newDir: dir.ino, name: name, newName: newname}
		var err error
		if m.ino, m.typ, err = n.tree.child(n.ino, name); err != nil {
			return err
		}
		m.over, m.overType, err = n.tree.child(dir.ino, newname)
		if err != nil && err != syscall.ENOENT {
			return err
		}
		return n.tree.rename(m)
	})
}

func (n *treeNode) link(old external, name string) error {
	from, ok := old.(*treeNode)
	if !ok || from.tree != n.tree {
		return syscall.EXDEV
	}
	return n.change(func() error {
		if _, _, err := n.tree.child(n.ino, name); err != syscall.ENOENT {
			return orExists(err)
		}
		return n.tree.link(from.ino, n.ino, name)
	})
}

func (n *treeNode) set(to func(*inode)) error {
	return n.change(func() error { return n.tree.setMetadata(n.ino, to) })
}

func (n *treeNode) chmod(perm fs.FileMode) error { return n.set(setMode(perm)) }
func (n *treeNode) chown(uid, gid int) error     { return n.set(setOwner(uid, gid)) }
func (n *treeNode) chtimes(atime, mtime time.Time) error {
	return n.set(setTimes(atime, mtime))
}

func (n *treeNode) truncate(size int64) error {
	return n.change(func() error { return n.tree.setSize(n.ino, size) })
}

// treeHandle is an open file of another tree.
type treeHandle struct {
	node *treeNode
	f    *File
}

func (h *treeHandle) file() external { return h.node }

func (h *treeHandle) read(p []byte) (int, error) {
	n, err := h.f.Read(p)
	return n, bareError(err)
}

func (h *treeHandle) readAt(p []byte, off int64) (int, error) {
	n, err := h.f.ReadAt(p, off)
	return n, bareError(err)
}

func (h *treeHandle) write(p []byte) (int, error) {
	n, err := h.f.Write(p)
	return n, bareError(err)
}

func (h *treeHandle) writeAt(p []byte, off int64) (int, error) {
	n, err := h.f.WriteAt(p, off)
	return n, bareError(err)
}

func (h *treeHandle) seek(off int64, whence int) (int64, error) {
	pos, err := h.f.Seek(off, whence)
	return pos, bareError(err)
}

func (h *treeHandle) setAppend(on bool) error {
	flag := Flag(0)
	if on {
		flag = O_APPEND
	}
	return bareError(h.f.SetFlags(flag))
}

func (h *treeHandle) list() ([]DirEntry, error) {
	entries, err := h.f.ReadDirAt(0, 0)
	return entries, bareError(err)
}

func (h *treeHandle) stat() (Stat, error) {
	s, err := h.f.Stat()
	s.Dev = h.node.point.dev
	return s, bareError(err)
}

func (h *treeHandle) truncate(size int64) error { return bareError(h.f.Truncate(size)) }
func (h *treeHandle) allocate(size int64) error { return bareError(h.f.Allocate(0, size)) }
func (h *treeHandle) sync() error               { return nil }
func (h *treeHandle) close() error              { return bareError(h.f.Close()) }

func (h *treeHandle) chmod(perm fs.FileMode) error         { return h.node.chmod(perm) }
func (h *treeHandle) chown(uid, gid int) error             { return h.node.chown(uid, gid) }
func (h *treeHandle) chtimes(atime, mtime time.Time) error { return h.node.chtimes(atime, mtime) }

// bareError takes the path out of an error, which is that of another tree. The
// end of a file is no error to a handle.
func bareError(err error) error {
	var e *fs.PathError
	switch {
	case err == io.EOF:
		return nil
	case errors.As(err, &e):
		return e.Err
	}
	return err
}
