package vfs

import (
	"io/fs"
	"time"
)

// Changes of metadata, as functions on an inode that may be changed.

func setMode(mode fs.FileMode) func(*inode) {
	return func(n *inode) { n.mode = n.mode.Type() | permissions(mode) }
}

func setOwner(uid, gid int) func(*inode) {
	return func(n *inode) {
		if uid != -1 {
			n.uid = uint32(uid)
		}
		if gid != -1 {
			n.gid = uint32(gid)
		}
	}
}

func setTimes(atime, mtime time.Time) func(*inode) {
	return func(n *inode) {
		if !atime.IsZero() {
			n.atime = instantOf(atime)
		}
		if !mtime.IsZero() {
			n.mtime = instantOf(mtime)
		}
	}
}

func (f *FS) setMetadata(ino uint64, set func(*inode)) error {
	n, err := f.change(ino)
	if err != nil {
		return err
	}
	set(n)
	n.ctime = f.now()
	return nil
}
