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

func linkError(op, oldname, newname string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: oldname, New: newname, Err: err}
}

// Root opens the root directory.
func (f *FS) Root() *File {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := f.openSpot(f.root(), "/", O_RDONLY)
	if err != nil {
		// A host directory that is mounted as the root has gone. What is left
		// answers as an empty directory would.
		root := f.root()
		root.ext = newBridge(root.point)
		file = f.newFile(root, fixedDir{ext: root.ext}, "/", O_RDONLY)
	}
	return file
}

// Open opens a file. A symlink is followed within the tree, as under chroot:
// an absolute target is one from the root of the tree, and so is a relative
// path. perm is the mode of a file that O_CREATE makes; there is no umask.
func (f *FS) Open(name string, flag Flag, perm fs.FileMode) (*File, error) {
	file, err := f.openAt(fromRoot, name, flag, perm, 0)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return file, nil
}

// Stat describes a file, following symlinks.
func (f *FS) Stat(name string) (Stat, error) {
	s, err := f.statAt(fromRoot, name, 0)
	return s, pathError("stat", name, err)
}

// Lstat describes a file; of a symlink, the symlink.
func (f *FS) Lstat(name string) (Stat, error) {
	s, err := f.statAt(fromRoot, name, AtNoFollow)
	return s, pathError("lstat", name, err)
}

// StatAt is File.StatAt from the root.
func (f *FS) StatAt(name string, at At) (Stat, error) {
	s, err := f.statAt(fromRoot, name, at)
	return s, pathError("stat", name, err)
}

