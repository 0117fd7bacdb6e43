package vfs

import (
	"io"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// File is an open file, directory or device. It stays usable when its name is
// renamed or removed. It is safe for concurrent use.
type File struct {
	d atomic.Pointer[description] // nil once closed
}

// description is what duplicates of a file share: POSIX's open file description.
type description struct {
	fs     *FS
	spot   spot
	handle handle // of a file in a mount
	name   string
	access Flag // O_RDONLY, O_WRONLY or O_RDWR

	mu     sync.Mutex // guards what follows
	append bool       // writes go to the end
	off    int64      // in the file; of a directory, the cookie
	refs   int
	list   []DirEntry // of a directory in a mount, as it was when reading began
}

// use returns the description of a file that is open.
func (f *File) use() (*description, error) {
	if d := f.d.Load(); d != nil {
		return d, nil
	}
	return nil, fs.ErrClosed
}

// run does an operation on the open file and says which file it was if it
// fails.
func (f *File) run(op string, do func(d *description) error) error {
	d, err := f.use()
	if err != nil {
		return pathError(op, "", err)
	}
	return pathError(op, d.name, do(d))
}

// Name returns the path that the file was opened by.
func (f *File) Name() string {
	if d := f.d.Load(); d != nil {
		return d.name
	}
	return ""
}

// Type returns the type bits of the file's mode.
func (f *File) Type() fs.FileMode {
	if d := f.d.Load(); d != nil {
		return d.spot.typ
	}
	return fs.ModeIrregular
}

// IsRoot reports whether the file is the root directory of its tree.
func (f *File) IsRoot() bool {
	d := f.d.Load()
	return d != nil && d.spot.isRoot()
}

// Dup returns another File of the same open file: they share offset and flags,
// and each is closed for itself. A closed file has closed duplicates.
func (f *File) Dup() *File {
	c := new(File)
	d := f.d.Load()
	if d == nil {
		return c
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refs > 0 {
		d.refs++
		c.d.Store(d)
	}
	return c
}

// Close closes the file. The last duplicate to be closed frees it.
func (f *File) Close() error {
	d := f.d.Swap(nil)
	if d == nil {
		return pathError("close", "", fs.ErrClosed)
	}
	d.mu.Lock()
	d.refs--
	last := d.refs == 0
	d.mu.Unlock()
	if !last {
		return nil
	}
	if d.handle != nil {
		return pathError("close", d.name, d.handle.close())
	}
	d.fs.closed(d.spot.ino)
	return nil
}

// closed counts an open file less and frees what has no name. A directory that
// was removed keeps the one it was in, for "..", which may have been removed
// too.
func (f *FS) closed(ino uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if f.open[ino]--; f.open[ino] > 0 {
			return
		}
		delete(f.open, ino)
		n, ok := f.orphans[ino]
		if !ok {
			return
		}
		delete(f.orphans, ino)
		f.refund(n.held(), 1)
		if n.dir == nil {
			return
		}
		ino = n.dir.parent
	}
}

// Flags returns the access mode and O_APPEND as they are now.
func (f *File) Flags() Flag {
	d := f.d.Load()
	if d == nil {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.append {
		return d.access | O_APPEND
	}
	return d.access
}

// SetFlags sets or clears O_APPEND; the other flags cannot change.
func (f *File) SetFlags(flag Flag) error {
	return f.run("fcntl", func(d *description) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.handle != nil {
			if err := d.handle.setAppend(flag&O_APPEND != 0); err != nil {
				return err
			}
		}
		d.append = flag&O_APPEND != 0
		return nil
	})
}

// Read reads up to len(p) bytes at the offset and moves it. At the end of the
// file it returns io.EOF.
func (f *File) Read(p []byte) (int, error) {
	d, err := f.use()
	if err != nil {
		return 0, pathError("read", "", err)
	}
	if d.handle == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		n, err := d.fs.readAt(d, p, d.off)
		d.off += int64(n)
		return d.done("read", n, len(p), err)
	}
	if !d.access.readable() {
		return 0, pathError("read", d.name, syscall.EBADF)
	}
	n, err := d.handle.read(p)
	return d.done("read", n, len(p), err)
}

