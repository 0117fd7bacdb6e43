package vfs

import (
	"io/fs"
	"strings"
	"syscall"
	"time"
)

// Operations on paths, each relative to a directory: what the methods of FS and
// File have in common. Errors are bare.

func (f *FS) statAt(start spot, p string, at At) (Stat, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	t, err := f.existing(start, p, at)
	if err != nil {
		return Stat{}, err
	}
	s, err := f.statSpot(t.spot)
	s.Name = baseName(p)
	return s, err
}

// existing looks up a path that must exist, following symlinks unless told not
// to.
func (f *FS) existing(start spot, p string, at At) (found, error) {
	last := followLast
	if at&AtNoFollow != 0 {
		last = followSlash
	}
	t, err := f.walk(start, p, last, at)
	switch {
	case err != nil:
	case !t.exists:
		err = syscall.ENOENT
	case t.slash && !t.typ.IsDir():
		err = syscall.ENOTDIR
	}
	return t, err
}

func (f *FS) statSpot(s spot) (Stat, error) {
	if s.ext != nil {
		return s.ext.stat()
	}
	return f.statInode(s.ino)
}

// baseName returns the last component of a path, as Stat.Name has it.
func baseName(p string) string {
	p = strings.TrimRight(p, "/")
	if p == "" {
		return "/"
	}
	return p[strings.LastIndexByte(p, '/')+1:]
}

func (f *FS) readlinkAt(start spot, p string, at At) (string, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	t, err := f.existing(start, p, at|AtNoFollow)
	if err != nil {
		return "", err
	}
	if t.typ&fs.ModeSymlink == 0 {
		return "", syscall.EINVAL
	}
	return f.readlink(t.spot)
}

// missing looks up a path that must not exist, to make a directory or something
// else there. It returns a directory in which names can be made.
func (f *FS) missing(start spot, p string, dir bool, at At) (found, error) {
	t, err := f.walk(start, p, keepLast, at)
	switch {
	case err != nil:
		return t, err
	case t.exists:
		return t, syscall.EEXIST
	case t.slash && !dir:
		return t, syscall.ENOENT
	}
	t.dir, err = f.solid(t.dir)
	return t, err
}

func (f *FS) mkdirAt(start spot, p string, perm fs.FileMode, at At) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.missing(start, p, true, at)
	if err != nil {
		return err
	}
	if t.dir.ext != nil {
		return t.dir.ext.mkdir(t.name, permissions(perm))
	}
	_, err = f.makeDir(t.dir.ino, t.name, perm)
	return err
}

func (f *FS) symlinkAt(target string, start spot, p string, at At) error {
	switch {
	case target == "":
		return syscall.ENOENT
	case len(target) >= MaxPath:
		return syscall.ENAMETOOLONG
	case strings.IndexByte(target, 0) >= 0:
		return syscall.EINVAL
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.missing(start, p, false, at)
	if err != nil {
		return err
	}
	if t.dir.ext != nil {
		return t.dir.ext.symlink(target, t.name)
	}
	return f.makeSymlink(t.dir.ino, t.name, strings.Clone(target))
}

func (f *FS) linkAt(start spot, p string, to spot, newp string, at At) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, err := f.existing(start, p, at)
	if err != nil {
		return err
	}
	t, err := f.missing(to, newp, false, at)
	switch {
	case err != nil:
		return err
	case !sameMount(old.spot, t.dir):
		return syscall.EXDEV
	case old.typ.IsDir():
		return syscall.EPERM
	case t.dir.ext != nil:
		return t.dir.ext.link(old.ext, t.name)
	}
	return f.link(old.ino, t.dir.ino, t.name)
}

// sameMount reports whether two files are on one device: what is named across
// devices is EXDEV.
func sameMount(a, b spot) bool {
	if a.ext == nil || b.ext == nil {
		return a.ext == nil && b.ext == nil
	}
	return a.ext.mount() == b.ext.mount()
}

