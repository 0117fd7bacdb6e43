package vfs

import (
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"
)

// An Entry is one file of a layer, as a tar header describes it: what layers
// are made of and what [Diff] yields.
type Entry struct {
	Path     string      // clean, relative, separated by slashes; "." is the root
	Mode     fs.FileMode // type and permissions
	UID, GID uint32
	ModTime  time.Time
	Size     int64  // bytes of a regular file
	Symlink  string // target of a symlink
	HardLink string // path of a file that this is another name of; nothing else then counts
	Rdev     uint64 // device number of a device
	Whiteout bool   // the path, and all below it, vanishes from the layers beneath; nothing else then counts
	Opaque   bool   // a directory of which nothing in the layers beneath shows
}

// checkEntryPath refuses paths that a layer cannot hold.
func checkEntryPath(p string) error {
	switch {
	case len(p) > MaxPath:
		return syscall.ENAMETOOLONG
	case p == ".":
		return nil
	case p == "" || p[0] == '/' || path.Clean(p) != p || strings.IndexByte(p, 0) >= 0:
		return syscall.EINVAL
	}
	for name := range strings.SplitSeq(p, "/") {
		if len(name) > MaxName {
			return syscall.ENAMETOOLONG
		}
		if !validName(name) {
			return syscall.EINVAL
		}
	}
	return nil
}
