package vfs

import (
	"io/fs"
	"strings"
	"syscall"
)

// spot is a file that a lookup has reached: an inode of the tree, or something
// in a mount.
type spot struct {
	ino   uint64      // in the tree, if ext is nil
	ext   external    // in a mount
	typ   fs.FileMode // type bits
	point *mountPoint // if mounts are at or beneath this directory
}

// fromRoot is a start for lookups: the root as it then is.
var fromRoot spot

// begin returns the directory that a lookup starts at, with the mounts that lie
// in it now: it may have been opened before they were made.
func (f *FS) begin(start spot) spot {
	switch {
	case start.ext != nil:
	case start.ino == 0:
		start = f.root()
	case f.mounts == nil:
		start.point = nil
	default:
		start.point = f.mounts.byIno[start.ino]
	}
	return start
}

// found is the outcome of a lookup: the last component and the directory that
// it is in, whether it exists or not.
type found struct {
	spot   // what is there, if exists
	exists bool
	dir    spot   // holds name, if name is not empty
	name   string // "" if the path ended in ".", ".." or at the start
	ending string // the last component of such a path: ".", ".." or "/"
	slash  bool   // a slash followed the last component
}

func (f *FS) root() spot {
	s := spot{ino: rootIno, typ: fs.ModeDir}
	if f.mounts != nil {
		s.point = f.mounts.root
		if s.point.ext != nil {
			s.ext, s.typ = s.point.ext, s.point.typ
		}
	}
	return s
}

func (s spot) isRoot() bool {
	if s.point != nil {
		return s.point.up == nil
	}
	return s.ext == nil && s.ino == rootIno
}

// walker is one lookup under way.
type walker struct {
	fs      *FS
	start   spot
	cur     spot
	rest    string // of the path, targets of symlinks put in front of it
	beneath bool
	last    lastLink
	noSlash bool
	links   int // symlinks followed
	depth   int // beneath the start
	effort  int // of the host, for what was looked up in mounts
}

// maxEffort bounds the time that one lookup takes, some 20 ms: without, 40
// symlinks to the depths of a mount would take minutes.
// A path in a mount can have 127 components, more from an open directory on.
const maxEffort = 127 * 128 / 2

// lastLink says what becomes of a symlink that is the last component of a path.
// Anywhere else it is followed.
type lastLink int

const (
	followLast  lastLink = iota
	followSlash          // only if a slash comes after it
	keepLast             // never: the name is what matters, as in unlink

	// noSlash makes a slash after the last component EISDIR, as O_CREAT does
	// whatever is there.
	noSlash lastLink = 1 << 4
)

// walk looks up a path, starting at a directory. A missing last component is no
// error: the caller knows which it would be.
func (f *FS) walk(start spot, p string, last lastLink, at At) (found, error) {
	switch {
	case p == "":
		return found{}, syscall.ENOENT
	case len(p) >= MaxPath:
		return found{}, syscall.ENAMETOOLONG
	case strings.IndexByte(p, 0) >= 0:
		return found{}, syscall.EINVAL
	}
	start = f.begin(start)
	w := walker{fs: f, start: start, cur: start, rest: p, last: last &^ noSlash, noSlash: last&noSlash != 0, beneath: at&AtBeneath != 0}
	if p[0] == '/' {
		if w.beneath {
			return found{}, syscall.EPERM
		}
		w.cur = f.root()
	}
	return w.run()
}

func (w *walker) run() (found, error) {
	for {
		name, last, slash := w.next()
		if !w.cur.typ.IsDir() {
			return found{}, syscall.ENOTDIR
		}
		switch name {
		case "", ".":
			if last {
				return w.arrived(name, slash), nil
			}
			continue
		case "..":
			if err := w.up(); err != nil {
				return found{}, err
			}
			if last {
				return w.arrived(name, slash), nil
			}
			continue
		}
		if len(name) > MaxName {
			return found{}, syscall.ENAMETOOLONG
		}
		if last && slash && w.noSlash {
			return found{}, syscall.EISDIR
		}
		s, err := w.fs.step(w.cur, name)
		if err == syscall.ENOENT && last {
			return found{dir: w.cur, name: name, slash: slash}, nil
		}
		if err != nil {
			return found{}, err
		}
		if err := w.exert(effort(s)); err != nil {
			return found{}, err
		}
		if s.typ&fs.ModeSymlink != 0 && (!last || w.last == followLast || slash && w.last == followSlash) {
			if err := w.jump(s, last, slash); err != nil {
				return found{}, err
			}
			continue
		}
		if last {
			return found{spot: s, exists: true, dir: w.cur, name: name, slash: slash}, nil
		}
		w.cur = s
		w.depth++
	}
}

