package wasi

import "boxer.dev/vfs"

const (
	iovecMax    = 1024        // IOV_MAX
	transferMax = 0x7fff_f000 // bytes that one call moves, as on Linux
)

// iovecs is an array of buffers in the guest's memory: pairs of pointer and
// length.
type iovecs struct {
	mem   memory
	array []byte
	total uint64
}

// iovecs reads the array given by pointer argument arg and the count after it,
// and checks that every buffer lies in memory.
func (c call) iovecs(arg int) (iovecs, errno) {
	count := c.u32(arg + 1)
	if count > iovecMax {
		return iovecs{}, errnoInval
	}
	array, e := c.out(arg, count*8)
	if e != 0 {
		return iovecs{}, e
	}
	v := iovecs{mem: c.mem, array: array}
	for i := range v.len() {
		b, e := v.at(i)
		if e != 0 {
			return iovecs{}, e
		}
		v.total += uint64(len(b))
	}
	return v, 0
}

func (v iovecs) len() int { return len(v.array) / 8 }

// at returns buffer i. It checks again: reading into one buffer may change the
// array itself.
func (v iovecs) at(i int) ([]byte, errno) {
	return v.mem.view(getU32(v.array, i*8), getU32(v.array, i*8+4))
}

// each calls f with one buffer after another until it transfers less than its
// buffer holds, and returns the sum. An error after the first byte is left for
// the next call to find.
func (v iovecs) each(f func(p []byte, done int) (int, error)) (uint32, errno) {
	done := 0
	for i := range v.len() {
		p, e := v.at(i)
		if e != 0 {
			break
		}
		p = p[:min(len(p), transferMax-done)]
		if len(p) == 0 {
			continue
		}
		n, err := f(p, done)
		done += n
		if err != nil && done == 0 {
			return 0, errnoOf(err)
		}
		if n < len(p) || err != nil {
			break
		}
	}
	return uint32(done), 0
}

// fdRead: fd, iovs, iovs_len, nread*.
func fdRead(c call) errno {
	v, out, e := c.buffers(3)
	if e != 0 {
		return e
	}
	d, e := c.fd(0, rightFdRead)
	if e != 0 {
		return e
	}
	n, e := d.readv(c, v)
	if e != 0 {
		return e
	}
	putU32(out, 0, n)
	return 0
}

// buffers checks the array of buffers at argument 1 and the result pointer at
// argument result.
func (c call) buffers(result int) (iovecs, []byte, errno) {
	out, e := c.out(result, 4)
	if e != 0 {
		return iovecs{}, nil, e
	}
	v, e := c.iovecs(1)
	return v, out, e
}

func (d *descriptor) readv(c call, v iovecs) (uint32, errno) {
	wait := d.flags&fdflagNonblock == 0
	return v.each(func(p []byte, done int) (int, error) {
		if done > 0 && !d.readable().ready {
			return 0, nil
		}
		return d.inPieces(c, p, func(p []byte, _ int) (int, error) { return d.read(c.ctx, p, wait) })
	})
}

// fdWrite: fd, iovs, iovs_len, nwritten*.
func fdWrite(c call) errno {
	v, out, e := c.buffers(3)
	if e != 0 {
		return e
	}
	d, e := c.fd(0, rightFdWrite)
	if e != 0 {
		return e
	}
	n, e := d.writev(c, v)
	if e == 0 {
		e = d.settle()
	}
	if e != 0 {
		return e
	}
	putU32(out, 0, n)
	return 0
}

// settle makes what was written last, if the flags ask for it after each write.
func (d *description) settle() errno {
	if n, ok := d.object.(*node); ok && d.flags&(fdflagSync|fdflagDsync) != 0 {
		return errnoOf(n.Sync())
	}
	return 0
}

func (d *descriptor) writev(c call, v iovecs) (uint32, errno) {
	wait := d.flags&fdflagNonblock == 0
	if v.total == 0 {
		return 0, 0
	}
	if _, ok := d.object.(*node); !ok && v.len() > 1 {
		n, err := d.write(c.ctx, c.joined(v), wait)
		c.endWith(err)
		if n == 0 {
			return 0, errnoOf(err)
		}
		return uint32(n), 0
	}
	return v.each(func(p []byte, _ int) (int, error) {
		return d.inPieces(c, p, func(p []byte, _ int) (int, error) { return d.write(c.ctx, p, wait) })
	})
}

// transferPiece is what moves to or from a file between looks at the context, in bytes: less than a millisecond's work.
const transferPiece = 1 << 20

// inPieces calls f with one piece of a buffer after another until it transfers less than a piece. What is no file of a tree
// gets the buffer as it is, since it waits and looks at the context itself.
func (d *descriptor) inPieces(c call, p []byte, f func(p []byte, done int) (int, error)) (done int, err error) {
	piece := len(p)
	if n, ok := d.object.(*node); ok {
		piece, p = transferPiece, n.bounded(p)
	}
	for {
		part := p[done:min(len(p), done+piece)]
		n, err := f(part, done)
		done += n
		c.endWith(err)
		if err != nil || n < len(part) || done == len(p) {
			return done, err
		}
		c.endWith(c.ctx.Err())
	}
}

// joined returns the contents of v as one buffer, cut at transferSize, so that
// what a program writes in one call arrives at a stream in one piece.
func (c call) joined(v iovecs) []byte {
	c.scratch = c.scratch[:0]
	for i := range v.len() {
		p, e := v.at(i)
		if e != 0 {
			break
		}
		c.scratch = append(c.scratch, p[:min(len(p), transferSize-len(c.scratch))]...)
	}
	return c.scratch
}

// fdPread: fd, iovs, iovs_len, offset, nread*.
func fdPread(c call) errno {
	return c.positioned(rightFdRead|rightFdSeek, func(n *node, p []byte, at int64) (int, error) {
		return endIsZero(n.ReadAt(p, min(at, vfs.MaxFileSize)))
	})
}

// fdPwrite: fd, iovs, iovs_len, offset, nwritten*.
func fdPwrite(c call) errno {
	e := c.positioned(rightFdWrite|rightFdSeek, func(n *node, p []byte, at int64) (int, error) {
		if at > vfs.MaxFileSize {
			return 0, errnoFbig
		}
		return n.WriteAt(p, at)
	})
	if e != 0 {
		return e
	}
	return c.files.entries[c.u32(0)].settle()
}

func (c call) positioned(needed rights, f func(n *node, p []byte, at int64) (int, error)) errno {
	v, out, e := c.buffers(4)
	if e != 0 {
		return e
	}
	n, e := c.node(0, needed)
	if e != 0 {
		return e
	}
	offset := int64(c.u64(3))
	if offset < 0 {
		return errnoInval
	}
	offset = min(offset, vfs.MaxFileSize+1) // beyond, all offsets are alike
	d := &c.files.entries[c.u32(0)]
	done, e := v.each(func(p []byte, before int) (int, error) {
		return d.inPieces(c, p, func(p []byte, done int) (int, error) { return f(n, p, offset+int64(before+done)) })
	})
	if e != 0 {
		return e
	}
	putU32(out, 0, done)
	return 0
}
