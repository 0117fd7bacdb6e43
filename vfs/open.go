package vfs

import (
	"io/fs"
	"syscall"
)

// openAt opens a path relative to a directory.
func (f *FS) openAt(start spot, p string, flag Flag, perm fs.FileMode, at At) (*File, error) {
	if flag&accessMode == accessMode || flag&(O_CREATE|O_DIRECTORY) == O_CREATE|O_DIRECTORY {
		return nil, syscall.EINVAL
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	excl := flag&(O_CREATE|O_EXCL) == O_CREATE|O_EXCL
	last := followLast
	switch {
	case excl:
		last = keepLast
	case flag&O_NOFOLLOW != 0 || at&AtNoFollow != 0:
		last = followSlash
	}
	if flag&O_CREATE != 0 {
		last |= noSlash
	}
	t, err := f.walk(start, p, last, at)
	if err != nil {
		return nil, err
	}
	if !t.exists {
		return f.openNew(t, p, flag, perm)
	}
	if err := checkOpen(&t, flag, excl); err != nil {
		return nil, err
	}
	return f.openSpot(t.spot, p, flag)
}

// checkOpen refuses what open(2) refuses of a file that exists.
func checkOpen(t *found, flag Flag, excl bool) error {
	switch {
	case excl:
		return syscall.EEXIST
	case t.typ&fs.ModeSymlink != 0 && flag&O_DIRECTORY == 0:
		return syscall.ELOOP
	case t.typ.IsDir():
		if flag.writable() || flag&(O_CREATE|O_TRUNC) != 0 {
			return syscall.EISDIR
		}
	case t.slash || flag&O_DIRECTORY != 0:
		return syscall.ENOTDIR
	}
	return nil
}

func (f *FS) openSpot(s spot, p string, flag Flag) (*File, error) {
	if s.ext != nil {
		h, err := s.ext.open(flag)
		if err != nil {
			return nil, err
		}
		return f.newFile(spot{ext: h.file(), typ: s.typ, point: s.point}, h, p, flag), nil
	}
	if !s.typ.IsDir() && !s.typ.IsRegular() {
		return nil, syscall.ENXIO // a device or fifo that came with a layer
	}
	if flag.writable() && f.config.ReadOnly {
		return nil, syscall.EROFS
	}
	if flag&O_TRUNC != 0 && s.typ.IsRegular() {
		if err := f.setSize(s.ino, 0); err != nil {
			return nil, err
		}
	}
	f.open[s.ino]++
	return f.newFile(s, nil, p, flag), nil
}

// openNew makes a regular file and opens it.
func (f *FS) openNew(t found, p string, flag Flag, perm fs.FileMode) (*File, error) {
	if flag&O_CREATE == 0 {
		return nil, syscall.ENOENT
	}
	dir, err := f.solid(t.dir)
	if err != nil {
		return nil, err
	}
	if dir.ext != nil {
		h, err := dir.ext.create(t.name, flag, permissions(perm))
		if err != nil {
			return nil, err
		}
		return f.newFile(spot{ext: h.file()}, h, p, flag), nil
	}
	ino, err := f.makeFile(dir.ino, t.name, perm)
	if err != nil {
		return nil, err
	}
	f.open[ino]++
	return f.newFile(spot{ino: ino}, nil, p, flag), nil
}

func (f *FS) newFile(s spot, h handle, p string, flag Flag) *File {
	o := &struct {
		File
		description
	}{}
	o.description.fs = f
	o.description.spot = s
	o.description.handle = h
	o.description.name = p
	o.description.access = flag & accessMode
	o.description.append = flag&O_APPEND != 0
	o.description.refs = 1
	o.File.d.Store(&o.description)
	return &o.File
}
