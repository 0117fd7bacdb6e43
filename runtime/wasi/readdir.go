package wasi

import (
	"context"
	"io/fs"

	"boxer.dev/vfs"
)

const (
	direntSize = 24
	// dirBatch bounds the names asked of vfs at a time.
	dirBatch = 128
)

// Cookies of fd_readdir: 0 is ".", 1 is "..", and from cookieFirst on they are
// those of vfs, shifted.
const cookieFirst = 2

// dirents is a buffer being filled with directory entries.
type dirents struct {
	buf  []byte
	used int
}

// add appends an entry and reports whether it fitted. One that does not is cut
// off: a full buffer tells the program that there is more.
func (d *dirents) add(e vfs.DirEntry) bool {
	var head [direntSize]byte
	putU64(head[:], 0, e.Next)
	putU64(head[:], 8, e.Ino)
	putU32(head[:], 16, uint32(len(e.Name)))
	head[20] = byte(filetypeOf(e.Type))
	d.used += copy(d.buf[d.used:], head[:])
	n := copy(d.buf[d.used:], e.Name)
	d.used += n
	return n == len(e.Name) && d.used < len(d.buf)
}

// fdReaddir: fd, buf, buf_len, cookie, bufused*.
func fdReaddir(c call) errno {
	buf, e := c.out(1, c.u32(2))
	if e != 0 {
		return e
	}
	used, e := c.out(4, 4)
	if e != 0 {
		return e
	}
	dir, e := c.node(0, rightFdReaddir)
	if e != 0 {
		return e
	}
	entries := dirents{buf: buf}
	if err := dir.fill(c.ctx, &entries, c.u64(3)); err != nil {
		c.endWith(err)
		return errnoOf(err)
	}
	putU32(used, 0, uint32(entries.used))
	return 0
}

// fill appends the entries from cookie on until they end or the buffer is full.
func (n *node) fill(ctx context.Context, d *dirents, cookie uint64) error {
	if len(d.buf) == 0 {
		return nil
	}
	for ; cookie < cookieFirst; cookie++ {
		e, err := n.dot(cookie)
		if err != nil {
			return err
		}
		if !d.add(e) {
			return nil
		}
	}
	for {
		batch, err := n.ReadDirAt(cookie-cookieFirst, n.batch(d))
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || len(batch) == 0 {
			return err
		}
		for _, e := range batch {
			e.Next += cookieFirst
			cookie = e.Next
			if !d.add(e) {
				return nil
			}
		}
	}
}

// batch returns how many entries the rest of the buffer could hold, at least 1.
func (n *node) batch(d *dirents) int {
	return min((len(d.buf)-d.used)/(direntSize+1)+1, dirBatch)
}

// dot returns the entry "." or "..", which vfs leaves out.
func (n *node) dot(cookie uint64) (vfs.DirEntry, error) {
	st, err := n.Stat()
	if err != nil {
		return vfs.DirEntry{}, err
	}
	name := "."
	if cookie == 1 {
		name = ".."
		if up, err := n.StatAt("..", 0); err == nil {
			st = up
		}
	}
	return vfs.DirEntry{Name: name, Ino: st.Ino, Type: fs.ModeDir, Next: cookie + 1}, nil
}
