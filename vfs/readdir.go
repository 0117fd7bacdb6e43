package vfs

import (
	"io"
	"io/fs"
	"maps"
	"slices"
	"syscall"
)

// mountCookie is where the cookies of mounts begin that have no name in the
// directory beneath. It fits a 32-bit long, as telldir needs.
const mountCookie = 1 << 30

// ReadDirAt returns up to n entries of a directory, all if n is at most 0, from
// a cookie on: 0 is the beginning, and each entry says the cookie of what
// follows. No entries are the end. "." and ".." are not among them.
//
// A name that is there all the time while a directory is read is returned
// exactly once, whatever becomes of other names. In a mount, the names are
// those at the time that the cookie 0 was read.
func (f *File) ReadDirAt(cookie uint64, n int) (ents []DirEntry, err error) {
	err = f.run("readdir", func(d *description) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		ents, err = d.readDirAt(cookie, n)
		return err
	})
	return ents, err
}

func (d *description) readDirAt(cookie uint64, n int) ([]DirEntry, error) {
	if !d.spot.typ.IsDir() {
		return nil, syscall.ENOTDIR
	}
	d.fs.mu.RLock()
	defer d.fs.mu.RUnlock()
	var ents []DirEntry
	if cookie < mountCookie {
		var err error
		if ents, err = d.namesAt(cookie, n); err != nil {
			return nil, err
		}
	}
	if here := d.fs.begin(d.spot); here.point != nil {
		return d.fs.withMounts(here, ents, cookie, n)
	}
	return ents, nil
}

// namesAt reads names of the directory itself.
func (d *description) namesAt(cookie uint64, n int) ([]DirEntry, error) {
	if d.handle == nil {
		return d.fs.readNames(d.spot.ino, cookie, n)
	}
	if d.list == nil || cookie == 0 {
		list, err := d.handle.list()
		if err != nil {
			return nil, err
		}
		d.list = slices.Clone(list)
		for i := range d.list {
			d.list[i].Next = uint64(i) + 1
		}
	}
	if cookie >= uint64(len(d.list)) {
		return nil, nil
	}
	rest := d.list[cookie:]
	if n > 0 && n < len(rest) {
		rest = rest[:n]
	}
	return slices.Clone(rest), nil
}

// withMounts shows the mounts of the directory: in the place of the names that
// they cover, and after them where they cover nothing.
func (f *FS) withMounts(dir spot, ents []DirEntry, cookie uint64, n int) ([]DirEntry, error) {
	kids := dir.point.kids
	for i := range ents {
		if p := kids[ents[i].Name]; p != nil {
			if err := f.describe(&ents[i], p); err != nil {
				return nil, err
			}
		}
	}
	under := dir
	under.point = nil
	for i, name := range slices.Sorted(maps.Keys(kids)) {
		at := mountCookie + uint64(i)
		if at < cookie || n > 0 && len(ents) >= n {
			continue
		}
		if _, err := f.step(under, name); err == nil {
			continue
		}
		e := DirEntry{Name: name, Next: at + 1}
		if err := f.describe(&e, kids[name]); err != nil {
			return nil, err
		}
		ents = append(ents, e)
	}
	return ents, nil
}

// describe makes an entry that of a mount.
func (f *FS) describe(e *DirEntry, p *mountPoint) error {
	s, err := f.spotOf(p)
	if err != nil {
		return err
	}
	st, err := f.statSpot(s)
	e.Ino, e.Type = st.Ino, s.typ
	return err
}

// ReadDir reads the directory from the offset on and moves it, as os.File's
// does: n entries at most and io.EOF at the end, or all if n is at most 0. The
// order is that of ReadDirAt.
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) {
	var list []fs.DirEntry
	err := f.run("readdir", func(d *description) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		ents, err := d.readDirAt(uint64(d.off), n)
		if err != nil {
			return err
		}
		list = make([]fs.DirEntry, len(ents))
		for i, e := range ents {
			list[i] = dirEntry{f, e}
			d.off = int64(e.Next)
		}
		return nil
	})
	if err == nil && n > 0 && len(list) == 0 {
		return nil, io.EOF
	}
	return list, err
}

// dirEntry is a DirEntry as io/fs has it. Info is asked of the directory, so
// that must be open still.
type dirEntry struct {
	dir interface {
		StatAt(name string, at At) (Stat, error)
	}
	e DirEntry
}

func (d dirEntry) Name() string      { return d.e.Name }
func (d dirEntry) IsDir() bool       { return d.e.Type.IsDir() }
func (d dirEntry) Type() fs.FileMode { return d.e.Type }
func (d dirEntry) String() string    { return fs.FormatDirEntry(d) }

func (d dirEntry) Info() (fs.FileInfo, error) {
	s, err := d.dir.StatAt(d.e.Name, AtNoFollow)
	if err != nil {
		return nil, err
	}
	return s.FileInfo(), nil
}
