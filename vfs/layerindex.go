package vfs

import (
	"encoding/binary"
	"io/fs"
	"maps"
	"slices"
)

// indexer turns the drafts of a layer into the sections of its index. Names are
// taken in order, so that equal layers have equal indexes.
type indexer struct {
	dirs     []*draft
	others   []*draft
	dirents  []byte
	names    []byte
	offsets  map[string]uint32 // of names that were stored
	links    int
	borrowed uint32
}

// number gives every directory its number, parents before children.
func (x *indexer) number(root *draft) {
	x.dirs = append(x.dirs, root)
	for i := 0; i < len(x.dirs); i++ {
		d := x.dirs[i]
		d.number = uint32(i)
		for _, name := range slices.Sorted(maps.Keys(d.names)) {
			if c := d.names[name].inode; c != nil && c.mode.IsDir() {
				d.subdirs++
				x.dirs = append(x.dirs, c)
			}
		}
	}
}

// list writes the dirents of all directories and numbers everything else.
func (x *indexer) list() error {
	for _, d := range x.dirs {
		d.data = uint64(len(x.dirents) / direntSize)
		d.count = uint32(len(d.names))
		for _, name := range slices.Sorted(maps.Keys(d.names)) {
			if err := x.addDirent(d, name); err != nil {
				return err
			}
		}
	}
	for _, d := range x.others {
		if d.mode&fs.ModeSymlink != 0 || d.flags&recordBorrowed != 0 {
			off, err := x.text(d.target)
			if err != nil {
				return err
			}
			d.data, d.count = uint64(off), uint32(len(d.target))
		}
		d.nlink = uint32(len(d.links))
		if d.nlink == 1 {
			d.parent, d.self = d.links[0].dir, d.links[0].ent
		} else {
			d.parent = uint32(x.links)
			x.links += len(d.links)
		}
	}
	return checkCount(len(x.dirs) + len(x.others))
}

func (x *indexer) addDirent(dir *draft, name string) error {
	at := uint32(len(x.dirents) / direntSize)
	off, err := x.text(name)
	if err != nil {
		return err
	}
	e := dirent{name: off, len: uint16(len(name))}
	switch d := dir.names[name].inode; {
	case d == nil:
		e.flags = direntWhiteout
	case d.mode.IsDir():
		d.parent, d.self, e.inode = dir.number, at, d.number
	default:
		if !d.listed {
			d.listed = true
			d.number = uint32(len(x.dirs) + len(x.others))
			x.others = append(x.others, d)
			if d.flags&recordBorrowed != 0 {
				x.borrowed++
			}
		}
		d.links = append(d.links, draftLink{dir.number, at})
		e.inode = d.number
	}
	x.dirents = append(x.dirents, make([]byte, direntSize)...)
	e.encode(x.dirents[len(x.dirents)-direntSize:])
	return checkCount(len(x.dirents) / direntSize)
}

// text stores a string once, however often it occurs.
func (x *indexer) text(s string) (uint32, error) {
	if off, ok := x.offsets[s]; ok {
		return off, nil
	}
	off := len(x.names)
	x.names = append(x.names, s...)
	x.offsets[s] = uint32(off)
	return uint32(off), checkCount(len(x.names))
}

func (x *indexer) header(index uint64) header {
	h := header{
		dirs:     uint32(len(x.dirs)),
		inodes:   uint32(len(x.dirs) + len(x.others)),
		dirents:  uint32(len(x.dirents) / direntSize),
		links:    uint32(x.links),
		borrowed: x.borrowed,
		index:    index,
		names:    uint64(len(x.names)),
	}
	h.size = index + h.indexSize()
	return h
}

func (x *indexer) encodeRecords() []byte {
	b := make([]byte, 0, (len(x.dirs)+len(x.others))*recordSize)
	for _, list := range [][]*draft{x.dirs, x.others} {
		for _, d := range list {
			b = append(b, make([]byte, recordSize)...)
			d.record.encode(b[len(b)-recordSize:])
		}
	}
	return b
}

func (x *indexer) encodeLinks() []byte {
	b := make([]byte, 0, x.links*linkSize)
	for _, d := range x.others {
		if d.nlink > 1 {
			for _, l := range d.links {
				b = binary.LittleEndian.AppendUint32(b, l.dir)
				b = binary.LittleEndian.AppendUint32(b, l.ent)
			}
		}
	}
	return b
}
