package vfs

import (
	"bytes"
)

// chunkSize is the unit in which contents are held and cloned.
const chunkSize = 32 << 10

// content is what a regular file holds: the file of a layer where nothing was
// written, chunks where something was, holes elsewhere. A copy of the struct
// shares the chunks; each carries the owner that may write to it in place.
type content struct {
	size   int64
	base   []byte // of a layer, as far as it still shows
	layer  *Layer // keeps base mapped
	chunks sorted[int64, *chunk]
	held   int64 // bytes of all chunks
}

// chunk covers chunkSize bytes of a file; what is beyond the end of data reads
// as zeros, and data is zero from its length to its capacity.
type chunk struct {
	owner *owner
	data  []byte
}

func newContent(l *Layer, r *record) (*content, error) {
	base, err := l.contents(r)
	if err != nil {
		return nil, err
	}
	return &content{size: int64(len(base)), base: base, layer: l}, nil
}

// readAt fills p from off and returns how much there is.
func (c *content) readAt(p []byte, off int64) int {
	if off >= c.size {
		return 0
	}
	if int64(len(p)) > c.size-off {
		p = p[:c.size-off]
	}
	if c.chunks.len() == 0 {
		c.readBase(p, off)
		return len(p)
	}
	for done := 0; done < len(p); {
		at := off + int64(done)
		within := int(at % chunkSize)
		piece := p[done:min(len(p), done+chunkSize-within)]
		if ch, ok := c.chunks.get(at / chunkSize); ok {
			n := 0
			if within < len(ch.data) {
				n = copy(piece, ch.data[within:])
			}
			clear(piece[n:])
		} else {
			c.readBase(piece, at)
		}
		done += len(piece)
	}
	return len(p)
}

func (c *content) readBase(p []byte, off int64) {
	n := 0
	if off < int64(len(c.base)) {
		n = copy(p, c.base[off:])
	}
	clear(p[n:])
}

// writeAt writes p at off as far as there is room for it.
func (c *content) writeAt(f *FS, p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		at := off + int64(done)
		within := int(at % chunkSize)
		piece := p[done:min(len(p), done+chunkSize-within)]
		n, err := c.writeChunk(f, at/chunkSize, within, piece)
		done += n
		c.size = max(c.size, at+int64(n))
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// writeChunk writes p into one chunk.
func (c *content) writeChunk(f *FS, i int64, within int, p []byte) (int, error) {
	old, _ := c.chunks.get(i)
	have := c.baseOf(i)
	if old != nil {
		have = old.data
	}
	capacity := 0
	if old != nil {
		capacity = cap(old.data)
	}
	// Without room for all that a larger chunk costs, fill what there is.
	want := growth(capacity, max(within+len(p), len(have)))
	if room := f.room(); int64(want-capacity) > room {
		want = capacity + int(room)
		if want <= within || want < len(have) {
			return 0, f.refuse()
		}
		p = p[:min(len(p), want-within)]
	}
	ch := old
	if old == nil || old.owner != f.owner || want > capacity {
		ch = &chunk{owner: f.owner, data: make([]byte, len(have), want)}
		copy(ch.data, have)
		c.chunks.set(f.owner, i, ch)
		f.refund(-int64(want-capacity), 0)
		c.held += int64(want - capacity)
	}
	if end := within + len(p); end > len(ch.data) {
		ch.data = ch.data[:end]
	}
	return copy(ch.data[within:], p), nil
}

// baseOf returns what the layer's file has in a chunk.
func (c *content) baseOf(i int64) []byte {
	from := i * chunkSize
	if from >= int64(len(c.base)) {
		return nil
	}
	return c.base[from:min(int64(len(c.base)), from+chunkSize)]
}

// growth returns the capacity of a chunk that must hold n bytes.
func growth(capacity, n int) int {
	if n <= capacity {
		return capacity
	}
	n = max(n, 2*capacity)
	return min((n+63)&^63, chunkSize)
}

// truncate sets the size. What is cut off never shows again.
func (c *content) truncate(f *FS, size int64) {
	if size < c.size {
		c.cut(f, size)
	}
	c.size = size
}

func (c *content) cut(f *FS, size int64) {
	if size < int64(len(c.base)) {
		c.base = c.base[:size:size]
	}
	within := int(size % chunkSize)
	keep := (size + chunkSize - 1) / chunkSize
	gone, held := 0, 0
	c.chunks.ascend(keep, func(_ int64, ch *chunk) bool {
		gone++
		held += cap(ch.data)
		return true
	})
	c.release(f, held)
	c.chunks.cut(f.owner, keep, gone)
	ch, ok := c.chunks.get(size / chunkSize)
	if !ok || within == 0 || len(ch.data) <= within {
		return
	}
	short := &chunk{owner: f.owner, data: make([]byte, within, growth(0, within))}
	copy(short.data, ch.data)
	c.release(f, cap(ch.data)-cap(short.data))
	c.chunks.set(f.owner, size/chunkSize, short)
}

func (c *content) release(f *FS, n int) {
	c.held -= int64(n)
	f.refund(int64(n), 0)
}

// equal reports whether two files hold the same, without reading what they
// share.
func (c *content) equal(d *content) bool {
	if c.size != d.size {
		return false
	}
	if c.chunks.root == d.chunks.root && sameBytes(c.base, d.base) {
		return true
	}
	a, b := make([]byte, chunkSize), make([]byte, chunkSize)
	same := func(i int64, _ *chunk) bool {
		if c.shares(d, i) {
			return true
		}
		n := c.readAt(a, i*chunkSize)
		d.readAt(b[:n], i*chunkSize)
		return bytes.Equal(a[:n], b[:n])
	}
	// Beyond the layers' files only chunks count: a hole may be huge.
	end := (int64(max(len(c.base), len(d.base))) + chunkSize - 1) / chunkSize
	for i := range end {
		if !same(i, nil) {
			return false
		}
	}
	equal := true
	for _, of := range []*content{c, d} {
		of.chunks.ascend(end, func(i int64, ch *chunk) bool {
			equal = same(i, ch)
			return equal
		})
		if !equal {
			return false
		}
	}
	return true
}

// shares reports whether two files have the same memory for a chunk.
func (c *content) shares(d *content, i int64) bool {
	a, ok := c.chunks.get(i)
	b, ok2 := d.chunks.get(i)
	if ok || ok2 {
		return a == b
	}
	return sameBytes(c.baseOf(i), d.baseOf(i))
}

// sameBytes reports whether two slices are the same piece of memory.
func sameBytes(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
