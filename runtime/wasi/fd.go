package wasi

import "boxer.dev/vfs"

// fdflags are the flags of an open file description.
type fdflags uint16

const (
	fdflagAppend fdflags = 1 << iota
	fdflagDsync
	fdflagNonblock
	fdflagRsync
	fdflagSync

	fdflagsAll = fdflagAppend | fdflagDsync | fdflagNonblock | fdflagRsync | fdflagSync
)

// fdClose: fd.
func fdClose(c call) errno {
	fd := c.u32(0)
	if _, e := c.files.lookup(fd); e != 0 {
		return e
	}
	return errnoOf(c.files.remove(fd))
}

// fdRenumber: fd, to. Both must be open; what to stood for is closed.
func fdRenumber(c call) errno {
	from, to := c.u32(0), c.u32(1)
	d, e := c.files.lookup(from)
	if e != 0 {
		return e
	}
	if _, e := c.files.lookup(to); e != 0 {
		return e
	}
	if from == to {
		return 0
	}
	moved := *d
	c.files.remove(to) // as with dup2, an error of closing it has no one to go to
	c.files.put(to, moved)
	return errnoOf(c.files.remove(from))
}

// fdFdstatGet: fd, fdstat*.
func fdFdstatGet(c call) errno {
	out, e := c.out(1, 24)
	if e != 0 {
		return e
	}
	d, e := c.fd(0, 0)
	if e != 0 {
		return e
	}
	clear(out)
	out[0] = byte(filetypeOf(d.mode()))
	putU16(out, 2, uint16(d.flags))
	putU64(out, 8, uint64(d.base))
	putU64(out, 16, uint64(d.inheriting))
	return 0
}

// fdFdstatSetFlags: fd, fdflags.
func fdFdstatSetFlags(c call) errno {
	d, e := c.fd(0, rightFdFdstatSetFlags)
	if e != 0 {
		return e
	}
	if c.u32(1)&^uint32(fdflagsAll) != 0 {
		return errnoInval
	}
	return d.setFlags(fdflags(c.u32(1)))
}

func (d *description) setFlags(flags fdflags) errno {
	if n, ok := d.object.(*node); ok && !n.kind.IsDir() && (flags^d.flags)&fdflagAppend != 0 {
		mode := n.Flags() &^ vfs.O_APPEND
		if flags&fdflagAppend != 0 {
			mode |= vfs.O_APPEND
		}
		if err := n.SetFlags(mode); err != nil {
			return errnoOf(err)
		}
	}
	d.flags = flags
	return 0
}

// fdFdstatSetRights: fd, base, inheriting. Rights can only be given up.
func fdFdstatSetRights(c call) errno {
	d, e := c.fd(0, 0)
	if e != 0 {
		return e
	}
	base, inheriting := rights(c.u64(1)), rights(c.u64(2))
	if base&^d.base != 0 || inheriting&^d.inheriting != 0 {
		return errnoNotcapable
	}
	d.base, d.inheriting = base, inheriting
	return 0
}

// fdPrestatGet: fd, prestat*.
func fdPrestatGet(c call) errno {
	out, e := c.out(1, 8)
	if e != 0 {
		return e
	}
	d, e := c.preopen()
	if e != 0 {
		return e
	}
	putU32(out, 0, 0) // tag: a directory
	putU32(out, 4, uint32(len(*d.preopen)))
	return 0
}

// fdPrestatDirName: fd, path, path_len.
func fdPrestatDirName(c call) errno {
	out, e := c.out(1, c.u32(2))
	if e != 0 {
		return e
	}
	d, e := c.preopen()
	if e != 0 {
		return e
	}
	if len(out) < len(*d.preopen) {
		return errnoNametoolong
	}
	copy(out, *d.preopen)
	return 0
}

// preopen returns the pre-opened directory of argument 0. Anything else is
// EBADF, by which programs find the end of the list.
func (c call) preopen() (*descriptor, errno) {
	d, e := c.files.lookup(c.u32(0))
	if e == 0 && d.preopen == nil {
		e = errnoBadf
	}
	return d, e
}

// node returns the file, directory or device of the tree that argument arg
// names.
func (c call) node(arg int, needed rights) (*node, errno) {
	d, e := c.fd(arg, needed)
	if e != 0 {
		return nil, e
	}
	n, ok := d.object.(*node)
	if !ok {
		return nil, d.unfit(needed)
	}
	return n, 0
}

// fdSeek: fd, offset, whence, newoffset*.
func fdSeek(c call) errno {
	offset, whence := int64(c.u64(1)), c.u32(2)
	needed := rightFdSeek
	if offset == 0 && whence == 1 {
		needed = rightFdTell
	}
	return c.seek(3, needed, offset, whence)
}

// fdTell: fd, offset*.
func fdTell(c call) errno { return c.seek(1, rightFdTell, 0, 1) }

// seek moves the offset. Preview 1's whence is Go's.
func (c call) seek(result int, needed rights, offset int64, whence uint32) errno {
	out, e := c.out(result, 8)
	if e != 0 {
		return e
	}
	n, e := c.node(0, needed)
	if e != 0 {
		return e
	}
	if whence > 2 {
		return errnoInval
	}
	at, err := n.Seek(offset, int(whence))
	if err != nil {
		return errnoOf(err)
	}
	putU64(out, 0, uint64(at))
	return 0
}

// fdSync: fd. A stream holds nothing back, so it has nothing to do.
func fdSync(c call) errno { return c.sync(rightFdSync) }

// fdDatasync: fd.
func fdDatasync(c call) errno { return c.sync(rightFdDatasync) }

func (c call) sync(needed rights) errno {
	d, e := c.fd(0, needed)
	if e != 0 {
		return e
	}
	if n, ok := d.object.(*node); ok {
		return errnoOf(n.Sync())
	}
	return 0
}

// adviceLast is the greatest of the values of advice.
const adviceLast = 5

// fdAdvise: fd, offset, len, advice. Files are in memory: there is nothing to
// be gained from advice.
func fdAdvise(c call) errno {
	if _, e := c.node(0, rightFdAdvise); e != 0 {
		return e
	}
	if c.u32(3) > adviceLast || int64(c.u64(1)) < 0 || int64(c.u64(2)) < 0 {
		return errnoInval
	}
	return 0
}

// fdAllocate: fd, offset, len.
func fdAllocate(c call) errno {
	n, e := c.node(0, rightFdAllocate)
	if e != 0 {
		return e
	}
	offset, length := int64(c.u64(1)), int64(c.u64(2))
	if offset < 0 || length <= 0 {
		return errnoInval
	}
	if offset > vfs.MaxFileSize-length {
		return errnoFbig
	}
	return errnoOf(n.Allocate(offset, length))
}

// fdFilestatSetSize: fd, size.
func fdFilestatSetSize(c call) errno {
	n, e := c.node(0, rightFdFilestatSetSize)
	if e == errnoBadf && c.isOpen(0) {
		return errnoInval // what ftruncate says of a descriptor not open for writing
	}
	if e != 0 {
		return e
	}
	size := int64(c.u64(1))
	if size < 0 {
		return errnoInval
	}
	return errnoOf(n.Truncate(size))
}

func (c call) isOpen(arg int) bool {
	_, e := c.files.lookup(c.u32(arg))
	return e == 0
}