// ReadAt reads len(p) bytes at an offset, or returns why it read less.
func (f *File) ReadAt(p []byte, off int64) (n int, err error) {
	d, err := f.use()
	switch {
	case err != nil:
		return 0, pathError("read", "", err)
	case off < 0:
		return 0, pathError("read", d.name, syscall.EINVAL)
	case d.handle == nil:
		n, err = d.fs.readAt(d, p, off)
	case !d.access.readable():
		err = syscall.EBADF
	default:
		n, err = d.handle.readAt(p, off)
	}
	if err == nil && n > 0 && n < len(p) {
		err = io.EOF
	}
	return d.done("read", n, len(p), err)
}

// done makes the results of a read those of an io.Reader.
func (d *description) done(op string, n, want int, err error) (int, error) {
	switch {
	case err == io.EOF || err == nil && n == 0 && want > 0:
		return n, io.EOF
	case err != nil:
		return n, pathError(op, d.name, err)
	}
	return n, nil
}

func (f *FS) readAt(d *description, p []byte, off int64) (int, error) {
	switch {
	case d.spot.typ.IsDir():
		return 0, syscall.EISDIR
	case !d.access.readable():
		return 0, syscall.EBADF
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if n := f.upper(d.spot.ino); n != nil {
		return n.data.readAt(p, off), nil
	}
	// A file that was never changed is copied straight out of its layer.
	l, r, err := f.lower.record(d.spot.ino)
	if err != nil {
		return 0, err
	}
	b, err := l.contents(&r)
	if err != nil || off >= int64(len(b)) {
		return 0, err
	}
	return copy(p, b[off:]), nil
}

// Write writes p at the offset, or at the end with O_APPEND, and moves the
// offset behind it.
func (f *File) Write(p []byte) (int, error) {
	d, err := f.use()
	if err != nil {
		return 0, pathError("write", "", err)
	}
	if d.handle != nil {
		if !d.access.writable() {
			return 0, pathError("write", d.name, syscall.EBADF)
		}
		n, err := d.handle.write(p)
		return n, pathError("write", d.name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n, end, err := d.fs.writeAt(d, p, d.off)
	if n > 0 {
		d.off = end
	}
	return n, pathError("write", d.name, err)
}

// WriteAt writes p at an offset; with O_APPEND at the end all the same, as
// pwrite does on Linux.
func (f *File) WriteAt(p []byte, off int64) (n int, err error) {
	d, err := f.use()
	if err != nil {
		return 0, pathError("write", "", err)
	}
	switch {
	case off < 0:
		err = syscall.EINVAL
	case d.handle == nil:
		d.mu.Lock()
		defer d.mu.Unlock()
		n, _, err = d.fs.writeAt(d, p, off)
	case !d.access.writable():
		err = syscall.EBADF
	default:
		n, err = d.handle.writeAt(p, off)
	}
	return n, pathError("write", d.name, err)
}

// writeAt writes and returns how much and where it ended.
func (f *FS) writeAt(d *description, p []byte, off int64) (n int, end int64, err error) {
	if !d.access.writable() {
		return 0, 0, syscall.EBADF
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(p) == 0 {
		return 0, off, nil
	}
	ino, err := f.change(d.spot.ino)
	if err != nil {
		return 0, 0, err
	}
	if d.append {
		off = ino.data.size
	}
	short := false
	if room := MaxFileSize - off; int64(len(p)) > room {
		if room <= 0 {
			return 0, 0, syscall.EFBIG
		}
		p, short = p[:room], true
	}
	n, err = ino.data.writeAt(f, p, off)
	if n > 0 {
		now := f.now()
		ino.mtime, ino.ctime = now, now
	}
	if err == nil && short {
		err = syscall.EFBIG
	}
	return n, off + int64(n), err
}

// Seek sets the offset, as lseek does. The offset of a directory is a cookie of
// [File.ReadDirAt], and can be set from the start only.
func (f *File) Seek(offset int64, whence int) (pos int64, err error) {
	err = f.run("seek", func(d *description) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.handle != nil && !d.spot.typ.IsDir() {
			pos, err = d.handle.seek(offset, whence)
			return err
		}
		pos, err = d.seek(offset, whence)
		return err
	})
	return pos, err
}

func (d *description) seek(offset int64, whence int) (int64, error) {
	base := int64(0)
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		base = d.off
	case io.SeekEnd:
		if d.spot.typ.IsDir() {
			return 0, syscall.EINVAL
		}
		s, err := d.stat()
		if err != nil {
			return 0, err
		}
		base = s.Size
	default:
		return 0, syscall.EINVAL
	}
	if offset > 0 && base > math.MaxInt64-offset {
		return 0, syscall.EOVERFLOW
	}
	if base+offset < 0 {
		return 0, syscall.EINVAL
	}
	d.off = base + offset
	return d.off, nil
}

// Truncate sets the size of a regular file.
func (f *File) Truncate(size int64) error {
	return f.run("truncate", func(d *description) error {
		switch {
		case !d.spot.typ.IsRegular() || !d.access.writable() || size < 0:
			return syscall.EINVAL
		case d.handle != nil:
			return d.handle.truncate(size)
		}
		d.fs.mu.Lock()
		defer d.fs.mu.Unlock()
		return d.fs.setSize(d.spot.ino, size)
	})
}

// Allocate makes sure that a regular file has at least off+length bytes, as
// posix_fallocate does. Within the tree's limits there is room for them; what
// has not been written stays a hole.
func (f *File) Allocate(off, length int64) error {
	return f.run("fallocate", func(d *description) error {
		switch {
		case !d.access.writable():
			return syscall.EBADF
		case off < 0 || length <= 0:
			return syscall.EINVAL
		case off > MaxFileSize || length > MaxFileSize-off:
			return syscall.EFBIG
		case !d.spot.typ.IsRegular():
			return syscall.ENODEV
		case d.handle != nil:
			return d.handle.allocate(off + length)
		}
		d.fs.mu.Lock()
		defer d.fs.mu.Unlock()
		return d.fs.allocate(d.spot.ino, off+length)
	})
}

func (f *FS) allocate(ino uint64, size int64) error {
	s, err := f.statInode(ino)
	if err != nil || s.Size >= size {
		return err
	}
	if size-s.Size > f.room() {
		return f.refuse()
	}
	return f.setSize(ino, size)
}

// Sync does what fsync does, for a file of a host directory.
func (f *File) Sync() error {
	return f.run("sync", func(d *description) error {
		if d.handle != nil {
			return d.handle.sync()
		}
		return nil
	})
}

// Stat describes the open file.
func (f *File) Stat() (s Stat, err error) {
	err = f.run("stat", func(d *description) error {
		s, err = d.stat()
		return err
	})
	return s, err
}

func (d *description) stat() (s Stat, err error) {
	if d.handle != nil {
		s, err = d.handle.stat()
	} else {
		d.fs.mu.RLock()
		defer d.fs.mu.RUnlock()
		s, err = d.fs.statInode(d.spot.ino)
	}
	s.Name = baseName(d.name)
	return s, err
}

// Chmod sets permissions, setuid, setgid and sticky bits.
func (f *File) Chmod(mode fs.FileMode) error {
	return f.change("chmod", setMode(mode), func(h handle) error { return h.chmod(permissions(mode)) })
}

// Chown sets the owner; -1 leaves one unchanged.
func (f *File) Chown(uid, gid int) error {
	return f.change("chown", setOwner(uid, gid), func(h handle) error { return h.chown(uid, gid) })
}

// Chtimes sets the times; a zero time.Time leaves one unchanged.
func (f *File) Chtimes(atime, mtime time.Time) error {
	return f.change("chtimes", setTimes(atime, mtime), func(h handle) error { return h.chtimes(atime, mtime) })
}

func (f *File) change(op string, tree func(n *inode), mount func(h handle) error) error {
	return f.run(op, func(d *description) error {
		d.fs.mu.Lock()
		defer d.fs.mu.Unlock()
		if d.handle != nil {
			return mount(d.handle)
		}
		return d.fs.setMetadata(d.spot.ino, tree)
	})
}
