package vfs

import (
	"io/fs"
	"syscall"
	"time"
)

// Operations relative to an open directory. A path that begins with a slash
// starts at the root of the tree, unless AtBeneath refuses it.

// start returns the directory that paths are relative to.
func (f *File) start() (*FS, spot, error) {
	d, err := f.use()
	if err != nil {
		return nil, spot{}, err
	}
	if !d.spot.typ.IsDir() {
		return nil, spot{}, syscall.ENOTDIR
	}
	return d.fs, d.spot, nil
}

func (f *File) at(op, name string, do func(fs *FS, start spot) error) error {
	tree, start, err := f.start()
	if err == nil {
		err = do(tree, start)
	}
	return pathError(op, name, err)
}

// OpenAt opens a file, as [FS.Open] does.
func (f *File) OpenAt(name string, flag Flag, perm fs.FileMode, at At) (*File, error) {
	tree, start, err := f.start()
	if err != nil {
		return nil, pathError("open", name, err)
	}
	file, err := tree.openAt(start, name, flag, perm, at)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return file, nil
}

// StatAt describes a file.
func (f *File) StatAt(name string, at At) (Stat, error) {
	tree, start, err := f.start()
	if err != nil {
		return Stat{}, pathError("stat", name, err)
	}
	s, err := tree.statAt(start, name, at)
	return s, pathError("stat", name, err)
}

// MkdirAt makes a directory.
func (f *File) MkdirAt(name string, perm fs.FileMode, at At) error {
	return f.at("mkdir", name, func(tree *FS, start spot) error { return tree.mkdirAt(start, name, perm, at) })
}

// UnlinkAt removes the name of a file that is no directory.
func (f *File) UnlinkAt(name string, at At) error {
	return f.at("unlink", name, func(tree *FS, start spot) error { return tree.removeAt(start, name, false, at) })
}

// RmdirAt removes an empty directory.
func (f *File) RmdirAt(name string, at At) error {
	return f.at("rmdir", name, func(tree *FS, start spot) error { return tree.removeAt(start, name, true, at) })
}

// RenameAt renames a file to a name relative to another directory, in place of
// what it stood for.
func (f *File) RenameAt(oldname string, dir *File, newname string, at At) error {
	return f.at2("rename", oldname, dir, newname, func(tree *FS, from, to spot) error {
		return tree.renameAt(from, oldname, to, newname, at)
	})
}

// LinkAt gives a file another name, relative to another directory. A symlink is
// followed unless told otherwise.
func (f *File) LinkAt(oldname string, dir *File, newname string, at At) error {
	return f.at2("link", oldname, dir, newname, func(tree *FS, from, to spot) error {
		return tree.linkAt(from, oldname, to, newname, at)
	})
}

func (f *File) at2(op, oldname string, dir *File, newname string, do func(fs *FS, from, to spot) error) error {
	tree, from, err := f.start()
	if err != nil {
		return linkError(op, oldname, newname, err)
	}
	other, to, err := dir.start()
	if err == nil && other != tree {
		err = syscall.EXDEV
	}
	if err == nil {
		err = do(tree, from, to)
	}
	return linkError(op, oldname, newname, err)
}

// SymlinkAt makes a symlink.
func (f *File) SymlinkAt(target, name string, at At) error {
	tree, start, err := f.start()
	if err == nil {
		err = tree.symlinkAt(target, start, name, at)
	}
	return linkError("symlink", target, name, err)
}

// ReadlinkAt returns the target of a symlink.
func (f *File) ReadlinkAt(name string, at At) (string, error) {
	tree, start, err := f.start()
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	target, err := tree.readlinkAt(start, name, at)
	return target, pathError("readlink", name, err)
}

// ChmodAt sets permissions, setuid, setgid and sticky bits.
func (f *File) ChmodAt(name string, mode fs.FileMode, at At) error {
	return f.at("chmod", name, func(tree *FS, start spot) error { return tree.chmodAt(start, name, mode, at) })
}

// ChownAt sets the owner; -1 leaves one unchanged.
func (f *File) ChownAt(name string, uid, gid int, at At) error {
	return f.at("chown", name, func(tree *FS, start spot) error { return tree.chownAt(start, name, uid, gid, at) })
}

// ChtimesAt sets the times; a zero time.Time leaves one unchanged.
func (f *File) ChtimesAt(name string, atime, mtime time.Time, at At) error {
	return f.at("chtimes", name, func(tree *FS, start spot) error {
		return tree.chtimesAt(start, name, atime, mtime, at)
	})
}