// removeAt removes a file, or an empty directory.
func (f *FS) removeAt(start spot, p string, dir bool, at At) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.walk(start, p, keepLast, at)
	if err != nil {
		return err
	}
	if err := checkRemove(&t, dir); err != nil {
		return err
	}
	if t.dir.busy(t.name) {
		return syscall.EBUSY
	}
	if t.dir.ext != nil {
		return t.dir.ext.remove(t.name, dir)
	}
	if dir {
		return f.rmdir(t.dir.ino, t.name, t.ino)
	}
	return f.unlink(t.dir.ino, t.name, t.ino)
}

func checkRemove(t *found, dir bool) error {
	switch {
	case !t.exists:
		return syscall.ENOENT
	case t.slash && !t.typ.IsDir():
		return syscall.ENOTDIR
	case !dir && t.typ.IsDir():
		return syscall.EISDIR
	case !dir:
		return nil
	case !t.typ.IsDir():
		return syscall.ENOTDIR
	case t.ending == "." || t.ending == "..":
		if t.ending == ".." {
			return syscall.ENOTEMPTY
		}
		return syscall.EINVAL
	case t.name == "":
		return syscall.EBUSY
	}
	return nil
}

func (f *FS) renameAt(start spot, p string, to spot, newp string, at At) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, err := f.walk(start, p, keepLast, at)
	if err != nil {
		return err
	}
	t, err := f.walk(to, newp, keepLast, at)
	if err != nil {
		return err
	}
	if err := checkRename(&old, &t); err != nil {
		return err
	}
	if t.dir, err = f.solid(t.dir); err != nil {
		return err
	}
	if !sameMount(old.dir, t.dir) {
		return syscall.EXDEV
	}
	if t.dir.ext != nil {
		return old.dir.ext.rename(old.name, t.dir.ext, t.name)
	}
	m := move{ino: old.ino, dir: old.dir.ino, newDir: t.dir.ino, typ: old.typ, name: old.name, newName: t.name}
	if t.exists {
		m.over, m.overType = t.ino, t.typ
	}
	return f.rename(m)
}

// checkRename refuses names that rename(2) refuses whatever they stand for.
func checkRename(old, t *found) error {
	switch {
	case old.name == "" || t.name == "":
		return syscall.EBUSY // ".", ".." or a root
	case !old.exists:
		return syscall.ENOENT
	case (old.slash || t.slash) && !old.typ.IsDir():
		return syscall.ENOTDIR
	case old.dir.busy(old.name) || t.dir.busy(t.name):
		return syscall.EBUSY
	}
	return nil
}

// changeAt changes the metadata of a file.
func (f *FS) changeAt(start spot, p string, at At, tree func(*inode), mount func(external) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.existing(start, p, at)
	if err != nil {
		return err
	}
	if t.ext != nil {
		return mount(t.ext)
	}
	return f.setMetadata(t.ino, tree)
}

func (f *FS) chmodAt(start spot, p string, mode fs.FileMode, at At) error {
	if at&AtNoFollow != 0 {
		if s, err := f.statAt(start, p, at); err == nil && s.Mode&fs.ModeSymlink != 0 {
			return syscall.ENOTSUP // as on Linux: a symlink has no mode
		}
	}
	return f.changeAt(start, p, at, setMode(mode), func(x external) error { return x.chmod(permissions(mode)) })
}

func (f *FS) chownAt(start spot, p string, uid, gid int, at At) error {
	return f.changeAt(start, p, at, setOwner(uid, gid), func(x external) error { return x.chown(uid, gid) })
}

func (f *FS) chtimesAt(start spot, p string, atime, mtime time.Time, at At) error {
	return f.changeAt(start, p, at, setTimes(atime, mtime), func(x external) error { return x.chtimes(atime, mtime) })
}

func (f *FS) truncateAt(start spot, p string, size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.existing(start, p, 0)
	switch {
	case err != nil:
		return err
	case size < 0:
		return syscall.EINVAL
	case t.typ.IsDir():
		return syscall.EISDIR
	case !t.typ.IsRegular():
		return syscall.EINVAL
	case t.ext != nil:
		return t.ext.truncate(size)
	}
	return f.setSize(t.ino, size)
}
