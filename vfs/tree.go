package vfs

import (
	"cmp"
	"io/fs"
	"syscall"
)

// Changes to the names of the tree. Each checks everything that can fail before
// it changes anything.

// makeNode gives a new inode a name. The caller knows that the name is free.
func (f *FS) makeNode(dir uint64, s string, n *inode) (uint64, error) {
	if err := reserved(dir, s); err != nil {
		return 0, err
	}
	d, err := f.change(dir)
	if err != nil {
		return 0, err
	}
	if d.dir.removed {
		return 0, syscall.ENOENT
	}
	typ := n.mode.Type()
	ino, err := f.add(n)
	if err != nil {
		return 0, err
	}
	if err := f.enter(d, s, ino, typ); err != nil {
		f.inodes.delete(f.owner, ino)
		f.refund(n.held(), 1)
		return 0, err
	}
	if typ.IsDir() {
		d.dir.subdirs++
	}
	d.touch(f.now())
	return ino, nil
}

func (f *FS) makeFile(dir uint64, s string, perm fs.FileMode) (uint64, error) {
	return f.makeNode(dir, s, &inode{mode: permissions(perm), nlink: 1, data: new(content)})
}

func (f *FS) makeDir(dir uint64, s string, perm fs.FileMode) (uint64, error) {
	if err := f.checkDepth(dir); err != nil {
		return 0, err
	}
	return f.makeNode(dir, s, &inode{mode: fs.ModeDir | permissions(perm), dir: &directory{parent: dir}})
}

func (f *FS) makeSymlink(dir uint64, s, target string) error {
	_, err := f.makeNode(dir, s, &inode{mode: fs.ModeSymlink | 0o777, nlink: 1, target: target})
	return err
}

// checkDepth bounds how deep directories lie, which handles of directories
// could otherwise drive beyond what any path can name.
func (f *FS) checkDepth(dir uint64) error {
	for depth := 1; dir != rootIno; depth++ {
		if depth >= MaxDepth {
			return syscall.ENAMETOOLONG
		}
		var err error
		if dir, err = f.parentOf(dir); err != nil {
			return err
		}
	}
	return nil
}

// link gives an inode that is no directory another name.
func (f *FS) link(ino uint64, dir uint64, s string) error {
	if err := reserved(dir, s); err != nil {
		return err
	}
	d, err := f.change(dir)
	if err != nil {
		return err
	}
	n, err := f.change(ino)
	if err != nil {
		return err
	}
	if n.nlink == 0 {
		return syscall.ENOENT // it is only open still
	}
	if err := f.enter(d, s, ino, n.mode.Type()); err != nil {
		return err
	}
	n.nlink++
	now := f.now()
	n.ctime = now
	d.touch(now)
	return nil
}

// unlink takes a name of what is no directory away.
func (f *FS) unlink(dir uint64, s string, ino uint64) error {
	d, err := f.changeToRemove(dir)
	if err != nil {
		return err
	}
	now := f.now()
	if err := f.unname(ino, now); err != nil {
		return err
	}
	f.leave(d, s)
	d.touch(now)
	return nil
}

// unname counts one name less of what is no directory. With the last one it is
// gone, unless it is open.
func (f *FS) unname(ino uint64, now instant) error {
	n := f.upper(ino)
	if n == nil {
		nlink, err := f.lower.nlink(ino)
		if err != nil {
			return err
		}
		if nlink <= 1 && f.open[ino] == 0 {
			return nil
		}
	}
	n, err := f.changeToRemove(ino)
	if err != nil {
		return err
	}
	n.nlink--
	n.ctime = now
	if n.nlink == 0 {
		f.orphan(ino, n)
	}
	return nil
}

// orphan takes an inode without names out of the tree, to be kept as long as it
// is open.
func (f *FS) orphan(ino uint64, n *inode) {
	f.inodes.delete(f.owner, ino)
	if f.open[ino] == 0 {
		f.refund(n.held(), 1)
		return
	}
	f.orphans[ino] = n
	if n.dir != nil {
		f.open[n.dir.parent]++
	}
}

