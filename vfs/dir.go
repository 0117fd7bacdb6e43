package vfs

import (
	"io/fs"
	"math"
	"strings"
	"syscall"
)

// directory is what a tree keeps of a directory that it made or changed: the
// names that differ from those of the layers beneath.
type directory struct {
	parent  uint64
	lower   *lowerDir // nil if nothing beneath shows
	names   sorted[string, name]
	order   sorted[uint64, string] // names by their turn
	turns   uint64                 // given out so far
	subdirs int
	removed bool // by rmdir, though still open
}

// name is what a name stands for; without an inode it hides one of the layers.
//
// Reading a directory goes through the names of the layers in order, then
// through the tree's own by turn, which is the order they were made in. So a
// cookie is a position that stays valid whatever happens to other names. A name
// that stands in for one of the layers has no turn: it is read in its place.
type name struct {
	ino  uint64
	typ  fs.FileMode
	turn uint64
}

func (f *FS) copyUpDir(ino uint64) (*directory, error) {
	lower, err := f.lower.dir(ino)
	if err != nil {
		return nil, err
	}
	subdirs, err := f.lower.subdirs(lower)
	return &directory{parent: lower.parent, lower: lower, subdirs: subdirs}, err
}

// child finds a name in a directory of the tree; ENOENT if it has none.
func (f *FS) child(dir uint64, s string) (uint64, fs.FileMode, error) {
	n := f.upper(dir)
	if n == nil {
		d, err := f.lower.dir(dir)
		if err != nil {
			return 0, 0, err
		}
		return f.lower.lookup(d, s)
	}
	if e, ok := n.dir.names.get(s); ok {
		if e.ino == 0 {
			return 0, 0, syscall.ENOENT
		}
		return e.ino, e.typ, nil
	}
	if n.dir.lower == nil {
		return 0, 0, syscall.ENOENT
	}
	return f.lower.lookup(n.dir.lower, s)
}

// parentOf returns the directory that a directory is in.
func (f *FS) parentOf(dir uint64) (uint64, error) {
	if n := f.upper(dir); n != nil {
		return n.dir.parent, nil
	}
	d, err := f.lower.dir(dir)
	if err != nil {
		return 0, err
	}
	return d.parent, nil
}

// enter makes a name stand for an inode, in place of what it stood for. The
// directory must have been made changeable.
func (f *FS) enter(dir *inode, s string, ino uint64, typ fs.FileMode) error {
	d := dir.dir
	if d.removed {
		return syscall.ENOENT
	}
	old, ok := d.names.get(s)
	if !ok || old.ino == 0 {
		if err := f.charge(nameCost+int64(len(s)), 0); err != nil {
			return err
		}
	}
	e := name{ino: ino, typ: typ, turn: old.turn}
	if !ok && !f.hides(d, s) {
		d.turns++
		e.turn = d.turns
		d.order.set(f.owner, e.turn, strings.Clone(s))
	}
	d.names.set(f.owner, strings.Clone(s), e)
	return nil
}

// leave takes a name away.
func (f *FS) leave(dir *inode, s string) {
	d := dir.dir
	old, ok := d.names.get(s)
	if ok && old.ino != 0 {
		f.refund(nameCost+int64(len(s)), 0)
	}
	if old.turn != 0 {
		d.order.delete(f.owner, old.turn)
	}
	if f.hides(d, s) {
		d.names.set(f.owner, strings.Clone(s), name{})
	} else {
		d.names.delete(f.owner, s)
	}
}

// hides reports whether the layers have that name.
func (f *FS) hides(d *directory, s string) bool {
	if d.lower == nil {
		return false
	}
	_, _, err := f.lower.lookup(d.lower, s)
	return err != syscall.ENOENT
}

// touch notes that the names of a directory changed.
func (n *inode) touch(now instant) { n.mtime, n.ctime = now, now }

// isEmpty reports whether a directory has no names.
func (f *FS) isEmpty(dir uint64) (bool, error) {
	ents, err := f.readNames(dir, 0, 1)
	return len(ents) == 0, err
}

// readNames returns up to max names of a directory from a position on; with max
// at most 0 all of them.
func (f *FS) readNames(dir, cookie uint64, max int) ([]DirEntry, error) {
	if max <= 0 {
		max = math.MaxInt
	}
	var lower *lowerDir
	var upper *directory
	if n := f.upper(dir); n != nil {
		upper, lower = n.dir, n.dir.lower
	} else {
		var err error
		if lower, err = f.lower.dir(dir); err != nil {
			return nil, err
		}
	}
	var list []lowerEntry
	if lower != nil {
		l, err := f.lower.list(lower)
		if err != nil {
			return nil, err
		}
		list = l.entries
	}
	ents := readLower(nil, list, upper, cookie, max)
	if upper != nil && len(ents) < max {
		ents = readUpper(ents, upper, uint64(len(list)), cookie, max)
	}
	return ents, nil
}

func readLower(ents []DirEntry, list []lowerEntry, upper *directory, cookie uint64, max int) []DirEntry {
	if cookie >= uint64(len(list)) {
		return ents
	}
	ents = make([]DirEntry, 0, min(max, len(list)-int(cookie)))
	for i := cookie; i < uint64(len(list)) && len(ents) < max; i++ {
		e := DirEntry{list[i].name, list[i].ino, list[i].typ, i + 1}
		if upper != nil {
			if own, ok := upper.names.get(e.Name); ok {
				if own.ino == 0 {
					continue
				}
				e.Ino, e.Type = own.ino, own.typ
			}
		}
		ents = append(ents, e)
	}
	return ents
}

func readUpper(ents []DirEntry, d *directory, lower, cookie uint64, max int) []DirEntry {
	// The name with turn t is at position lower+t-1.
	from := uint64(1)
	if cookie > lower {
		from = cookie - lower + 1
	}
	d.order.ascend(from, func(turn uint64, s string) bool {
		e, _ := d.names.get(s)
		ents = append(ents, DirEntry{s, e.ino, e.typ, lower + turn})
		return len(ents) < max
	})
	return ents
}
