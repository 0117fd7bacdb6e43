package vfs

import (
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// A Layer is one layer of an image, opened: a file that [CreateLayer] wrote,
// mapped into memory and read in place. It is immutable and safe for concurrent
// use; any number of trees may lie over it.
type Layer struct {
	header
	file  string
	bytes []byte // the whole file
	maps  *mapping
	state atomic.Int32

	// Sections of the index. Their bounds have been checked, what is in them
	// has not.
	recs, ents, refs, blob []byte
}

// States of a layer.
const (
	layerIdle   = iota // no tree lies over it
	layerUsed          // its mapping goes with the last tree
	layerClosed        // its mapping is gone
)

// CorruptError tells that a layer file is not what [CreateLayer] writes. It is
// an EIO to errors.Is.
type CorruptError struct {
	File    string
	Problem string
}

func (e *CorruptError) Error() string { return fmt.Sprintf("layer file %s: %s", e.File, e.Problem) }

// Unwrap returns syscall.EIO.
func (e *CorruptError) Unwrap() error { return syscall.EIO }

// OpenLayer maps a layer file. It takes the same time whatever the layer holds;
// a file that is damaged beyond its header shows when what is damaged is used,
// as EIO. The file must not change or shrink while it is mapped.
func OpenLayer(file string) (*Layer, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	head := make([]byte, headerSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	h, problem := decodeHeader(head[:n], info.Size())
	if problem != "" {
		return nil, &CorruptError{file, problem}
	}
	m, err := mapFile(f, info.Size())
	if err != nil {
		return nil, &fs.PathError{Op: "map", Path: file, Err: err}
	}
	return newLayer(file, h, m), nil
}

func newLayer(file string, h header, m *mapping) *Layer {
	l := &Layer{header: h, file: file, bytes: m.bytes, maps: m}
	rest := m.bytes[h.index:]
	cut := func(n uint64) (section []byte) {
		section, rest = rest[:n:n], rest[n:]
		return section
	}
	l.recs = cut(uint64(h.inodes) * recordSize)
	l.ents = cut(uint64(h.dirents) * direntSize)
	l.refs = cut(uint64(h.links) * linkSize)
	l.blob = cut(h.names)
	runtime.AddCleanup(l, func(m *mapping) { m.unmap() }, m)
	return l
}

// Close lets go of the layer. Trees that lie over it keep working: the file
// stays mapped until the last of them is gone.
func (l *Layer) Close() error {
	if !l.state.CompareAndSwap(layerIdle, layerClosed) {
		return nil
	}
	return l.maps.unmap()
}

// File is the path by which it was opened.
func (l *Layer) File() string { return l.file }

// ContentSize is how many bytes the layer's files have in them.
func (l *Layer) ContentSize() int64 { return int64(l.index - headerSize) }

// use keeps the mapping until the layer is garbage.
func (l *Layer) use() {
	if !l.state.CompareAndSwap(layerIdle, layerUsed) && l.state.Load() == layerClosed {
		panic("vfs: a tree over a closed layer: " + l.file)
	}
}

// inode returns the i-th inode.
func (l *Layer) inode(i uint32) (record, error) {
	if i >= l.inodes {
		return record{}, syscall.EIO
	}
	return decodeRecord(l.recs[uint64(i)*recordSize:]), nil
}

// mode returns the mode of the i-th inode; a bad number has none, as a device
// of an unknown kind.
func (l *Layer) mode(i uint32) fs.FileMode {
	if i >= l.inodes {
		return fs.ModeIrregular
	}
	return fs.FileMode(binary.LittleEndian.Uint32(l.recs[uint64(i)*recordSize:]))
}

// contents returns the bytes of a regular file, in the mapping.
func (l *Layer) contents(r *record) ([]byte, error) {
	if r.data < headerSize || r.data > l.index || r.size > l.index-r.data {
		return nil, syscall.EIO
	}
	return l.bytes[r.data : r.data+r.size : r.data+r.size], nil
}

// target returns the target of a symlink or of a borrowed file.
func (l *Layer) target(r *record) (string, error) {
	s, ok := l.text(r.data, uint64(r.count))
	if !ok {
		return "", syscall.EIO
	}
	return strings.Clone(s), nil
}

// text returns a view of the names, valid as long as the mapping.
func (l *Layer) text(off, n uint64) (string, bool) {
	if off > l.names || n > l.names-off {
		return "", false
	}
	b := l.blob[off : off+n]
	return unsafe.String(unsafe.SliceData(b), len(b)), true
}

// direntsOf returns the encoded dirents of a directory.
func (l *Layer) direntsOf(dir uint32) (ents []byte, first uint32, err error) {
	if dir >= l.dirs {
		return nil, 0, syscall.EIO
	}
	data, count := recordSpan(l.recs[uint64(dir)*recordSize:])
	if data > uint64(l.dirents) || uint64(count) > uint64(l.dirents)-data {
		return nil, 0, syscall.EIO
	}
	return l.ents[data*direntSize : (data+uint64(count))*direntSize], uint32(data), nil
}

// find looks name up in a directory of this layer alone.
func (l *Layer) find(dir uint32, name string) (d dirent, ok bool, err error) {
	ents, first, err := l.direntsOf(dir)
	if err != nil {
		return d, false, err
	}
	lo, hi := 0, len(ents)/direntSize
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		d = decodeDirent(ents[mid*direntSize:])
		s, ok := l.text(uint64(d.name), uint64(d.len))
		if !ok {
			return d, false, syscall.EIO
		}
		switch c := strings.Compare(s, name); {
		case c == 0:
			return d, true, l.check(dir, first+uint32(mid), d)
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return d, false, nil
}

// check refuses a dirent whose inode is out of bounds or is a directory that
// belongs elsewhere, so that directories cannot form a cycle.
func (l *Layer) check(dir, self uint32, d dirent) error {
	if d.flags&direntWhiteout != 0 {
		return nil
	}
	switch {
	case d.inode >= l.inodes:
		return syscall.EIO
	case d.inode >= l.dirs:
		if l.mode(d.inode).IsDir() {
			return syscall.EIO
		}
	default:
		parent, at := recordPlace(l.recs[uint64(d.inode)*recordSize:])
		if d.inode == 0 || parent != dir || at != self || !l.mode(d.inode).IsDir() {
			return syscall.EIO
		}
	}
	return nil
}

// eachDirent calls yield for every dirent of a directory with a valid name.
func (l *Layer) eachDirent(dir uint32, yield func(name string, d dirent)) error {
	ents, first, err := l.direntsOf(dir)
	if err != nil {
		return err
	}
	for i := 0; i*direntSize < len(ents); i++ {
		d := decodeDirent(ents[i*direntSize:])
		name, ok := l.text(uint64(d.name), uint64(d.len))
		if !ok || !validName(name) {
			return syscall.EIO
		}
		if err := l.check(dir, first+uint32(i), d); err != nil {
			return err
		}
		yield(name, d)
	}
	return nil
}

// validName reports whether name can be one component of a path.
func validName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > MaxName {
		return false
	}
	for i := 0; i < len(name); i++ {
		if name[i] == '/' || name[i] == 0 {
			return false
		}
	}
	return true
}

// linksOf yields the dirents of an inode that is no directory, as the directory
// that holds each and its name.
func (l *Layer) linksOf(r *record, yield func(dir uint32, name string)) error {
	if r.nlink == 1 {
		return l.linkAt(r.parent, r.self, yield)
	}
	if r.parent > l.links || r.nlink > l.links-r.parent {
		return syscall.EIO
	}
	for i := r.parent; i < r.parent+r.nlink; i++ {
		b := l.refs[uint64(i)*linkSize:]
		dir, ent := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		if err := l.linkAt(dir, ent, yield); err != nil {
			return err
		}
	}
	return nil
}

func (l *Layer) linkAt(dir, ent uint32, yield func(dir uint32, name string)) error {
	if dir >= l.dirs || ent >= l.dirents {
		return syscall.EIO
	}
	d := decodeDirent(l.ents[uint64(ent)*direntSize:])
	name, ok := l.text(uint64(d.name), uint64(d.len))
	if !ok || !validName(name) {
		return syscall.EIO
	}
	yield(dir, name)
	return nil
}
