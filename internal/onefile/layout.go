package onefile

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"

	"boxer.dev/vfs"
)

// Sizes of the library's structs, and where their fields lie (guest/guest.h).
const (
	treeSize  = 88
	inodeSize = 96
	entrySize = 12

	chunkSize  = 64 << 10
	defaultFDs = 1024
)

// layout is the tree in the making. Addresses in it are relative to the library's region, in which it lies at `at`.
type layout struct {
	at    uint32
	bytes []byte

	inodes []inode
	known  map[uint64]int // inodes of files with several names, by the tree's numbers
	packer packer
}

// inode is a file before it is laid down.
type inode struct {
	stat    vfs.Stat
	parent  int // number of the directory that it is in
	nlink   uint32
	entries []entry
	target  string
	content int // number of its contents
	fixed   bool
}

type entry struct {
	name string
	ino  int
}

func newLayout(at uint32) *layout {
	return &layout{at: at, known: map[uint64]int{}, packer: packer{known: map[[32]byte]int{}}}
}

// maxFile bounds a file, in bytes: the library counts in 32 bits.
const maxFile = math.MaxUint32 - 1<<20

// files takes in a tree, and the devices that every box has.
func (l *layout) files(tree *vfs.FS) error {
	root, err := tree.Lstat("/")
	if err != nil {
		return err
	}
	l.inodes = append(l.inodes, inode{stat: root, nlink: 2})
	return l.directory(tree, "/", 0)
}

// directory takes in what is in a directory.
func (l *layout) directory(tree *vfs.FS, dir string, number int) error {
	names, err := tree.ReadDir(dir)
	if err != nil {
		return err
	}
	if dir == "/" && !slices.ContainsFunc(names, func(e fs.DirEntry) bool { return e.Name() == "dev" }) {
		l.devices(number)
	}
	for _, e := range names {
		if dir == "/" && e.Name() == "dev" {
			l.devices(number)
			continue
		}
		ino, err := l.file(tree, path.Join(dir, e.Name()), number)
		if err != nil {
			return err
		}
		l.inodes[number].entries = append(l.inodes[number].entries, entry{e.Name(), ino})
	}
	slices.SortFunc(l.inodes[number].entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return nil
}

// file takes in one name and gives its inode.
func (l *layout) file(tree *vfs.FS, name string, parent int) (int, error) {
	stat, err := tree.Lstat(name)
	if err != nil {
		return 0, err
	}
	if ino, ok := l.known[stat.Ino]; ok && !stat.IsDir() {
		l.inodes[ino].nlink++
		return ino, nil
	}
	ino := len(l.inodes)
	n := inode{stat: stat, parent: parent, nlink: 1}
	switch {
	case stat.Mode.IsRegular():
		if stat.Size > maxFile {
			return 0, fmt.Errorf("%s has %d bytes, more than a module can hold", name, stat.Size)
		}
		n.content, err = l.packer.add(tree, name, stat.Size)
	case stat.Mode&fs.ModeSymlink != 0:
		n.target, err = tree.Readlink(name)
	case stat.IsDir():
		n.nlink = 2
		l.inodes[parent].nlink++
	default:
		n.stat.Rdev = 0 // a device of an image is none of the box's
	}
	if err != nil {
		return 0, err
	}
	l.inodes = append(l.inodes, n)
	if stat.IsDir() {
		return ino, l.directory(tree, name, ino)
	}
	l.known[stat.Ino] = ino
	return ino, nil
}

// devices adds /dev, as vfs.Devices has it.
func (l *layout) devices(root int) {
	dev := len(l.inodes)
	l.inodes[root].nlink++
	l.inodes[root].entries = append(l.inodes[root].entries, entry{"dev", dev})
	mtime := l.inodes[root].stat.Mtime
	l.inodes = append(l.inodes, inode{stat: vfs.Stat{Mode: fs.ModeDir | 0o755, Mtime: mtime}, parent: root, nlink: 2, fixed: true})
	for _, d := range []struct {
		name string
		perm fs.FileMode
		rdev uint64
	}{
		{"full", 0o666, 0x107}, {"null", 0o666, 0x103}, {"random", 0o666, 0x108}, {"stderr", 0o600, 0x8802},
		{"stdin", 0o600, 0x8800}, {"stdout", 0o600, 0x8801}, {"tty", 0o666, 0x500}, {"urandom", 0o666, 0x109}, {"zero", 0o666, 0x105},
	} {
		l.inodes[dev].entries = append(l.inodes[dev].entries, entry{d.name, len(l.inodes)})
		stat := vfs.Stat{Mode: fs.ModeDevice | fs.ModeCharDevice | d.perm, Rdev: d.rdev, Mtime: mtime}
		l.inodes = append(l.inodes, inode{stat: stat, parent: dev, nlink: 1})
	}
}

// here is the address of what comes next.
func (l *layout) here() uint32 { return l.at + uint32(len(l.bytes)) }

func (l *layout) align(to int) {
	for len(l.bytes)%to != 0 {
		l.bytes = append(l.bytes, 0)
	}
}

func (l *layout) put32(at int, values ...uint32) {
	for i, v := range values {
		binary.LittleEndian.PutUint32(l.bytes[at+4*i:], v)
	}
}

func (l *layout) put64(at int, v uint64) { binary.LittleEndian.PutUint64(l.bytes[at:], v) }

func (l *layout) text(s string) uint32 {
	at := l.here()
	l.bytes = append(l.bytes, s...)
	return at
}

// strings lays down strings with a NUL behind each.
func (l *layout) strings(list ...[]string) uint32 {
	at := l.here()
	for _, s := range slices.Concat(list...) {
		l.bytes = append(append(l.bytes, s...), 0)
	}
	return at
}

// start lays down struct tree and how the program is started, and behind it the inodes.
func (l *layout) start(b *Box, pages, most uint32, knowsDirectory bool) {
	l.bytes = make([]byte, treeSize)
	l.align(8)
	inodes := l.here()
	l.bytes = append(l.bytes, make([]byte, inodeSize*len(l.inodes))...)
	env := b.Env
	if !knowsDirectory && b.Dir != "/" && !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "PWD=") }) {
		env = append(slices.Clone(env), "PWD="+b.Dir)
	}
	var seen []string
	if b.Image != nil {
		seen = slices.Concat(b.Image.Files, b.Image.Absent)
	}
	l.put32(0, uint32(len(l.inodes)), inodes, l.strings(b.Fixed, b.Args), uint32(len(b.Fixed)), uint32(len(b.Args)))
	l.put32(20, l.strings(env), uint32(len(env)), l.text(b.Dir), uint32(len(b.Dir)), b.UID, b.GID)
	l.put32(44, l.strings(seen), uint32(len(seen)), l.strings([]string{b.Named}))
	if b.ReadOnly {
		l.put32(56, 1)
	}
	l.put32(60, uint32(min(b.Files, math.MaxUint32)))
	l.put64(64, uint64(b.Writable))
	fds := uint32(defaultFDs)
	if b.OpenFiles > 0 {
		fds = uint32(min(b.OpenFiles, defaultFDs))
	}
	l.put32(76, pages, most, fds)
}

