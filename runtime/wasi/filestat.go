package wasi

import (
	"time"

	"boxer.dev/vfs"
)

const filestatSize = 64

// putFilestat stores st as preview 1's filestat.
func putFilestat(b []byte, st vfs.Stat) {
	clear(b[:filestatSize])
	putU64(b, 0, st.Dev)
	putU64(b, 8, st.Ino)
	b[16] = byte(filetypeOf(st.Mode))
	putU64(b, 24, uint64(st.Nlink))
	putU64(b, 32, uint64(st.Size))
	putU64(b, 40, timeOrZero(st.Atime))
	putU64(b, 48, timeOrZero(st.Mtime))
	putU64(b, 56, timeOrZero(st.Ctime))
}

// timeOrZero is the timestamp of t, or 0 of a file that has none.
func timeOrZero(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return timestamp(t)
}

// fdFilestatGet: fd, filestat*.
func fdFilestatGet(c call) errno {
	out, e := c.out(1, filestatSize)
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
	putFilestat(out, st)
	return 0
}

// pathFilestatGet: fd, lookupflags, path, path_len, filestat*.
func pathFilestatGet(c call) errno {
	out, e := c.out(4, filestatSize)
	if e != 0 {
		return e
	}
	st, e := c.statAt()
	if e != 0 {
		return e
	}
	putFilestat(out, st)
	return 0
}

// statAt looks up the file of a call with fd, lookupflags, path, path_len.
func (c call) statAt() (vfs.Stat, errno) {
	dir, name, at, e := c.lookup(rightPathFilestatGet)
	if e != 0 {
		return vfs.Stat{}, e
	}
	st, err := dir.StatAt(name, at)
	return st, errnoOf(err)
}

const (
	fstflagAtim = 1 << iota
	fstflagAtimNow
	fstflagMtim
	fstflagMtimNow
)

// times reads arguments atim, mtim, fst_flags from arg on. The zero time leaves
// the file's as it is.
func (c call) times(arg int) (atime, mtime time.Time, e errno) {
	flags := c.u32(arg + 2)
	if flags > 0xf || flags&0b11 == 0b11 || flags&0b1100 == 0b1100 {
		return atime, mtime, errnoInval
	}
	pick := func(value, now uint32, given uint64) time.Time {
		switch {
		case flags&value != 0:
			return fromTimestamp(given)
		case flags&now != 0:
			return c.Clock.Now()
		}
		return time.Time{}
	}
	return pick(fstflagAtim, fstflagAtimNow, c.u64(arg)), pick(fstflagMtim, fstflagMtimNow, c.u64(arg+1)), 0
}

// fdFilestatSetTimes: fd, atim, mtim, fst_flags.
func fdFilestatSetTimes(c call) errno {
	n, e := c.node(0, rightFdFilestatSetTimes)
	if e != 0 {
		return e
	}
	atime, mtime, e := c.times(1)
	if e != 0 {
		return e
	}
	return errnoOf(n.Chtimes(atime, mtime))
}

// pathFilestatSetTimes: fd, lookupflags, path, path_len, atim, mtim, fst_flags.
func pathFilestatSetTimes(c call) errno {
	dir, name, at, e := c.lookup(rightPathFilestatSetTimes)
	if e != 0 {
		return e
	}
	atime, mtime, e := c.times(4)
	if e != 0 {
		return e
	}
	return errnoOf(dir.ChtimesAt(name, atime, mtime, at))
}
