package vfs

import (
	"io/fs"
	"syscall"
	"time"
)

// refuses is what an external cannot do: changes fail with one error, and what
// belongs to other types of file with the error for that.
type refuses struct{ err syscall.Errno }

func (r refuses) readlink() (string, error)                        { return "", syscall.EINVAL }
func (r refuses) chmod(fs.FileMode) error                          { return r.err }
func (r refuses) chown(int, int) error                             { return r.err }
func (r refuses) chtimes(_, _ time.Time) error                     { return r.err }
func (r refuses) truncate(int64) error                             { return syscall.EINVAL }
func (r refuses) create(string, Flag, fs.FileMode) (handle, error) { return nil, r.err }
func (r refuses) mkdir(string, fs.FileMode) error                  { return r.err }
func (r refuses) remove(string, bool) error                        { return r.err }
func (r refuses) rename(string, external, string) error            { return r.err }
func (r refuses) link(external, string) error                      { return r.err }
func (r refuses) symlink(string, string) error                     { return r.err }
func (r refuses) above() (spot, error)                             { return spot{}, syscall.ENOTDIR }
func (r refuses) lookup(string) (external, fs.FileMode, error) {
	return nil, 0, syscall.ENOTDIR
}

// bridge is a directory that shows only because a mount lies below it.
type bridge struct {
	refuses
	point *mountPoint
}

func newBridge(p *mountPoint) bridge { return bridge{refuses{syscall.EROFS}, p} }

func (b bridge) mount() *mountPoint { return b.point }

func (b bridge) lookup(string) (external, fs.FileMode, error) { return nil, 0, syscall.ENOENT }

// above is not asked: the point of a bridge knows.
func (b bridge) above() (spot, error) { return b.point.fs.spotOf(b.point.up) }

func (b bridge) stat() (Stat, error) {
	t := b.point.made.time()
	return Stat{
		Mode: fs.ModeDir | 0o755, Ino: 1<<62 | b.point.serial, Dev: b.point.dev, Nlink: 2,
		Atime: t, Mtime: t, Ctime: t,
	}, nil
}

func (b bridge) open(Flag) (handle, error) { return fixedDir{ext: b}, nil }

// fixedDir is an open directory whose names never change.
type fixedDir struct {
	ext     external
	entries []DirEntry
}

func (d fixedDir) file() external                       { return d.ext }
func (d fixedDir) read([]byte) (int, error)             { return 0, syscall.EISDIR }
func (d fixedDir) write([]byte) (int, error)            { return 0, syscall.EBADF }
func (d fixedDir) readAt([]byte, int64) (int, error)    { return 0, syscall.EISDIR }
func (d fixedDir) writeAt([]byte, int64) (int, error)   { return 0, syscall.EBADF }
func (d fixedDir) seek(int64, int) (int64, error)       { return 0, syscall.EINVAL }
func (d fixedDir) truncate(int64) error                 { return syscall.EINVAL }
func (d fixedDir) allocate(int64) error                 { return syscall.ENODEV }
func (d fixedDir) setAppend(bool) error                 { return nil }
func (d fixedDir) list() ([]DirEntry, error)            { return d.entries, nil }
func (d fixedDir) sync() error                          { return nil }
func (d fixedDir) close() error                         { return nil }
func (d fixedDir) stat() (Stat, error)                  { return d.ext.stat() }
func (d fixedDir) chmod(perm fs.FileMode) error         { return d.ext.chmod(perm) }
func (d fixedDir) chown(uid, gid int) error             { return d.ext.chown(uid, gid) }
func (d fixedDir) chtimes(atime, mtime time.Time) error { return d.ext.chtimes(atime, mtime) }
