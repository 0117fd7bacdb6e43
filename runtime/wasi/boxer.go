package wasi

import (
	"io/fs"

	"boxer.dev/vfs"
)

// BoxerModuleName is the name of the import module that holds what POSIX
// programs expect and preview 1 lacks. Its functions follow preview 1's
// conventions: pointers into linear memory, little-endian, an errno as result.
const BoxerModuleName = "boxer"

var boxer = []function{
	{"cwd_get", "iii>i", cwdGet},
	{"fd_stat", "ii>i", fdStat},
	{"path_stat", "iiiii>i", pathStat},
	{"fd_chmod", "ii>i", fdChmod},
	{"path_chmod", "iiiii>i", pathChmod},
	{"fd_chown", "iii>i", fdChown},
	{"path_chown", "iiiiii>i", pathChown},
	{"create_mode", "i", createMode},
	{"umask", "i>i", umask},
	{"ids_get", "i>i", idsGet},
	{"fd_dup", "iii>i", fdDup},
	{"fd_dup2", "ii>i", fdDup2},
	{"pipe", "i>i", openPipe},
	{"tty_size", "ii>i", ttySize},
	{"call", "iiiii>i", startCall},
	{"functions", "iii>i", listFunctions},
	{"source", "ii>i", source},
	{"result", "iii>i", result},
}

// cwdGet: buf, buf_len, used*. ERANGE tells the length needed in used.
func cwdGet(c call) errno {
	buf, e := c.sized(uint32(len(c.Dir)))
	copy(buf, c.Dir)
	return e
}

// sized gives the buffer of a call with the parameters buf, buf_len and used*, for something of a size, which goes to used. A
// shorter one is ERANGE.
func (c call) sized(size uint32) ([]byte, errno) {
	buf, e := c.out(0, c.u32(1))
	if e != 0 {
		return nil, e
	}
	used, e := c.out(2, 4)
	if e != 0 {
		return nil, e
	}
	putU32(used, 0, size)
	if uint32(len(buf)) < size {
		return nil, errnoRange
	}
	return buf, 0
}

const statSize = filestatSize + 16

// putStat stores st as a filestat followed by mode, uid, gid and rdev.
func putStat(b []byte, st vfs.Stat) {
	putFilestat(b, st)
	putU32(b, 64, posixMode(st.Mode))
	putU32(b, 68, st.UID)
	putU32(b, 72, st.GID)
	putU32(b, 76, uint32(st.Rdev))
}

// fdStat: fd, out*.
func fdStat(c call) errno {
	out, e := c.out(1, statSize)
	if e != 0 {
		return e
	}
	d, e := c.fd(0, rightFdFilestatGet)
	if e != 0 {
		return e
	}
	st, err := d.stat()
	if err != nil {
		return errnoOf(err)
	}
	putStat(out, st)
	return 0
}

// pathStat: fd, lookupflags, path, path_len, out*.
func pathStat(c call) errno {
	out, e := c.out(4, statSize)
	if e != 0 {
		return e
	}
	st, e := c.statAt()
	if e != 0 {
		return e
	}
	putStat(out, st)
	return 0
}

// Preview 1 has no rights to change modes and owners; those to change times
// stand for them.

// fdChmod: fd, mode.
func fdChmod(c call) errno {
	n, e := c.node(0, rightFdFilestatSetTimes)
	if e != 0 {
		return e
	}
	return errnoOf(n.Chmod(fileMode(c.u32(1))))
}

// pathChmod: fd, lookupflags, path, path_len, mode.
func pathChmod(c call) errno {
	dir, name, at, e := c.lookup(rightPathFilestatSetTimes)
	if e != 0 {
		return e
	}
	return errnoOf(dir.ChmodAt(name, fileMode(c.u32(4)), at))
}

// fdChown: fd, uid, gid.
func fdChown(c call) errno {
	n, e := c.node(0, rightFdFilestatSetTimes)
	if e != 0 {
		return e
	}
	return errnoOf(n.Chown(owner(c.u32(1)), owner(c.u32(2))))
}

// pathChown: fd, lookupflags, path, path_len, uid, gid.
func pathChown(c call) errno {
	dir, name, at, e := c.lookup(rightPathFilestatSetTimes)
	if e != 0 {
		return e
	}
	return errnoOf(dir.ChownAt(name, owner(c.u32(4)), owner(c.u32(5)), at))
}

