package vfs

import "unsafe"

// InLayer tells where in a layer file the contents of a regular file lie, and shows them there without a copy. ok is
// false for what was written to, what lies in a mount, and what is no regular file. The layer and the offset, in bytes,
// name the contents: nothing else will ever be there. The view must not be written to, and is valid as long as a tree
// over the layer.
func (f *File) InLayer() (layer *Layer, offset int64, contents []byte, ok bool) {
	d, err := f.use()
	if err != nil || d.handle != nil || !d.spot.typ.IsRegular() {
		return nil, 0, nil, false
	}
	d.fs.mu.RLock()
	defer d.fs.mu.RUnlock()
	if n := d.fs.upper(d.spot.ino); n != nil {
		c := n.data
		if c.layer == nil || c.base == nil || c.chunks.len() > 0 || c.size != int64(len(c.base)) {
			return nil, 0, nil, false
		}
		layer, contents = c.layer, c.base
	} else {
		l, r, err := d.fs.lower.record(d.spot.ino)
		if err != nil {
			return nil, 0, nil, false
		}
		if contents, err = l.contents(&r); err != nil {
			return nil, 0, nil, false
		}
		layer = l
	}
	start, first := unsafe.Pointer(unsafe.SliceData(layer.bytes)), unsafe.Pointer(unsafe.SliceData(contents))
	return layer, int64(uintptr(first) - uintptr(start)), contents, true
}
