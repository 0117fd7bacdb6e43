package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

var errSkeleton = errors.New("vfs: being written")

type FS struct{}
type Config struct {
	Now    func() time.Time
	Limits Limits
}
type Limits struct{ Bytes, Files int64 }

func New(layers ...*Layer) *FS        { return &FS{} }
func (f *FS) Fork() *FS               { return f }
func (f *FS) Configure(c Config)      {}
func (f *FS) Root() *File             { return nil }
func (f *FS) Unmount(at string) error { return errSkeleton }
func (f *FS) IOFS() fs.FS             { return nil }

type Source interface{ source() }
type MountOptions struct{ ReadOnly bool }
type DeviceSet struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Random         io.Reader
	Terminal       bool
}

func HostDir(root *os.Root, readOnly bool) Source                          { return nil }
func HostFile(root *os.Root, name string, readOnly bool) Source            { return nil }
func Devices(d DeviceSet) Source                                           { return nil }
func (f *FS) Mount(at string, src Source, opts MountOptions) error         { return errSkeleton }
func (f *FS) Open(name string, flag Flag, perm fs.FileMode) (*File, error) { return nil, errSkeleton }
func (f *FS) Stat(name string) (Stat, error)                               { return Stat{}, errSkeleton }
func (f *FS) Lstat(name string) (Stat, error)                              { return Stat{}, errSkeleton }
func (f *FS) ReadFile(name string) ([]byte, error)                         { return nil, errSkeleton }
func (f *FS) WriteFile(name string, data []byte, perm fs.FileMode) error   { return errSkeleton }
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error)                   { return nil, errSkeleton }
func (f *FS) Mkdir(name string, perm fs.FileMode) error                    { return errSkeleton }
func (f *FS) MkdirAll(name string, perm fs.FileMode) error                 { return errSkeleton }
func (f *FS) Remove(name string) error                                     { return errSkeleton }
func (f *FS) RemoveAll(name string) error                                  { return errSkeleton }
func (f *FS) Rename(oldname, newname string) error                         { return errSkeleton }
func (f *FS) Link(oldname, newname string) error                           { return errSkeleton }
func (f *FS) Symlink(target, name string) error                            { return errSkeleton }
func (f *FS) Readlink(name string) (string, error)                         { return "", errSkeleton }
func (f *FS) Chmod(name string, mode fs.FileMode) error                    { return errSkeleton }
func (f *FS) Chown(name string, uid, gid int) error                        { return errSkeleton }
func (f *FS) Lchown(name string, uid, gid int) error                       { return errSkeleton }
func (f *FS) Chtimes(name string, atime, mtime time.Time) error            { return errSkeleton }
func (f *FS) Truncate(name string, size int64) error                       { return errSkeleton }

type File struct{}

func (f *File) Name() string                                       { return "" }
func (f *File) Read(p []byte) (int, error)                         { return 0, errSkeleton }
func (f *File) ReadAt(p []byte, off int64) (int, error)            { return 0, errSkeleton }
func (f *File) Write(p []byte) (int, error)                        { return 0, errSkeleton }
func (f *File) WriteAt(p []byte, off int64) (int, error)           { return 0, errSkeleton }
func (f *File) Seek(offset int64, whence int) (int64, error)       { return 0, errSkeleton }
func (f *File) Truncate(size int64) error                          { return errSkeleton }
func (f *File) Allocate(off, length int64) error                   { return errSkeleton }
func (f *File) Sync() error                                        { return errSkeleton }
func (f *File) Close() error                                       { return errSkeleton }
func (f *File) Dup() *File                                         { return f }
func (f *File) Flags() Flag                                        { return 0 }
func (f *File) SetFlags(flag Flag) error                           { return errSkeleton }
func (f *File) Stat() (Stat, error)                                { return Stat{}, errSkeleton }
func (f *File) Chmod(mode fs.FileMode) error                       { return errSkeleton }
func (f *File) Chown(uid, gid int) error                           { return errSkeleton }
func (f *File) Chtimes(atime, mtime time.Time) error               { return errSkeleton }
func (f *File) ReadDir(n int) ([]fs.DirEntry, error)               { return nil, errSkeleton }
func (f *File) ReadDirAt(cookie uint64, n int) ([]DirEntry, error) { return nil, errSkeleton }
func (f *File) OpenAt(name string, flag Flag, perm fs.FileMode, at At) (*File, error) {
	return nil, errSkeleton
}
func (f *File) StatAt(name string, at At) (Stat, error)            { return Stat{}, errSkeleton }
func (f *File) MkdirAt(name string, perm fs.FileMode, at At) error { return errSkeleton }
func (f *File) UnlinkAt(name string, at At) error                  { return errSkeleton }
func (f *File) RmdirAt(name string, at At) error                   { return errSkeleton }
func (f *File) RenameAt(oldname string, dir *File, newname string, at At) error {
	return errSkeleton
}
func (f *File) LinkAt(oldname string, dir *File, newname string, at At) error {
	return errSkeleton
}
func (f *File) SymlinkAt(target, name string, at At) error                 { return errSkeleton }
func (f *File) ReadlinkAt(name string, at At) (string, error)              { return "", errSkeleton }
func (f *File) ChmodAt(name string, mode fs.FileMode, at At) error         { return errSkeleton }
func (f *File) ChownAt(name string, uid, gid int, at At) error             { return errSkeleton }
func (f *File) ChtimesAt(name string, atime, mtime time.Time, at At) error { return errSkeleton }

// Entry is one file of a layer: what a tar header says.
type Entry struct {
	Path     string      // clean and relative; "." is the root
	Mode     fs.FileMode // type and permissions
	UID, GID uint32
	ModTime  time.Time
	Size     int64  // of a regular file
	Symlink  string // target of a symlink
	HardLink string // path of the file that this one is another name of
	Whiteout bool   // the path does not exist in the layers beneath
	Opaque   bool   // a directory of which nothing in the layers beneath shows
	Rdev     uint64 // device number of a device
}
type Change struct{ Entry }

func (c Change) Open() (io.ReadCloser, error) { return nil, errSkeleton }
func Diff(old, new *FS) ([]Change, error)     { return nil, errSkeleton }

type Layer struct{}

func OpenLayer(file string) (*Layer, error) { return nil, errSkeleton }
func (l *Layer) Close() error               { return errSkeleton }

type LayerWriter struct{}

func CreateLayer(file string) (*LayerWriter, error)      { return nil, errSkeleton }
func (w *LayerWriter) Add(e Entry, data io.Reader) error { return errSkeleton }
func (w *LayerWriter) Close() error                      { return errSkeleton }
func (w *LayerWriter) Abort() error                      { return errSkeleton }
