package vfs

import (
	"io/fs"
	"math"
	"syscall"
)

// inode is a file that a tree has made or changed. What has only ever been read
// has none: it is looked up in the layers.
type inode struct {
	owner               *owner
	mode                fs.FileMode
	uid, gid            uint32
	nlink               uint32 // names of what is no directory
	atime, mtime, ctime instant
	rdev                uint64
	target              string     // of a symlink
	data                *content   // of a regular file
	dir                 *directory // of a directory
}

// What an inode and a name cost, in bytes, beyond what they hold. They make
// Limits.Bytes bound the memory of a tree that holds nothing but names.
const (
	inodeCost = 256
	nameCost  = 64
)

func (n *inode) clone(o *owner) *inode {
	c := *n
	c.owner = o
	if n.data != nil {
		data := *n.data
		c.data = &data
	}
	if n.dir != nil {
		dir := *n.dir
		c.dir = &dir
	}
	return &c
}

// held is what the inode counts for, in bytes.
func (n *inode) held() int64 {
	held := int64(inodeCost + len(n.target))
	if n.data != nil {
		held += n.data.held
	}
	return held
}

// usage is what a tree holds beyond its layers.
type usage struct{ bytes, files int64 }

// Limits bound what a tree may hold beyond its layers; a change that needs more
// is ENOSPC. Zero means unlimited. Removing is always possible.
type Limits struct {
	// Bytes counts the contents of files as they are held in memory (what was
	// written, rounded up, not the holes nor what still lies in a layer), 256
	// bytes for each file, and for each name 64 bytes and its length.
	Bytes int64
	// Files counts regular files, directories and symlinks that were made or
	// changed, a layer's file whose metadata alone were changed included.
	Files int64
}

// refuse notes that a change found no room.
func (f *FS) refuse() error {
	f.refusals++
	return syscall.ENOSPC
}

// room returns how many more bytes the tree may hold.
func (f *FS) room() int64 {
	if f.config.Limits.Bytes <= 0 {
		return math.MaxInt64
	}
	return max(f.config.Limits.Bytes-f.used.bytes, 0)
}

// charge accounts for something new, or refuses it.
func (f *FS) charge(bytes, files int64) error {
	if bytes > f.room() {
		return f.refuse()
	}
	if limit := f.config.Limits.Files; limit > 0 && f.used.files+files > limit {
		return f.refuse()
	}
	f.used.bytes += bytes
	f.used.files += files
	return nil
}

func (f *FS) refund(bytes, files int64) {
	f.used.bytes -= bytes
	f.used.files -= files
}

// upper returns the inode that the tree has under a number, or nil if the
// number is a layer's and nothing was changed.
func (f *FS) upper(ino uint64) *inode {
	if n, ok := f.inodes.get(ino); ok {
		return n
	}
	return f.orphans[ino]
}

// add stores a new inode and returns its number.
func (f *FS) add(n *inode) (uint64, error) {
	if f.config.ReadOnly {
		return 0, syscall.EROFS
	}
	if err := f.charge(n.held(), 1); err != nil {
		return 0, err
	}
	now := f.now()
	n.owner = f.owner
	n.atime, n.mtime, n.ctime = now, now, now
	ino := f.nextIno
	f.nextIno++
	f.inodes.set(f.owner, ino, n)
	return ino, nil
}

// change returns an inode that may be changed in place, copied up from its
// layer or from what is shared with a fork.
func (f *FS) change(ino uint64) (*inode, error) {
	if f.config.ReadOnly {
		return nil, syscall.EROFS
	}
	if n := f.upper(ino); n != nil {
		return f.unshare(ino, n), nil
	}
	if err := f.charge(inodeCost, 1); err != nil {
		return nil, err
	}
	n, err := f.copyUp(ino)
	if err != nil {
		f.refund(inodeCost, 1)
	}
	return n, err
}

// changeToRemove is change for what gives space back in the end: it is never
// refused for want of it.
func (f *FS) changeToRemove(ino uint64) (*inode, error) {
	if f.config.ReadOnly {
		return nil, syscall.EROFS
	}
	if n := f.upper(ino); n != nil {
		return f.unshare(ino, n), nil
	}
	n, err := f.copyUp(ino)
	if err == nil {
		f.refund(-inodeCost, -1)
	}
	return n, err
}

func (f *FS) unshare(ino uint64, n *inode) *inode {
	if n.owner != f.owner {
		n = n.clone(f.owner)
		f.store(ino, n)
	}
	return n
}

func (f *FS) store(ino uint64, n *inode) {
	if _, ok := f.orphans[ino]; ok {
		f.orphans[ino] = n
	} else {
		f.inodes.set(f.owner, ino, n)
	}
}

// copyUp makes an inode of a layer's the tree's own. Contents stay in the layer.
func (f *FS) copyUp(ino uint64) (*inode, error) {
	n, err := f.fromLayer(ino)
	if err == nil {
		f.inodes.set(f.owner, ino, n)
	}
	return n, err
}

func (f *FS) fromLayer(ino uint64) (*inode, error) {
	l, r, err := f.lower.record(ino)
	if err != nil {
		return nil, err
	}
	n := &inode{owner: f.owner, mode: r.mode, uid: r.uid, gid: r.gid, atime: r.mtime, mtime: r.mtime, ctime: r.mtime}
	switch {
	case r.mode.IsDir():
		n.dir, err = f.copyUpDir(ino)
	case r.mode.IsRegular():
		n.data, err = newContent(l, &r)
	case r.mode&fs.ModeSymlink != 0:
		n.target, err = l.target(&r)
	default:
		n.rdev = r.size
	}
	if err == nil && !r.mode.IsDir() {
		n.nlink, err = f.lower.nlink(ino)
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// statInode describes a file of the tree.
func (f *FS) statInode(ino uint64) (Stat, error) {
	n := f.upper(ino)
	if n == nil {
		return f.statLower(ino)
	}
	s := Stat{
		Mode: n.mode, Ino: ino, Dev: treeDev, Nlink: n.nlink, UID: n.uid, GID: n.gid, Rdev: n.rdev,
		Atime: n.atime.time(), Mtime: n.mtime.time(), Ctime: n.ctime.time(),
	}
	switch {
	case n.dir != nil:
		if s.Nlink = 0; !n.dir.removed {
			s.Nlink = uint32(2 + n.dir.subdirs)
		}
	case n.data != nil:
		s.Size = n.data.size
	default:
		s.Size = int64(len(n.target))
	}
	return s, nil
}

func (f *FS) statLower(ino uint64) (Stat, error) {
	l, r, err := f.lower.record(ino)
	if err != nil {
		return Stat{}, err
	}
	t := r.mtime.time()
	s := Stat{Mode: r.mode, Ino: ino, Dev: treeDev, UID: r.uid, GID: r.gid, Atime: t, Mtime: t, Ctime: t}
	switch {
	case r.mode.IsDir():
		d, err := f.lower.dir(ino)
		if err != nil {
			return Stat{}, err
		}
		subdirs, err := f.lower.subdirs(d)
		if err != nil {
			return Stat{}, err
		}
		s.Nlink = uint32(2 + subdirs)
		return s, nil
	case r.mode.IsRegular():
		if _, err := l.contents(&r); err != nil {
			return Stat{}, err
		}
		s.Size = int64(r.size)
	case r.mode&fs.ModeSymlink != 0:
		s.Size = int64(r.count)
	default:
		s.Rdev = r.size
	}
	s.Nlink, err = f.lower.nlink(ino)
	return s, err
}
