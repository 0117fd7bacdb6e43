package vfs

import (
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"
)

// A Source is what can be mounted: see [HostDir], [HostFile], [Subtree] and
// [Devices].
type Source interface {
	// attach returns the root of the mount and its type.
	attach(m *mountPoint) (external, fs.FileMode, error)
}

// MountOptions modify a mount. The zero value works.
type MountOptions struct {
	ReadOnly bool // whatever the source allows

	// Owner, if not nil, is whom all files of a host directory seem to belong to.
	// Changing the owner of one of them then does nothing.
	Owner *Owner

	// Stable, if not nil, hides what of a host directory differs from one time to the next: files that have changed since
	// Begin seem to have the time Shown, others to have been read and made when they were last written, and inode numbers
	// follow from paths, so that hard links and renamed files have others.
	Stable *Stable
}

// Stable says which times a stable mount shows.
type Stable struct{ Begin, Shown time.Time }

// Owner is a user and a group.
type Owner struct{ UID, GID uint32 }

// external is a file that is not of the tree but of a mount. Operations on
// names get a valid single component; perms hold permission bits alone.
type external interface {
	mount() *mountPoint
	stat() (Stat, error)
	readlink() (string, error)
	open(flag Flag) (handle, error)
	chmod(perm fs.FileMode) error
	chown(uid, gid int) error
	chtimes(atime, mtime time.Time) error
	truncate(size int64) error

	// Of directories.
	above() (spot, error)
	lookup(name string) (external, fs.FileMode, error)
	create(name string, flag Flag, perm fs.FileMode) (handle, error)
	mkdir(name string, perm fs.FileMode) error
	remove(name string, dir bool) error
	rename(name string, to external, newname string) error
	link(old external, name string) error
	symlink(target, name string) error
}

// handle is an open file of a mount.
type handle interface {
	file() external // what is open; a directory is one that survives being renamed
	read(p []byte) (int, error)
	write(p []byte) (int, error)
	readAt(p []byte, off int64) (int, error)
	writeAt(p []byte, off int64) (int, error)
	seek(off int64, whence int) (int64, error)
	truncate(size int64) error
	allocate(size int64) error // make the file at least that large
	setAppend(on bool) error
	list() ([]DirEntry, error) // without cookies
	sync() error
	close() error
	stat() (Stat, error)
	chmod(perm fs.FileMode) error
	chown(uid, gid int) error
	chtimes(atime, mtime time.Time) error
}

// mounts is the mount table of a tree: the names on the way to every mount.
type mounts struct {
	root   *mountPoint
	byIno  map[uint64]*mountPoint // by the directory of the tree beneath them
	count  uint64                 // of the last mount: its device number
	serial uint64                 // of the last point
}

// mountPoint is a name on the way to a mount, or of one.
type mountPoint struct {
	fs       *FS
	name     string
	up       *mountPoint // nil at the root
	kids     map[string]*mountPoint
	ext      external // the root of what is mounted here; nil on the way
	typ      fs.FileMode
	dev      uint64
	readOnly bool
	owner    *Owner
	stable   *Stable
	made     instant
	serial   uint64
	ino      uint64 // of the directory of the tree beneath it, 0 if none
}

func (p *mountPoint) spot() spot { return spot{ext: p.ext, typ: p.typ, point: p} }

// Mount puts a source at a path, over whatever is there; symlinks on the way
// are followed. It is an entry of the mount table and not of the tree: Diff and
// Fork do not see it. What is missing on the way shows as directories while it
// is mounted, and only becomes real if something is made in them. A mounted
// name and those on the way to it cannot be removed or renamed (EBUSY).
func (f *FS) Mount(at string, src Source, opts MountOptions) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return pathError("mount", at, f.mount(at, src, opts))
}

func (f *FS) mount(at string, src Source, opts MountOptions) error {
	if !strings.HasPrefix(at, "/") {
		return syscall.EINVAL
	}
	table := f.mounts
	if table == nil {
		table = &mounts{byIno: map[uint64]*mountPoint{}, count: treeDev}
		table.root = &mountPoint{fs: f, ino: rootIno, dev: treeDev, made: f.now()}
		table.byIno[rootIno] = table.root
		f.mounts = table
	}
	p, err := f.mountPoint(at)
	if err != nil {
		f.mounts.prune(p)
		return err
	}
	if p.ext != nil {
		return syscall.EBUSY
	}
	p.dev, p.readOnly, p.owner, p.stable = table.count+1, opts.ReadOnly, opts.Owner, opts.Stable
	p.ext, p.typ, err = src.attach(p)
	if err != nil {
		p.ext = nil
		table.prune(p)
		return err
	}
	table.count++
	return nil
}