// pack lays down the rest of the inodes, and gives the packed contents.
func (l *layout) pack() ([]byte, error) {
	packed, err := l.packer.pack()
	if err != nil {
		return nil, err
	}
	contents := make([]uint32, len(l.packer.contents))
	l.align(4)
	for i, c := range l.packer.contents {
		contents[i] = l.here()
		for _, start := range c.starts {
			l.bytes = binary.LittleEndian.AppendUint32(l.bytes, start)
		}
	}
	for i := range l.inodes {
		l.inode(i, contents)
	}
	l.align(16)
	l.put32(72, l.here())
	return packed, nil
}

// inode lays one down.
func (l *layout) inode(number int, contents []uint32) {
	n := &l.inodes[number]
	var size, content, count uint64
	switch {
	case n.stat.IsDir():
		content, count = uint64(l.directoryEntries(n.entries)), uint64(len(n.entries))
	case n.stat.Mode.IsRegular():
		size = uint64(n.stat.Size)
		content, count = uint64(contents[n.content]), size
	case n.target != "":
		size = uint64(len(n.target))
		content, count = uint64(l.text(n.target)), size
	}
	at := treeSize + inodeSize*number
	mtime := nanoseconds(n.stat)
	l.put64(at, size)
	for field := 8; field <= 24; field += 8 {
		l.put64(at+field, mtime)
	}
	if n.stat.Mode.IsRegular() {
		l.put64(at+32, size)
	}
	l.put32(at+40, mode(n.stat.Mode), n.nlink, n.stat.UID, n.stat.GID, uint32(n.stat.Rdev))
	l.put32(at+64, uint32(n.parent)+1, uint32(content), uint32(count))
	if n.fixed {
		l.put32(at+84, 1)
	}
}

func (l *layout) directoryEntries(entries []entry) uint32 {
	names := make([]uint32, len(entries))
	for i, e := range entries {
		names[i] = l.text(e.name)
	}
	l.align(4)
	at := l.here()
	for i, e := range entries {
		l.bytes = binary.LittleEndian.AppendUint32(l.bytes, names[i])
		l.bytes = binary.LittleEndian.AppendUint32(l.bytes, uint32(len(e.name)))
		l.bytes = binary.LittleEndian.AppendUint32(l.bytes, uint32(e.ino)+1)
	}
	return at
}

func nanoseconds(s vfs.Stat) uint64 {
	if s.Mtime.Unix() <= 0 || s.Mtime.Unix() > math.MaxInt64/1_000_000_000 {
		return 0
	}
	return uint64(s.Mtime.UnixNano())
}

// mode is st_mode.
func mode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for _, b := range []struct {
		mode fs.FileMode
		bit  uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&b.mode != 0 {
			bits |= b.bit
		}
	}
	switch m & fs.ModeType {
	case fs.ModeDir:
		return bits | 0o040000
	case fs.ModeSymlink:
		return bits | 0o120000
	case fs.ModeDevice | fs.ModeCharDevice:
		return bits | 0o020000
	case fs.ModeDevice:
		return bits | 0o060000
	case fs.ModeNamedPipe:
		return bits | 0o010000
	case fs.ModeSocket:
		return bits | 0o140000
	}
	return bits | 0o100000
}
