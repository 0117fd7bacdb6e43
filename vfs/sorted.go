package vfs

import (
	"cmp"
	"slices"
)

// owner marks which tree may change a piece of memory in place: the one whose
// owner it carries. Everything else is shared with a fork and is cloned first.
// Forking gives both sides a new owner, which freezes all that exists at once.
type owner struct{ _ byte }

// fanout bounds the entries of one node of a sorted map.
const fanout = 32

// sorted is an ordered map kept as a B+ tree whose copies share their nodes: a
// copy of the struct is a copy of the map. A change clones the nodes on the way
// to the key unless they carry the caller's owner already.
//
// Deleting frees a node when it is empty and never rebalances: the height is
// bounded by what was inserted, and maps here shrink only to vanish.
type sorted[K cmp.Ordered, V any] struct {
	root *node[K, V]
	n    int
}

// node is a leaf, with a value for each key, or a branch, with a child for each
// key: the child's keys are at least that key (but for the first child, which
// also takes all that is smaller).
type node[K cmp.Ordered, V any] struct {
	owner *owner
	keys  []K
	vals  []V
	kids  []*node[K, V]
}

func (s *sorted[K, V]) len() int { return s.n }

func (s *sorted[K, V]) get(k K) (v V, ok bool) {
	n := s.root
	if n == nil {
		return v, false
	}
	for n.kids != nil {
		n = n.kids[n.kidFor(k)]
	}
	if i, ok := slices.BinarySearch(n.keys, k); ok {
		return n.vals[i], true
	}
	return v, false
}

// set stores v under k.
func (s *sorted[K, V]) set(o *owner, k K, v V) {
	if s.root == nil {
		s.root = &node[K, V]{owner: o}
	}
	root, right, added := s.root.set(o, k, v)
	if right != nil {
		root = &node[K, V]{
			owner: o,
			keys:  []K{root.keys[0], right.keys[0]},
			kids:  []*node[K, V]{root, right},
		}
	}
	s.root = root
	if added {
		s.n++
	}
}

// delete removes k, if it is there.
func (s *sorted[K, V]) delete(o *owner, k K) {
	if _, ok := s.get(k); !ok {
		return
	}
	s.n--
	s.root = s.root.delete(o, k)
	for s.root != nil && len(s.root.kids) == 1 {
		s.root = s.root.kids[0]
	}
}

// cut removes all keys of at least from, of which there are n.
func (s *sorted[K, V]) cut(o *owner, from K, n int) {
	if n == 0 {
		return
	}
	s.n -= n
	s.root = s.root.cut(o, from)
	for s.root != nil && len(s.root.kids) == 1 {
		s.root = s.root.kids[0]
	}
}

// ascend calls yield for every entry with a key of at least from, in order,
// until it returns false.
func (s *sorted[K, V]) ascend(from K, yield func(K, V) bool) {
	if s.root != nil {
		s.root.ascend(from, yield)
	}
}

// all calls yield for every entry in order until it returns false.
func (s *sorted[K, V]) all(yield func(K, V) bool) {
	if s.root != nil {
		s.root.all(yield)
	}
}

func (n *node[K, V]) kidFor(k K) int {
	i, ok := slices.BinarySearch(n.keys, k)
	if !ok && i > 0 {
		i--
	}
	return i
}

func (n *node[K, V]) writable(o *owner) *node[K, V] {
	if n.owner == o {
		return n
	}
	c := &node[K, V]{owner: o}
	c.keys = append(make([]K, 0, len(n.keys)+1), n.keys...)
	if n.kids != nil {
		c.kids = append(make([]*node[K, V], 0, len(n.kids)+1), n.kids...)
	} else {
		c.vals = append(make([]V, 0, len(n.vals)+1), n.vals...)
	}
	return c
}

// set returns the node that takes n's place, the one split off to its right if
// it grew too large, and whether the key is new.
func (n *node[K, V]) set(o *owner, k K, v V) (self, right *node[K, V], added bool) {
	n = n.writable(o)
	if n.kids == nil {
		i, found := slices.BinarySearch(n.keys, k)
		if found {
			n.vals[i] = v
			return n, nil, false
		}
		n.keys = slices.Insert(n.keys, i, k)
		n.vals = slices.Insert(n.vals, i, v)
		return n, n.split(o), true
	}
	i := n.kidFor(k)
	kid, split, added := n.kids[i].set(o, k, v)
	n.kids[i] = kid
	n.keys[i] = kid.keys[0]
	if split != nil {
		n.keys = slices.Insert(n.keys, i+1, split.keys[0])
		n.kids = slices.Insert(n.kids, i+1, split)
	}
	return n, n.split(o), added
}

func (n *node[K, V]) split(o *owner) *node[K, V] {
	if len(n.keys) <= fanout {
		return nil
	}
	// Keys mostly come in ascending order, so the left half is kept fuller.
	at := fanout * 3 / 4
	right := &node[K, V]{owner: o, keys: slices.Clone(n.keys[at:])}
	clear(n.keys[at:])
	n.keys = n.keys[:at]
	if n.kids != nil {
		right.kids = slices.Clone(n.kids[at:])
		clear(n.kids[at:])
		n.kids = n.kids[:at]
	} else {
		right.vals = slices.Clone(n.vals[at:])
		clear(n.vals[at:])
		n.vals = n.vals[:at]
	}
	return right
}

// delete returns the node that takes n's place, nil if nothing is left of it.
func (n *node[K, V]) delete(o *owner, k K) *node[K, V] {
	n = n.writable(o)
	if n.kids == nil {
		if i, ok := slices.BinarySearch(n.keys, k); ok {
			n.keys = slices.Delete(n.keys, i, i+1)
			n.vals = slices.Delete(n.vals, i, i+1)
		}
	} else {
		i := n.kidFor(k)
		if kid := n.kids[i].delete(o, k); kid != nil {
			n.kids[i] = kid
		} else {
			n.keys = slices.Delete(n.keys, i, i+1)
			n.kids = slices.Delete(n.kids, i, i+1)
		}
	}
	if len(n.keys) == 0 {
		return nil
	}
	return n
}

// cut returns the node that takes n's place, nil if nothing is left of it.
func (n *node[K, V]) cut(o *owner, from K) *node[K, V] {
	n = n.writable(o)
	i, _ := slices.BinarySearch(n.keys, from)
	if n.kids == nil {
		clear(n.vals[i:])
		n.vals = n.vals[:i]
	} else {
		i = n.kidFor(from) + 1
		if kid := n.kids[i-1].cut(o, from); kid != nil {
			n.kids[i-1] = kid
		} else {
			i--
		}
		clear(n.kids[i:])
		n.kids = n.kids[:i]
	}
	clear(n.keys[i:])
	n.keys = n.keys[:i]
	if i == 0 {
		return nil
	}
	return n
}

func (n *node[K, V]) ascend(from K, yield func(K, V) bool) bool {
	if n.kids == nil {
		i, _ := slices.BinarySearch(n.keys, from)
		return n.each(i, yield)
	}
	i := n.kidFor(from)
	if !n.kids[i].ascend(from, yield) {
		return false
	}
	return n.each(i+1, yield)
}

func (n *node[K, V]) all(yield func(K, V) bool) bool { return n.each(0, yield) }

// each visits everything from the i-th entry or child on.
func (n *node[K, V]) each(i int, yield func(K, V) bool) bool {
	for ; i < len(n.keys); i++ {
		if n.kids != nil {
			if !n.kids[i].all(yield) {
				return false
			}
		} else if !yield(n.keys[i], n.vals[i]) {
			return false
		}
	}
	return true
}
