package vfs

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Inode numbers. The root is 1; an inode of a layer has the layer's position
// plus one in the upper bits and its number in the layer in the lower ones; what
// a tree makes itself counts up from 2. So numbers depend on nothing but the
// layers and the order of changes.
const (
	rootIno   = 1
	firstIno  = 2
	layerBits = 40
)

func layerIno(layer int, inode uint32) uint64 {
	if inode == 0 {
		return rootIno
	}
	return uint64(layer+1)<<layerBits | uint64(inode)
}

// stack is what lies beneath a tree and all its forks: layers, seen as one. It
// is immutable but for what it remembers of merged directories, which are put
// together when first looked at, so that making a stack costs nothing per file.
type stack struct {
	layers []*Layer // lowest first
	root   *lowerDir
	// dirs remembers the merged directories, by the layer that is the topmost
	// to have one and its number there.
	dirs [][]atomic.Pointer[lowerDir]

	// unders are the stacks of the layers beneath each, where hard links into
	// them are resolved.
	unders    []atomic.Pointer[stack]
	borrowers func() (map[uint64][]place, error)
}

// lowerDir is a directory of a stack: the directories of the layers that make
// it up, topmost first.
type lowerDir struct {
	ino, parent uint64
	parts       []part
	names       atomic.Pointer[listing]
}

// part is a directory of one layer.
type part struct {
	layer int
	dir   uint32
}

// place is a name in a directory.
type place struct {
	dir  *lowerDir
	name string
}

// listing holds the names of a merged directory in order.
type listing struct {
	entries []lowerEntry
	subdirs int
}

type lowerEntry struct {
	name string
	ino  uint64
	typ  fs.FileMode
}

func newStack(layers []*Layer) *stack {
	s := &stack{
		layers: slices.Clone(layers),
		root:   &lowerDir{ino: rootIno, parent: rootIno},
		dirs:   make([][]atomic.Pointer[lowerDir], len(layers)),
		unders: make([]atomic.Pointer[stack], len(layers)),
	}
	s.borrowers = sync.OnceValues(s.findBorrowers)
	opaque := false
	for i, l := range slices.Backward(layers) {
		l.use()
		s.dirs[i] = make([]atomic.Pointer[lowerDir], l.dirs)
		if !opaque {
			s.root.parts = append(s.root.parts, part{i, 0})
		}
		r, err := l.inode(0)
		opaque = opaque || err != nil || r.flags&recordOpaque != 0
	}
	return s
}

// locate splits the number of a layer's inode.
func (s *stack) locate(ino uint64) (layer int, inode uint32, err error) {
	layer = int(ino>>layerBits) - 1
	if layer < 0 || layer >= len(s.layers) {
		return 0, 0, syscall.EIO
	}
	return layer, uint32(ino), nil
}

// record returns an inode of a layer, with the metadata a directory shows.
func (s *stack) record(ino uint64) (*Layer, record, error) {
	if ino == rootIno {
		return s.dirRecord(s.root)
	}
	i, inode, err := s.locate(ino)
	if err != nil {
		return nil, record{}, err
	}
	l := s.layers[i]
	r, err := l.inode(inode)
	if err == nil && r.flags&recordImplied != 0 && inode < l.dirs {
		if d := s.dirs[i][inode].Load(); d != nil {
			return s.dirRecord(d)
		}
	}
	return l, r, err
}

// dirRecord returns the record of the topmost layer that describes a directory,
// or of the topmost if none does.
func (s *stack) dirRecord(d *lowerDir) (*Layer, record, error) {
	for _, p := range d.parts {
		l := s.layers[p.layer]
		r, err := l.inode(p.dir)
		if err != nil || r.flags&recordImplied == 0 {
			return l, r, err
		}
	}
	r := record{mode: fs.ModeDir | 0o755}
	return nil, r, nil
}

// dir returns a directory that a lookup has found before.
func (s *stack) dir(ino uint64) (*lowerDir, error) {
	if ino == rootIno {
		return s.root, nil
	}
	i, inode, err := s.locate(ino)
	if err != nil {
		return nil, err
	}
	if inode < uint32(len(s.dirs[i])) {
		if d := s.dirs[i][inode].Load(); d != nil {
			return d, nil
		}
	}
	return nil, syscall.EIO
}

// lookup finds a name in a directory; ENOENT if it has none.
func (s *stack) lookup(d *lowerDir, name string) (uint64, fs.FileMode, error) {
	if d == s.root && name == Reserved {
		return 0, 0, syscall.ENOENT
	}
	for i, p := range d.parts {
		l := s.layers[p.layer]
		e, ok, err := l.find(p.dir, name)
		switch {
		case err != nil:
			return 0, 0, err
		case !ok:
			continue
		case e.flags&direntWhiteout != 0:
			return 0, 0, syscall.ENOENT
		}
		return s.child(d, i, name, e)
	}
	return 0, 0, syscall.ENOENT
}