// exert counts what a step has cost the host.
func (w *walker) exert(effort int) error {
	if effort == 0 {
		return nil
	}
	if w.effort += effort; w.effort > maxEffort {
		return syscall.ENAMETOOLONG
	}
	if w.fs.over() {
		return syscall.EINTR
	}
	return nil
}

// next takes a component off the path. slash tells whether the last component
// had slashes after it.
func (w *walker) next() (name string, last, slash bool) {
	p := w.rest
	i := 0
	for i < len(p) && p[i] == '/' {
		i++
	}
	j := i
	for j < len(p) && p[j] != '/' {
		j++
	}
	k := j
	for k < len(p) && p[k] == '/' {
		k++
	}
	w.rest = p[k:]
	return p[i:j], k == len(p), k > j
}

func (w *walker) arrived(name string, slash bool) found {
	if name == "" {
		name = "/"
	}
	return found{spot: w.cur, exists: true, ending: name, slash: slash}
}

func (w *walker) up() error {
	if w.beneath && w.depth == 0 {
		// ".." of the root is the root, but a path given as such must not climb.
		if w.links == 0 || !w.start.isRoot() {
			return syscall.EPERM
		}
		return nil
	}
	w.depth--
	var err error
	w.cur, err = w.fs.above(w.cur)
	return err
}

// jump puts the target of a symlink in the place of its name.
func (w *walker) jump(link spot, last, slash bool) error {
	if w.links++; w.links > MaxSymlinks {
		return syscall.ELOOP
	}
	target, err := w.fs.readlink(link)
	if err != nil {
		return err
	}
	if target == "" {
		return syscall.ENOENT
	}
	if target[0] == '/' {
		if w.beneath && !w.start.isRoot() {
			return syscall.EPERM
		}
		w.cur = w.fs.root()
		w.depth = 0
	}
	switch {
	case !last:
		w.rest = target + "/" + w.rest
	case slash:
		w.rest = target + "/"
	default:
		w.rest = target
	}
	return nil
}

func (f *FS) readlink(s spot) (string, error) {
	if s.ext != nil {
		return s.ext.readlink()
	}
	if n := f.upper(s.ino); n != nil {
		return n.target, nil
	}
	l, r, err := f.lower.record(s.ino)
	if err != nil {
		return "", err
	}
	return l.target(&r)
}

// step finds a name in a directory; ENOENT if it has none.
func (f *FS) step(dir spot, name string) (s spot, err error) {
	var p *mountPoint
	if dir.point != nil {
		p = dir.point.kids[name]
		if p != nil && p.ext != nil {
			return p.spot(), nil
		}
	}
	if dir.ext != nil {
		s.ext, s.typ, err = dir.ext.lookup(name)
	} else {
		s.ino, s.typ, err = f.child(dir.ino, name)
	}
	if p != nil {
		// A mount lies below: there is a directory, whatever is beneath.
		if err != nil || !s.typ.IsDir() {
			s = spot{ext: newBridge(p), typ: fs.ModeDir}
		}
		s.point = p
		return s, nil
	}
	return s, err
}

// above returns the directory that a directory is in; the root is in itself.
func (f *FS) above(s spot) (spot, error) {
	if s.isRoot() {
		return s, nil
	}
	if s.point != nil {
		return f.spotOf(s.point.up)
	}
	if s.ext != nil {
		return s.ext.above()
	}
	ino, err := f.parentOf(s.ino)
	s = spot{ino: ino, typ: fs.ModeDir}
	if f.mounts != nil {
		s.point = f.mounts.byIno[ino]
	}
	return s, err
}

// spotOf returns the directory or mount that a mount point stands for.
func (f *FS) spotOf(p *mountPoint) (spot, error) {
	if p.up == nil {
		return f.root(), nil
	}
	if p.ext != nil {
		return p.spot(), nil
	}
	up, err := f.spotOf(p.up)
	if err != nil {
		return spot{}, err
	}
	return f.step(up, p.name)
}