// mountPoint makes the points on the way to a path. A symlink is followed as
// long as what it leads to exists; the rest of the path is taken as it is.
func (f *FS) mountPoint(at string) (*mountPoint, error) {
	clean, err := f.canonical(at)
	if err != nil {
		return f.mounts.root, err
	}
	p, cur := f.mounts.root, f.root()
	for name := range strings.SplitSeq(strings.TrimPrefix(clean, "/"), "/") {
		if name == "" {
			break
		}
		if len(name) > MaxName {
			return p, syscall.ENAMETOOLONG
		}
		next, err := f.step(cur, name)
		kid := p.kids[name]
		if kid == nil {
			f.mounts.serial++
			kid = &mountPoint{fs: f, name: name, up: p, dev: p.dev, made: f.now(), serial: f.mounts.serial}
			if p.kids == nil {
				p.kids = map[string]*mountPoint{}
			}
			p.kids[name] = kid
		}
		p = kid
		switch {
		case err == syscall.ENOENT || err == syscall.ENOTDIR:
			cur = spot{ext: newBridge(p), typ: fs.ModeDir, point: p}
		case err != nil:
			return p, err
		default:
			cur = next
			cur.point = p
			if cur.ext == nil && cur.typ.IsDir() {
				p.ino = cur.ino
				f.mounts.byIno[cur.ino] = p
			}
		}
	}
	return p, nil
}

// canonical resolves the symlinks of the part of a path that exists.
func (f *FS) canonical(p string) (string, error) {
	p = path.Clean(p)
	done, rest := "/", strings.TrimPrefix(p, "/")
	for links := 0; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		t, err := f.walk(f.root(), path.Join(done, name), keepLast, 0)
		if err == syscall.ENOTDIR {
			return "", err
		}
		if err != nil || !t.exists {
			return path.Join(done, name, rest), nil
		}
		if t.typ&fs.ModeSymlink == 0 {
			done = path.Join(done, name)
			continue
		}
		if links++; links > MaxSymlinks {
			return "", syscall.ELOOP
		}
		target, err := f.readlink(t.spot)
		if err != nil {
			return "", err
		}
		if !strings.HasPrefix(target, "/") {
			target = path.Join(done, target)
		}
		done, rest = "/", strings.TrimPrefix(path.Join(target, rest), "/")
	}
	return done, nil
}

// Unmount takes away what is mounted at a path. Files that are open in it stay
// open; other mounts inside it are EBUSY.
func (f *FS) Unmount(at string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.walk(f.root(), at, followLast, 0)
	switch {
	case err != nil:
	case !t.exists:
		err = syscall.ENOENT
	case t.point == nil || t.point.ext == nil:
		err = syscall.EINVAL
	case len(t.point.kids) > 0:
		err = syscall.EBUSY
	default:
		t.point.ext, t.point.dev = nil, treeDev
		f.mounts.prune(t.point)
		if f.mounts.root.ext == nil && len(f.mounts.root.kids) == 0 {
			f.mounts = nil
		}
	}
	return pathError("unmount", at, err)
}

// prune forgets points that lead to no mount.
func (m *mounts) prune(p *mountPoint) {
	for p.up != nil && p.ext == nil && len(p.kids) == 0 {
		delete(p.up.kids, p.name)
		if m.byIno[p.ino] == p {
			delete(m.byIno, p.ino)
		}
		p = p.up
	}
}

// below returns the point for a path in a mount, if mounts lie there.
func (p *mountPoint) below(rel string) *mountPoint {
	if rel == "." {
		return p
	}
	for name := range strings.SplitSeq(rel, "/") {
		if p = p.kids[name]; p == nil {
			return nil
		}
	}
	return p
}

// busy reports whether a name of a directory is a mount or leads to one.
func (s spot) busy(name string) bool {
	return s.point != nil && s.point.kids[name] != nil
}

// solid returns a directory that names can be made in: one that only shows
// because a mount lies below is made for real.
func (f *FS) solid(dir spot) (spot, error) {
	b, ok := dir.ext.(bridge)
	if !ok {
		return dir, nil
	}
	up, err := f.spotOf(b.point.up)
	if err != nil {
		return dir, err
	}
	if up, err = f.solid(up); err != nil {
		return dir, err
	}
	if up.ext != nil {
		if err := up.ext.mkdir(b.point.name, 0o755); err != nil {
			return dir, err
		}
	} else {
		ino, err := f.makeDir(up.ino, b.point.name, 0o755)
		if err != nil {
			return dir, err
		}
		b.point.ino = ino
		f.mounts.byIno[ino] = b.point
	}
	return f.step(up, b.point.name)
}