// child returns what the dirent of a directory's i-th part stands for.
func (s *stack) child(d *lowerDir, i int, name string, e dirent) (uint64, fs.FileMode, error) {
	p := d.parts[i]
	l := s.layers[p.layer]
	if e.inode < l.dirs {
		ino := layerIno(p.layer, e.inode)
		if s.dirs[p.layer][e.inode].Load() != nil {
			return ino, fs.ModeDir, nil
		}
		return ino, fs.ModeDir, s.merge(d, i, name, e)
	}
	mode := l.mode(e.inode)
	if mode.IsRegular() {
		if r, err := l.inode(e.inode); err == nil && r.flags&recordBorrowed != 0 {
			return s.borrowed(p.layer, &r)
		}
	}
	return layerIno(p.layer, e.inode), mode.Type(), nil
}

// merge puts a directory together whose topmost part is the dirent e of the
// i-th part of d, and remembers it.
func (s *stack) merge(d *lowerDir, i int, name string, e dirent) error {
	top := part{d.parts[i].layer, e.inode}
	c := &lowerDir{ino: layerIno(top.layer, top.dir), parent: d.ino, parts: []part{top}}
	for at := top; ; {
		r, err := s.layers[at.layer].inode(at.dir)
		if err != nil {
			return err
		}
		if r.flags&recordOpaque != 0 {
			break
		}
		var ok bool
		if at, i, ok, err = s.beneath(d, i+1, name); err != nil {
			return err
		} else if !ok {
			break
		}
		c.parts = append(c.parts, at)
	}
	s.dirs[top.layer][top.dir].CompareAndSwap(nil, c)
	return nil
}

// beneath finds the next directory of that name in the parts of d from the i-th
// on, and which part has it.
func (s *stack) beneath(d *lowerDir, i int, name string) (part, int, bool, error) {
	for ; i < len(d.parts); i++ {
		p := d.parts[i]
		l := s.layers[p.layer]
		e, ok, err := l.find(p.dir, name)
		if err != nil {
			return part{}, i, false, err
		}
		if ok {
			isDir := e.flags&direntWhiteout == 0 && e.inode < l.dirs
			return part{p.layer, e.inode}, i, isDir, nil
		}
	}
	return part{}, i, false, nil
}

// borrowed follows a hard link into the layers beneath the one it is in. No
// symlink is followed.
func (s *stack) borrowed(layer int, r *record) (uint64, fs.FileMode, error) {
	target, err := s.layers[layer].target(r)
	if err != nil {
		return 0, 0, err
	}
	if checkEntryPath(target) != nil || target == "." {
		return 0, 0, syscall.EIO
	}
	under := s.unders[layer].Load()
	if under == nil {
		s.unders[layer].CompareAndSwap(nil, newStack(s.layers[:layer]))
		under = s.unders[layer].Load()
	}
	return under.resolve(target)
}

// resolve looks up a path of names only; the last must be no directory.
func (s *stack) resolve(p string) (ino uint64, typ fs.FileMode, err error) {
	d := s.root
	dirs, name := path.Split(p)
	for dir := range strings.SplitSeq(strings.TrimSuffix(dirs, "/"), "/") {
		if dir == "" {
			continue
		}
		if ino, typ, err = s.lookup(d, dir); err != nil {
			return 0, 0, err
		}
		if !typ.IsDir() {
			return 0, 0, syscall.ENOENT
		}
		if d, err = s.dir(ino); err != nil {
			return 0, 0, err
		}
	}
	if ino, typ, err = s.lookup(d, name); err == nil && typ.IsDir() {
		err = syscall.ENOENT
	}
	return ino, typ, err
}

// list returns the names of a directory in order. It is made once.
func (s *stack) list(d *lowerDir) (*listing, error) {
	if l := d.names.Load(); l != nil {
		return l, nil
	}
	l, err := s.makeListing(d)
	if err != nil {
		return nil, err
	}
	d.names.CompareAndSwap(nil, l)
	return d.names.Load(), nil
}

func (s *stack) makeListing(d *lowerDir) (*listing, error) {
	type candidate struct {
		name string // a view of the mapping
		part int
		e    dirent
	}
	var all []candidate
	for i, p := range d.parts {
		err := s.layers[p.layer].eachDirent(p.dir, func(name string, e dirent) {
			all = append(all, candidate{name, i, e})
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return strings.Compare(a.name, b.name) })
	l := &listing{entries: make([]lowerEntry, 0, len(all))}
	last := -1
	for i := range all {
		c := &all[i]
		if last >= 0 && all[last].name == c.name {
			continue
		}
		last = i
		if c.e.flags&direntWhiteout != 0 || d == s.root && c.name == Reserved {
			continue
		}
		ino, typ, err := s.child(d, c.part, c.name, c.e)
		if err == syscall.ENOENT {
			continue // a borrowed file that is nowhere
		}
		if err != nil {
			return nil, err
		}
		if typ.IsDir() {
			l.subdirs++
		}
		l.entries = append(l.entries, lowerEntry{strings.Clone(c.name), ino, typ})
	}
	return l, nil
}

// subdirs counts the directories in a directory.
func (s *stack) subdirs(d *lowerDir) (int, error) {
	if len(d.parts) == 0 {
		return 0, nil
	}
	if len(d.parts) == 1 && d != s.root {
		r, err := s.layers[d.parts[0].layer].inode(d.parts[0].dir)
		return int(r.subdirs), err
	}
	l, err := s.list(d)
	if err != nil {
		return 0, err
	}
	return l.subdirs, nil
}
