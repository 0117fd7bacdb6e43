package wasi

// defaultMaxFiles bounds a process's descriptors where [Process.MaxFiles] does
// not; it is what Linux gives a process.
const defaultMaxFiles = 1024

// descriptor is what a number in the guest's hands stands for. The zero value
// is a free number.
type descriptor struct {
	*description
	base, inheriting rights
	preopen          *string // name of a pre-opened directory
}

// description is POSIX's open file description: what duplicates share.
type description struct {
	object
	flags fdflags
	refs  int
}

// table holds a process's descriptors, indexed by their numbers.
type table struct {
	entries []descriptor
	free    int // no number below it is free
	max     int
}

// lookup returns the descriptor fd.
func (t *table) lookup(fd uint32) (*descriptor, errno) {
	if uint64(fd) >= uint64(len(t.entries)) || t.entries[fd].description == nil {
		return nil, errnoBadf
	}
	return &t.entries[fd], 0
}

// full reports, before something is opened, that no number from min on is left
// for it.
func (t *table) full(min uint32) bool { return t.next(min) >= t.max }

func (t *table) next(min uint32) int {
	fd := max(t.free, int(min))
	for fd < len(t.entries) && t.entries[fd].description != nil {
		fd++
	}
	if int(min) <= t.free {
		t.free = fd
	}
	return fd
}

// insert gives d the lowest free number from min on. The caller has asked full.
func (t *table) insert(min uint32, d descriptor) uint32 {
	fd := t.next(min)
	t.put(uint32(fd), d)
	return uint32(fd)
}

// put makes fd, which must be free and below max, stand for d.
func (t *table) put(fd uint32, d descriptor) {
	for uint64(len(t.entries)) <= uint64(fd) {
		t.entries = append(t.entries, descriptor{})
	}
	d.refs++
	t.entries[fd] = d
}

// remove frees fd, which must be open, and closes what it stood for unless a
// duplicate is left.
func (t *table) remove(fd uint32) error {
	d := t.entries[fd]
	t.entries[fd] = descriptor{}
	t.free = min(t.free, int(fd))
	d.refs--
	if d.refs > 0 {
		return nil
	}
	return d.close()
}

// fd returns the descriptor that argument arg names if it has all the rights
// needed. Lack of access to the contents is EBADF, as in POSIX; of anything
// else, ENOTCAPABLE.
func (c call) fd(arg int, needed rights) (*descriptor, errno) {
	d, e := c.files.lookup(c.u32(arg))
	if e != 0 {
		return nil, e
	}
	if lacking := needed &^ d.base; lacking != 0 {
		return nil, d.lacks(lacking)
	}
	return d, 0
}

// lacks returns the error for using d without a right. A right that things of
// its type never have fails as the operation does in POSIX.
func (d *descriptor) lacks(lacking rights) errno {
	if inherent := lacking &^ d.rights(); inherent != 0 {
		return d.unfit(inherent)
	}
	if lacking&(rightFdRead|writeRights) != 0 {
		return errnoBadf
	}
	return errnoNotcapable
}

// room returns how many numbers are free.
func (t *table) room() int {
	used := 0
	for _, d := range t.entries {
		if d.description != nil {
			used++
		}
	}
	return t.max - used
}