// owner turns a uid or gid into vfs's, where -1 leaves it unchanged.
func owner(id uint32) int {
	if id == 1<<32-1 {
		return -1
	}
	return int(id)
}

// createMode: mode of what the next path_open with O_CREAT, or the next
// path_create_directory, creates.
func createMode(c call) errno {
	mode := fileMode(c.u32(0))
	c.createMode = &mode
	return 0
}

// umask: mask; returns the one before.
func umask(c call) errno {
	old := c.Umask.Perm()
	c.Umask = fs.FileMode(c.u32(0)).Perm()
	return errno(old)
}

// idsGet: out*: pid, ppid, uid, gid.
func idsGet(c call) errno {
	out, e := c.out(0, 16)
	if e != 0 {
		return e
	}
	putU32(out, 0, c.PID)
	putU32(out, 4, 0)
	putU32(out, 8, c.UID)
	putU32(out, 12, c.GID)
	return 0
}

// fdDup: fd, min, out*.
func fdDup(c call) errno {
	out, e := c.out(2, 4)
	if e != 0 {
		return e
	}
	d, e := c.fd(0, 0)
	if e != 0 {
		return e
	}
	least := c.u32(1)
	if uint64(least) >= uint64(c.files.max) {
		return errnoInval
	}
	if c.files.full(least) {
		return errnoMfile
	}
	putU32(out, 0, c.files.insert(least, d.duplicate()))
	return 0
}

// duplicate returns another descriptor for the same open file description. A
// duplicate of a pre-opened directory is not itself pre-opened.
func (d *descriptor) duplicate() descriptor {
	copied := *d
	copied.preopen = nil
	return copied
}

// fdDup2: fd, to.
func fdDup2(c call) errno {
	from, to := c.u32(0), c.u32(1)
	d, e := c.files.lookup(from)
	if e != 0 {
		return e
	}
	if uint64(to) >= uint64(c.files.max) {
		return errnoBadf
	}
	if from == to {
		return 0
	}
	copied := d.duplicate()
	if _, e := c.files.lookup(to); e == 0 {
		c.files.remove(to) // POSIX: an error of closing it is not reported
	}
	c.files.put(to, copied)
	return 0
}

// openPipe: out*: read end, write end.
func openPipe(c call) errno {
	out, e := c.out(0, 8)
	if e != 0 {
		return e
	}
	if c.files.room() < 2 {
		return errnoMfile
	}
	c.pipes++
	r, w := newPipe(lastStreamIno + c.pipes)
	putU32(out, 0, c.files.insert(0, newDescriptor(r)))
	putU32(out, 4, c.files.insert(0, newDescriptor(w)))
	return 0
}

func newDescriptor(o object) descriptor {
	return descriptor{description: &description{object: o}, base: o.rights()}
}

// ttySize: fd, out*: rows, columns.
func ttySize(c call) errno {
	out, e := c.out(1, 8)
	if e != 0 {
		return e
	}
	d, e := c.fd(0, 0)
	if e != 0 {
		return e
	}
	if !d.isTerminal() {
		return errnoNotty
	}
	rows, columns := 24, 80
	if c.Terminal.Size != nil {
		rows, columns = c.Terminal.Size()
	}
	putU32(out, 0, uint32(rows))
	putU32(out, 4, uint32(columns))
	return 0
}

func (d *descriptor) isTerminal() bool {
	switch o := d.object.(type) {
	case *terminal:
		return true
	case *input:
		return o.terminal
	case *output:
		return o.terminal
	}
	return false
}

// posixModes pairs the bits that tell a file's type in Go with POSIX's.
var posixModes = []struct {
	file  fs.FileMode
	posix uint32
}{
	{fs.ModeDir, 0o040000},
	{fs.ModeSymlink, 0o120000},
	{fs.ModeDevice | fs.ModeCharDevice, 0o020000},
	{fs.ModeDevice, 0o060000},
	{fs.ModeNamedPipe, 0o010000},
	{fs.ModeSocket, 0o140000},
	{0, 0o100000},
}

// posixMode returns st_mode.
func posixMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		mode |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		mode |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		mode |= 0o1000
	}
	for _, t := range posixModes {
		if m&fs.ModeType == t.file {
			return mode | t.posix
		}
	}
	return mode
}

// fileMode returns the permission bits, setuid, setgid and sticky of a st_mode.
func fileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode).Perm()
	if mode&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if mode&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if mode&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	return m
}
