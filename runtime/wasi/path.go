package wasi

import (
	"io/fs"
	"path"
	"strings"

	"boxer.dev/vfs"
)

const (
	lookupFollow = 1 << 0 // the only one of lookupflags

	oflagCreate    = 1 << 0
	oflagDirectory = 1 << 1
	oflagExclusive = 1 << 2
	oflagTruncate  = 1 << 3
	oflagsAll      = oflagCreate | oflagDirectory | oflagExclusive | oflagTruncate
)

// lookup reads the arguments that begin most calls on paths: fd, lookupflags,
// path, path_len.
func (c call) lookup(needed rights) (dir *node, name string, at vfs.At, e errno) {
	dir, name, at, e = c.beneath(0, 2, needed)
	if e != 0 {
		return nil, "", 0, e
	}
	flags, e := lookupFlags(c.u32(1))
	return dir, name, at | flags, e
}

func lookupFlags(flags uint32) (vfs.At, errno) {
	switch flags {
	case 0:
		return vfs.AtNoFollow, 0
	case lookupFollow:
		return 0, 0
	}
	return 0, errnoInval
}

// beneath reads a directory descriptor and a path relative to it.
func (c call) beneath(fd, arg int, needed rights) (dir *node, name string, at vfs.At, e errno) {
	name, e = c.path(arg)
	if e != 0 {
		return nil, "", 0, e
	}
	dir, e = c.node(fd, needed)
	if e != 0 {
		return nil, "", 0, e
	}
	return dir, name, dir.confine(name), 0
}

// confine returns how to keep a lookup of name where it belongs. What a program
// opens through its "/" is confined by the tree alone: symlinks lead where they
// lead in POSIX, whichever directory a path is relative to, because programs
// written for POSIX count on it and could take the way through "/" as well. Only
// a name that by itself says to leave its directory is refused there, as WASI
// has it; and ".." of "/" is "/". Any other pre-opened directory is the right to
// what lies beneath it and to nothing else.
func (n *node) confine(name string) vfs.At {
	if n.rooted && !strings.HasPrefix(name, "/") && (!climbs(name) || n.IsRoot()) {
		return 0
	}
	return vfs.AtBeneath
}