// rmdir takes an empty directory away.
func (f *FS) rmdir(dir uint64, s string, ino uint64) error {
	empty, err := f.isEmpty(ino)
	if err != nil {
		return err
	}
	if !empty {
		return syscall.ENOTEMPTY
	}
	d, err := f.changeToRemove(dir)
	if err != nil {
		return err
	}
	now := f.now()
	if err := f.undir(ino, now); err != nil {
		return err
	}
	f.leave(d, s)
	d.dir.subdirs--
	d.touch(now)
	return nil
}

// undir does to an empty directory what unname does to other files.
func (f *FS) undir(ino uint64, now instant) error {
	if f.upper(ino) == nil && f.open[ino] == 0 {
		return nil
	}
	n, err := f.changeToRemove(ino)
	if err != nil {
		return err
	}
	n.dir.removed = true
	n.ctime = now
	f.orphan(ino, n)
	return nil
}

// move is one renaming under way within the tree.
type move struct {
	ino, dir, newDir uint64
	typ              fs.FileMode
	name, newName    string
	over             uint64 // inode that newName stands for, 0 if none
	overType         fs.FileMode
}

func (f *FS) rename(m move) error {
	if m.over == m.ino {
		return nil // names of one file: rename(2) does nothing
	}
	if err := f.checkMove(&m); err != nil {
		return err
	}
	from, err := f.change(m.dir)
	if err != nil {
		return err
	}
	to, err := f.change(m.newDir)
	if err != nil {
		return err
	}
	// Its change time changes, and a directory's parent.
	n, err := f.change(m.ino)
	if err != nil {
		return err
	}
	// Everything that can fail is done before the first name goes.
	if err := f.enter(to, m.newName, m.ino, m.typ); err != nil {
		return err
	}
	now := f.now()
	if m.over != 0 {
		if err := f.replaced(&m, to, now); err != nil {
			return err
		}
	}
	f.leave(from, m.name)
	if n.dir != nil {
		n.dir.parent = m.newDir
		from.dir.subdirs--
		to.dir.subdirs++
	}
	n.ctime = now
	from.touch(now)
	to.touch(now)
	return nil
}

// checkMove refuses what rename(2) refuses.
func (f *FS) checkMove(m *move) error {
	if err := reserved(m.newDir, m.newName); err != nil {
		return err
	}
	if m.typ.IsDir() {
		if within, err := f.isWithin(m.newDir, m.ino); err != nil || within {
			return cmp.Or(err, error(syscall.EINVAL))
		}
		if err := f.checkDepth(m.newDir); err != nil {
			return err
		}
	}
	if m.over != 0 && m.overType.IsDir() {
		if within, err := f.isWithin(m.dir, m.over); err != nil || within {
			return cmp.Or(err, error(syscall.ENOTEMPTY))
		}
	}
	switch {
	case m.over == 0:
		return nil
	case m.typ.IsDir() && !m.overType.IsDir():
		return syscall.ENOTDIR
	case !m.typ.IsDir() && m.overType.IsDir():
		return syscall.EISDIR
	case m.overType.IsDir():
		if empty, err := f.isEmpty(m.over); err != nil || empty {
			return err
		}
		return syscall.ENOTEMPTY
	}
	return nil
}

// isWithin reports whether a directory is another or lies in it.
func (f *FS) isWithin(dir, other uint64) (bool, error) {
	for dir != other {
		if dir == rootIno {
			return false, nil
		}
		var err error
		if dir, err = f.parentOf(dir); err != nil {
			return false, err
		}
	}
	return true, nil
}

// replaced lets go of what a renamed file took the name of.
func (f *FS) replaced(m *move, to *inode, now instant) error {
	if m.overType.IsDir() {
		to.dir.subdirs--
		return f.undir(m.over, now)
	}
	return f.unname(m.over, now)
}

// setSize truncates or extends a regular file.
func (f *FS) setSize(ino uint64, size int64) error {
	if size < 0 {
		return syscall.EINVAL
	}
	if size > MaxFileSize {
		return syscall.EFBIG
	}
	n, err := f.change(ino)
	if err != nil {
		return err
	}
	n.data.truncate(f, size)
	now := f.now()
	n.mtime, n.ctime = now, now
	return nil
}
