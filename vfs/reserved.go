package vfs

import (
	"io/fs"
	"slices"
	"syscall"
)

// Reserved is the name of a directory at the root of layers that no tree shows, and that cannot be made in one: it holds
// what goes with an image and is none of its files. Layers are asked for it one by one.
const Reserved = ".boxer"

// ReservedNames lists what the directory /.boxer of this layer alone holds; a name that hides lower layers' has whiteout
// set.
func (l *Layer) ReservedNames(yield func(name string, whiteout bool)) error {
	dir, ok, err := l.reservedDir()
	if err != nil || !ok {
		return err
	}
	return l.eachDirent(dir, func(name string, d dirent) { yield(name, d.flags&direntWhiteout != 0) })
}

// ReservedFile gives the contents of the regular file /.boxer/name of this layer alone, as a view of the mapping. The
// error is fs.ErrNotExist if the layer says nothing of it; nil contents without an error are a whiteout.
func (l *Layer) ReservedFile(name string) ([]byte, error) {
	dir, ok, err := l.reservedDir()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fs.ErrNotExist
	}
	d, ok, err := l.find(dir, name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fs.ErrNotExist
	}
	if d.flags&direntWhiteout != 0 {
		return nil, nil
	}
	r, err := l.inode(d.inode)
	if err != nil {
		return nil, err
	}
	if d.inode < l.dirs || !l.mode(d.inode).IsRegular() || r.flags&recordBorrowed != 0 {
		return nil, syscall.EINVAL
	}
	contents, err := l.contents(&r)
	if contents == nil && err == nil {
		contents = []byte{}
	}
	return contents, err
}

func (l *Layer) reservedDir() (dir uint32, ok bool, err error) {
	d, ok, err := l.find(0, Reserved)
	if err != nil || !ok || d.flags&direntWhiteout != 0 || d.inode >= l.dirs {
		return 0, false, err
	}
	return d.inode, true, nil
}

// Layers are the layers that the tree lies over, the lowest first.
func (f *FS) Layers() []*Layer { return slices.Clone(f.lower.layers) }

// reserved refuses to make the reserved directory.
func reserved(dir uint64, name string) error {
	if dir == rootIno && name == Reserved {
		return syscall.EPERM
	}
	return nil
}
