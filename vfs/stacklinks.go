package vfs

import "strings"

// Hard links of a stack. A layer knows which of its names share an inode, but a
// layer above may hide some of them, or add more: so the link count that shows
// is found by looking each name up, for the few files that have several.

// nlink returns how many names of the stack stand for a layer's inode that is
// no directory.
func (s *stack) nlink(ino uint64) (uint32, error) {
	i, inode, err := s.locate(ino)
	if err != nil {
		return 0, err
	}
	r, err := s.layers[i].inode(inode)
	if err != nil {
		return 0, err
	}
	if r.nlink <= 1 && !s.lends(i) {
		return 1, nil
	}
	places, err := s.places(i, inode, &r)
	return uint32(max(len(places), 1)), err
}

// lends reports whether a layer above the given one has hard links into those
// beneath it.
func (s *stack) lends(layer int) bool {
	for _, l := range s.layers[layer+1:] {
		if l.borrowed > 0 {
			return true
		}
	}
	return false
}

// places returns the names that show and stand for an inode of a layer.
func (s *stack) places(layer int, inode uint32, r *record) ([]place, error) {
	ino := layerIno(layer, inode)
	var found []place
	err := s.layers[layer].linksOf(r, func(dir uint32, name string) {
		if d, ok := s.shown(layer, dir); ok {
			if got, _, err := s.lookup(d, name); err == nil && got == ino {
				found = append(found, place{d, strings.Clone(name)})
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if s.lends(layer) {
		more, err := s.borrowers()
		if err != nil {
			return nil, err
		}
		found = append(found, more[ino]...)
	}
	return found, nil
}

// shown returns the merged directory that a directory of a layer is part of,
// and whether there is one that shows it.
func (s *stack) shown(layer int, dir uint32) (*lowerDir, bool) {
	var names []string
	l := s.layers[layer]
	for dir != 0 {
		r, err := l.inode(dir)
		if err != nil || r.self >= l.dirents || len(names) > MaxPath {
			return nil, false
		}
		d := decodeDirent(l.ents[uint64(r.self)*direntSize:])
		name, ok := l.text(uint64(d.name), uint64(d.len))
		if !ok {
			return nil, false
		}
		names = append(names, name)
		dir = r.parent
	}
	d := s.root
	for i := len(names) - 1; i >= 0; i-- {
		ino, typ, err := s.lookup(d, names[i])
		if err != nil || !typ.IsDir() {
			return nil, false
		}
		if d, err = s.dir(ino); err != nil {
			return nil, false
		}
	}
	return d, true
}

// findBorrowers looks up every hard link from one layer into those beneath it
// and returns the names that show, by the inode they stand for.
func (s *stack) findBorrowers() (map[uint64][]place, error) {
	found := map[uint64][]place{}
	for i, l := range s.layers {
		for dir := uint32(0); l.borrowed > 0 && dir < l.dirs; dir++ {
			d, ok := s.shown(i, dir)
			if !ok {
				continue
			}
			err := l.eachDirent(dir, func(name string, e dirent) {
				if e.flags&direntWhiteout != 0 || e.inode < l.dirs {
					return
				}
				r, err := l.inode(e.inode)
				if err != nil || r.flags&recordBorrowed == 0 {
					return
				}
				want, _, err := s.borrowed(i, &r)
				if got, _, e := s.lookup(d, name); err == nil && e == nil && got == want {
					found[want] = append(found[want], place{d, strings.Clone(name)})
				}
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}