// climbs reports whether the components of a relative path lead above where it
// starts, symlinks aside.
func climbs(name string) bool {
	if !strings.Contains(name, "..") {
		return false
	}
	depth := 0
	for component := range strings.SplitSeq(name, "/") {
		switch component {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// pathOpen: fd, lookupflags, path, path_len, oflags, rights_base,
// rights_inheriting, fdflags, fd*.
func pathOpen(c call) errno {
	oflags := c.u32(4)
	var mode fs.FileMode
	if oflags&oflagCreate != 0 {
		mode = c.creationMode(0o666)
	}
	out, e := c.out(8, 4)
	if e != 0 {
		return e
	}
	name, e := c.path(2)
	if e != 0 {
		return e
	}
	dir, e := c.fd(0, openRights(oflags))
	if e != 0 {
		return e
	}
	flag, at, e := c.openFlags(dir, oflags)
	if e != 0 {
		return e
	}
	if c.files.full(0) {
		return errnoMfile
	}
	d, e := c.open(dir, name, flag, mode, at)
	if e != 0 {
		return e
	}
	putU32(out, 0, c.files.insert(0, d))
	return 0
}

// openRights returns the rights on the directory that path_open needs.
func openRights(oflags uint32) rights {
	needed := rightPathOpen
	if oflags&oflagCreate != 0 {
		needed |= rightPathCreateFile
	}
	if oflags&oflagTruncate != 0 {
		needed |= rightPathFilestatSetSize
	}
	return needed
}

// openFlags translates path_open's flags and the rights asked for.
func (c call) openFlags(dir *descriptor, oflags uint32) (vfs.Flag, vfs.At, errno) {
	at, e := lookupFlags(c.u32(1))
	fdflags, asked := c.u32(7), rights(c.u64(5))
	if e != 0 || oflags&^oflagsAll != 0 || fdflags&^uint32(fdflagsAll) != 0 ||
		oflags&oflagCreate != 0 && oflags&oflagDirectory != 0 {
		return 0, 0, errnoInval
	}
	if asked&(rightFdRead|rightFdWrite)&^dir.inheriting != 0 {
		return 0, 0, errnoNotcapable
	}
	flag := accessFlag(asked)
	for _, f := range [...]struct {
		set  bool
		flag vfs.Flag
	}{
		{oflags&oflagCreate != 0, vfs.O_CREATE},
		{oflags&oflagDirectory != 0, vfs.O_DIRECTORY},
		{oflags&oflagExclusive != 0, vfs.O_EXCL},
		{oflags&oflagTruncate != 0, vfs.O_TRUNC},
		{at&vfs.AtNoFollow != 0, vfs.O_NOFOLLOW},
		{fdflags&uint32(fdflagAppend) != 0, vfs.O_APPEND},
	} {
		if f.set {
			flag |= f.flag
		}
	}
	return flag, at, 0
}

func accessFlag(asked rights) vfs.Flag {
	switch asked & (rightFdRead | rightFdWrite) {
	case rightFdRead | rightFdWrite:
		return vfs.O_RDWR
	case rightFdWrite:
		return vfs.O_WRONLY
	}
	return vfs.O_RDONLY
}

func (c call) open(dir *descriptor, name string, flag vfs.Flag, mode fs.FileMode, at vfs.At) (descriptor, errno) {
	start, ok := dir.object.(*node)
	if !ok {
		return descriptor{}, errnoNotdir
	}
	if c.Opened != nil {
		c.Opened(path.Join(start.Name(), name))
	}
	f, err := start.OpenAt(name, flag, mode, at|start.confine(name))
	if err != nil {
		return descriptor{}, errnoOf(err)
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return descriptor{}, errnoOf(err)
	}
	o := c.stream(st)
	if o == nil {
		o = &node{f, st.Mode & fs.ModeType, start.rooted}
	} else {
		f.Close()
	}
	d := descriptor{
		description: &description{object: o, flags: fdflags(c.u32(7))},
		base:        grant(o, rights(c.u64(5)), dir.inheriting),
	}
	if st.IsDir() {
		d.inheriting = dir.inheriting
	}
	return d, 0
}

// pathCreateDirectory: fd, path, path_len.
func pathCreateDirectory(c call) errno {
	mode := c.creationMode(0o777)
	dir, name, at, e := c.beneath(0, 1, rightPathCreateDirectory)
	if e != 0 {
		return e
	}
	return errnoOf(dir.MkdirAt(name, mode, at))
}

// pathRemoveDirectory: fd, path, path_len.
func pathRemoveDirectory(c call) errno {
	dir, name, at, e := c.beneath(0, 1, rightPathRemoveDirectory)
	if e != 0 {
		return e
	}
	return errnoOf(dir.RmdirAt(name, at))
}

// pathUnlinkFile: fd, path, path_len.
func pathUnlinkFile(c call) errno {
	dir, name, at, e := c.beneath(0, 1, rightPathUnlinkFile)
	if e != 0 {
		return e
	}
	return errnoOf(dir.UnlinkAt(name, at))
}

// pathLink: old_fd, old_flags, old_path, old_path_len, new_fd, new_path,
// new_path_len.
func pathLink(c call) errno {
	from, oldname, at, e := c.lookup(rightPathLinkSource)
	if e != 0 {
		return e
	}
	to, newname, toAt, e := c.beneath(4, 5, rightPathLinkTarget)
	if e != 0 {
		return e
	}
	return errnoOf(from.LinkAt(oldname, to.File, newname, at|toAt))
}

// pathRename: fd, old_path, old_path_len, new_fd, new_path, new_path_len.
func pathRename(c call) errno {
	from, oldname, at, e := c.beneath(0, 1, rightPathRenameSource)
	if e != 0 {
		return e
	}
	to, newname, toAt, e := c.beneath(3, 4, rightPathRenameTarget)
	if e != 0 {
		return e
	}
	return errnoOf(from.RenameAt(oldname, to.File, newname, at|toAt))
}

// pathSymlink: old_path, old_path_len, fd, new_path, new_path_len. A link made
// through "/" may hold any target. One made through another directory must not
// be absolute: WASI's test-suite holds the descriptor to be the right to what
// lies beneath it.
func pathSymlink(c call) errno {
	target, e := c.path(0)
	if e != 0 {
		return e
	}
	dir, name, at, e := c.beneath(2, 3, rightPathSymlink)
	if e != 0 {
		return e
	}
	if strings.HasPrefix(target, "/") && !(dir.rooted && dir.IsRoot()) {
		return errnoPerm
	}
	e = errnoOf(dir.SymlinkAt(target, name, at))
	if e == errnoExist && strings.HasSuffix(name, "/") {
		// POSIX: what exists there must be a directory to be called so.
		if _, err := dir.StatAt(name, at|vfs.AtNoFollow); errnoOf(err) == errnoNotdir {
			return errnoNotdir
		}
	}
	return e
}

// pathReadlink: fd, path, path_len, buf, buf_len, bufused*. A target longer than
// the buffer is cut.
func pathReadlink(c call) errno {
	buf, e := c.out(3, c.u32(4))
	if e != 0 {
		return e
	}
	used, e := c.out(5, 4)
	if e != 0 {
		return e
	}
	dir, name, at, e := c.beneath(0, 1, rightPathReadlink)
	if e != 0 {
		return e
	}
	target, err := dir.ReadlinkAt(name, at)
	if err != nil {
		return errnoOf(err)
	}
	putU32(used, 0, uint32(copy(buf, target)))
	return 0
}
