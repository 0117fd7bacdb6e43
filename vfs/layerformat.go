package vfs

import (
	"encoding/binary"
	"hash/crc32"
	"io/fs"
)

// The opened form of a layer is one file:
//
//	header    64 bytes
//	data      contents of regular files, as they were added
//	index     inodes │ dirents │ links │ names
//
// All integers are little-endian. Everything in the index is of fixed size but
// the names, so that a lookup is a binary search in the mapping and opening a
// layer reads its header alone.
//
// Inodes are numbered from 0, directories first; 0 is the root. A directory's
// dirents are consecutive and sorted by name. A whiteout is a dirent without an
// inode. Several dirents with one inode are hard links: links then lists them.
//
// The header ends with a checksum of itself; the index is not summed, because
// reading all of it is what opening must avoid. Each access is checked against
// the bounds instead, and directories form a tree by construction: each says
// where its only dirent is, and is refused anywhere else.
const (
	layerMagic   = "boxlayer"
	layerVersion = 1

	headerSize = 64
	recordSize = 64
	direntSize = 12
	linkSize   = 8
)

// header is the beginning of a layer file.
//
//	 0  magic     8 bytes
//	 8  version   u32
//	12  dirs      u32  directories among the inodes
//	16  size      u64  of the whole file
//	24  index     u64  offset of the first inode
//	32  inodes    u32
//	36  dirents   u32
//	40  links     u32
//	44  borrowed  u32  inodes that link to a file of a layer beneath
//	48  names     u64  bytes of names
//	56  reserved  u32  0
//	60  checksum  u32  CRC-32C of the 60 bytes before
type header struct {
	dirs, inodes, dirents, links, borrowed uint32
	size, index, names                     uint64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (h header) encode() []byte {
	b := make([]byte, headerSize)
	le := binary.LittleEndian
	copy(b, layerMagic)
	le.PutUint32(b[8:], layerVersion)
	le.PutUint32(b[12:], h.dirs)
	le.PutUint64(b[16:], h.size)
	le.PutUint64(b[24:], h.index)
	le.PutUint32(b[32:], h.inodes)
	le.PutUint32(b[36:], h.dirents)
	le.PutUint32(b[40:], h.links)
	le.PutUint32(b[44:], h.borrowed)
	le.PutUint64(b[48:], h.names)
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

// decodeHeader reads the header of a layer file of the given size and returns
// what is wrong with it, or "".
func decodeHeader(b []byte, size int64) (h header, problem string) {
	le := binary.LittleEndian
	switch {
	case len(b) < headerSize:
		return h, "too short"
	case string(b[:8]) != layerMagic:
		return h, "not a layer file"
	case le.Uint32(b[8:]) != layerVersion:
		return h, "of another version"
	case le.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli):
		return h, "header checksum does not match"
	}
	h = header{
		dirs:     le.Uint32(b[12:]),
		size:     le.Uint64(b[16:]),
		index:    le.Uint64(b[24:]),
		inodes:   le.Uint32(b[32:]),
		dirents:  le.Uint32(b[36:]),
		links:    le.Uint32(b[40:]),
		borrowed: le.Uint32(b[44:]),
		names:    le.Uint64(b[48:]),
	}
	switch {
	case h.size != uint64(size):
		return h, "truncated or extended"
	case h.index < headerSize || h.index > h.size || h.names > h.size:
		return h, "index outside the file"
	case h.index+h.indexSize() != h.size:
		return h, "index of the wrong size"
	case h.dirs == 0 || h.dirs > h.inodes:
		return h, "no root directory"
	}
	return h, ""
}

// indexSize cannot wrap once names is at most the size of a file: the counts
// are 32 bits wide.
func (h header) indexSize() uint64 {
	return uint64(h.inodes)*recordSize + uint64(h.dirents)*direntSize + uint64(h.links)*linkSize + h.names
}

// record is an inode of a layer.
//
//	 0  mode     u32  fs.FileMode
//	 4  uid      u32
//	 8  gid      u32
//	12  nlink    u32  dirents in this layer
//	16  seconds  i64  modification time
//	24  nanos    u32
//	28  flags    u32
//	32  size     u64  file: bytes; device: its number
//	40  data     u64  file: offset of contents; symlink or borrowed file: offset of
//	                  the target in names; directory: first dirent
//	48  count    u32  directory: dirents; symlink or borrowed file: bytes of the target
//	52  parent   u32  the directory that holds it; with several links: the first of them
//	56  self     u32  its dirent in that directory
//	60  subdirs  u32  directory: directories in it
type record struct {
	mode                         fs.FileMode
	uid, gid, nlink              uint32
	mtime                        instant
	flags                        uint32
	size, data                   uint64
	count, parent, self, subdirs uint32
}

const (
	recordOpaque   = 1 << iota // nothing beneath the directory shows
	recordImplied              // a directory that no entry described: metadata come from beneath
	recordBorrowed             // a hard link to a file of the layers beneath
)

func (r *record) encode(b []byte) {
	le := binary.LittleEndian
	le.PutUint32(b[0:], uint32(r.mode))
	le.PutUint32(b[4:], r.uid)
	le.PutUint32(b[8:], r.gid)
	le.PutUint32(b[12:], r.nlink)
	le.PutUint64(b[16:], uint64(r.mtime.sec))
	le.PutUint32(b[24:], uint32(r.mtime.nsec))
	le.PutUint32(b[28:], r.flags)
	le.PutUint64(b[32:], r.size)
	le.PutUint64(b[40:], r.data)
	le.PutUint32(b[48:], r.count)
	le.PutUint32(b[52:], r.parent)
	le.PutUint32(b[56:], r.self)
	le.PutUint32(b[60:], r.subdirs)
}

func decodeRecord(b []byte) (r record) {
	_ = b[recordSize-1]
	le := binary.LittleEndian
	r.mode = fs.FileMode(le.Uint32(b[0:]))
	r.uid = le.Uint32(b[4:])
	r.gid = le.Uint32(b[8:])
	r.nlink = le.Uint32(b[12:])
	r.mtime = instant{int64(le.Uint64(b[16:])), int32(le.Uint32(b[24:]))}
	r.flags = le.Uint32(b[28:])
	r.size = le.Uint64(b[32:])
	r.data = le.Uint64(b[40:])
	r.count = le.Uint32(b[48:])
	r.parent = le.Uint32(b[52:])
	r.self = le.Uint32(b[56:])
	r.subdirs = le.Uint32(b[60:])
	return r
}

// recordSpan returns the data and count of an encoded record, which is all that
// a lookup needs of a directory.
func recordSpan(b []byte) (data uint64, count uint32) {
	_ = b[recordSize-1]
	return binary.LittleEndian.Uint64(b[40:]), binary.LittleEndian.Uint32(b[48:])
}

// recordPlace returns the parent and self of an encoded record.
func recordPlace(b []byte) (parent, self uint32) {
	_ = b[recordSize-1]
	return binary.LittleEndian.Uint32(b[52:]), binary.LittleEndian.Uint32(b[56:])
}

// dirent is one name of a directory in a layer.
//
//	0  name   u32  offset in names
//	4  len    u16
//	6  flags  u16
//	8  inode  u32
type dirent struct {
	name  uint32
	len   uint16
	flags uint16
	inode uint32
}

const direntWhiteout = 1

func (d dirent) encode(b []byte) {
	le := binary.LittleEndian
	le.PutUint32(b[0:], d.name)
	le.PutUint16(b[4:], d.len)
	le.PutUint16(b[6:], d.flags)
	le.PutUint32(b[8:], d.inode)
}

func decodeDirent(b []byte) dirent {
	_ = b[direntSize-1]
	le := binary.LittleEndian
	return dirent{le.Uint32(b[0:]), le.Uint16(b[4:]), le.Uint16(b[6:]), le.Uint32(b[8:])}
}