// ReadFile returns the contents of a file.
func (f *FS) ReadFile(name string) ([]byte, error) {
	file, err := f.Open(name, O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	s, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !s.Mode.IsRegular() {
		return io.ReadAll(file)
	}
	b := make([]byte, s.Size)
	n, err := io.ReadFull(file, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return b[:n], err
}

// ReadSmallFile returns the contents of a regular file that holds up to max bytes: of one whose reader does not know who made it. A larger
// one is EFBIG, and what is no regular file, a device without an end for one, EINVAL.
func (f *FS) ReadSmallFile(name string, max int64) ([]byte, error) {
	s, err := f.Stat(name)
	if err == nil && !s.Mode.IsRegular() {
		err = &fs.PathError{Op: "read", Path: name, Err: syscall.EINVAL}
	}
	if err != nil {
		return nil, err
	}
	file, err := f.Open(name, O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, max+1))
	if err == nil && int64(len(data)) > max {
		err = &fs.PathError{Op: "read", Path: name, Err: syscall.EFBIG}
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// WriteFile makes data the contents of a file; perm is its mode if it is new.
func (f *FS) WriteFile(name string, data []byte, perm fs.FileMode) error {
	file, err := f.Open(name, O_WRONLY|O_CREATE|O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if e := file.Close(); err == nil {
		err = e
	}
	return err
}

// ReadDir returns the entries of a directory, sorted by name.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	dir, err := f.Open(name, O_RDONLY|O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	ents, err := dir.ReadDirAt(0, 0)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(ents, func(a, b DirEntry) int { return strings.Compare(a.Name, b.Name) })
	list := make([]fs.DirEntry, len(ents))
	for i, e := range ents {
		list[i] = dirEntry{pathOf{f, name}, e}
	}
	return list, nil
}

// pathOf is a directory that is looked up again by its path.
type pathOf struct {
	fs   *FS
	path string
}

func (p pathOf) StatAt(name string, at At) (Stat, error) {
	return p.fs.StatAt(strings.TrimRight(p.path, "/")+"/"+name, at)
}

// Mkdir makes a directory.
func (f *FS) Mkdir(name string, perm fs.FileMode) error {
	return pathError("mkdir", name, f.mkdirAt(fromRoot, name, perm, 0))
}

// MkdirAll makes a directory and those on the way to it that are missing. That
// it exists already is no error.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error {
	s, err := f.Stat(name)
	if err == nil {
		if s.IsDir() {
			return nil
		}
		return pathError("mkdir", name, syscall.ENOTDIR)
	}
	if up := path.Dir(strings.TrimRight(name, "/")); errors.Is(err, syscall.ENOENT) && up != name && up != "." {
		if err := f.MkdirAll(up, perm); err != nil {
			return err
		}
	}
	err = f.Mkdir(name, perm)
	if errors.Is(err, syscall.EEXIST) {
		if s, e := f.Stat(name); e == nil && s.IsDir() {
			return nil
		}
	}
	return err
}

// Remove removes a file or an empty directory.
func (f *FS) Remove(name string) error {
	err := f.removeAt(fromRoot, name, false, 0)
	if err == syscall.EISDIR {
		err = f.removeAt(fromRoot, name, true, 0)
	}
	return pathError("remove", name, err)
}

// RemoveAll removes a file or a directory with all that is in it. That it does
// not exist is no error; what is mounted in it stays, and is EBUSY.
func (f *FS) RemoveAll(name string) error {
	err := f.Remove(name)
	if err == nil || errors.Is(err, syscall.ENOENT) {
		return nil
	}
	if !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EEXIST) {
		return err
	}
	dir, err := f.Open(name, O_RDONLY|O_DIRECTORY|O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	if err := dir.clear(); err != nil {
		return err
	}
	return f.Remove(name)
}

// clear removes all that is in a directory and closes it. It goes down by
// handles, one for each directory on the way, so that neither the length of a
// path nor the depth of the stack bounds it.
func (f *File) clear() error {
	way, names := []*File{f}, []string{""}
	defer func() {
		for _, d := range way {
			d.Close()
		}
	}()
	for len(way) > 0 {
		d := way[len(way)-1]
		down, err := d.clearFiles()
		if err != nil {
			return err
		}
		if down != "" {
			next, err := d.OpenAt(down, O_RDONLY|O_DIRECTORY|O_NOFOLLOW, 0, 0)
			if err != nil {
				return err
			}
			way, names = append(way, next), append(names, down)
			continue
		}
		name := names[len(names)-1]
		d.Close()
		way, names = way[:len(way)-1], names[:len(names)-1]
		if len(way) > 0 {
			if err := way[len(way)-1].RmdirAt(name, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// clearFiles removes what a directory holds up to its first directory with
// something in it, whose name it returns.
func (f *File) clearFiles() (string, error) {
	ents, err := f.ReadDirAt(0, 0)
	if err != nil {
		return "", err
	}
	for _, e := range ents {
		if !e.Type.IsDir() {
			err = f.UnlinkAt(e.Name, 0)
		} else if err = f.RmdirAt(e.Name, 0); errors.Is(err, syscall.ENOTEMPTY) {
			return e.Name, nil
		}
		if err != nil && !errors.Is(err, syscall.ENOENT) {
			return "", err
		}
	}
	return "", nil
}

// Rename renames a file, in place of what the new name stood for.
func (f *FS) Rename(oldname, newname string) error {
	return linkError("rename", oldname, newname, f.renameAt(fromRoot, oldname, fromRoot, newname, 0))
}

// Link gives a file another name. A symlink is not followed.
func (f *FS) Link(oldname, newname string) error {
	return linkError("link", oldname, newname, f.linkAt(fromRoot, oldname, fromRoot, newname, AtNoFollow))
}

// Symlink makes a symlink.
func (f *FS) Symlink(target, name string) error {
	return linkError("symlink", target, name, f.symlinkAt(target, fromRoot, name, 0))
}

// Readlink returns the target of a symlink.
func (f *FS) Readlink(name string) (string, error) {
	target, err := f.readlinkAt(fromRoot, name, 0)
	return target, pathError("readlink", name, err)
}

// Chmod sets permissions, setuid, setgid and sticky bits.
func (f *FS) Chmod(name string, mode fs.FileMode) error {
	return pathError("chmod", name, f.chmodAt(fromRoot, name, mode, 0))
}

// Chown sets the owner; -1 leaves one unchanged.
func (f *FS) Chown(name string, uid, gid int) error {
	return pathError("chown", name, f.chownAt(fromRoot, name, uid, gid, 0))
}

// Lchown is Chown for a symlink itself.
func (f *FS) Lchown(name string, uid, gid int) error {
	return pathError("lchown", name, f.chownAt(fromRoot, name, uid, gid, AtNoFollow))
}

// Chtimes sets the times; a zero time.Time leaves one unchanged.
func (f *FS) Chtimes(name string, atime, mtime time.Time) error {
	return pathError("chtimes", name, f.chtimesAt(fromRoot, name, atime, mtime, 0))
}

// Truncate sets the size of a regular file.
func (f *FS) Truncate(name string, size int64) error {
	return pathError("truncate", name, f.truncateAt(fromRoot, name, size))
}
