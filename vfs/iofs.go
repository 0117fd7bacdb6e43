package vfs

import (
	"io"
	"io/fs"
)

// IOFS returns the tree as an fs.FS, to read: for fs.WalkDir and matching. It
// follows symlinks as FS.Open does, and has fs.ReadLinkFS for those that must
// not be.
func (f *FS) IOFS() fs.FS { return ioFS{f} }

type ioFS struct{ fs *FS }

var (
	_ fs.ReadDirFS  = ioFS{}
	_ fs.ReadFileFS = ioFS{}
	_ fs.StatFS     = ioFS{}
	_ fs.ReadLinkFS = ioFS{}
)

// rooted turns a path of io/fs into one of the tree.
func rooted(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", pathError(op, name, fs.ErrInvalid)
	}
	if name == "." {
		return "/", nil
	}
	return "/" + name, nil
}

// as says the name that was asked for in an error.
func as(name string, err error) error {
	if e, ok := err.(*fs.PathError); ok {
		e.Path = name
	}
	return err
}

func (f ioFS) Open(name string) (fs.File, error) {
	p, err := rooted("open", name)
	if err != nil {
		return nil, err
	}
	file, err := f.fs.Open(p, O_RDONLY, 0)
	if err != nil {
		return nil, as(name, err)
	}
	return ioFile{file}, nil
}

func (f ioFS) ReadDir(name string) ([]fs.DirEntry, error) {
	p, err := rooted("readdir", name)
	if err != nil {
		return nil, err
	}
	list, err := f.fs.ReadDir(p)
	return list, as(name, err)
}

func (f ioFS) ReadFile(name string) ([]byte, error) {
	p, err := rooted("readfile", name)
	if err != nil {
		return nil, err
	}
	b, err := f.fs.ReadFile(p)
	return b, as(name, err)
}

func (f ioFS) Stat(name string) (fs.FileInfo, error)  { return f.info("stat", name, 0) }
func (f ioFS) Lstat(name string) (fs.FileInfo, error) { return f.info("lstat", name, AtNoFollow) }

func (f ioFS) info(op, name string, at At) (fs.FileInfo, error) {
	p, err := rooted(op, name)
	if err != nil {
		return nil, err
	}
	s, err := f.fs.StatAt(p, at)
	if err != nil {
		return nil, as(name, err)
	}
	return ioInfo(s), nil
}

func (f ioFS) ReadLink(name string) (string, error) {
	p, err := rooted("readlink", name)
	if err != nil {
		return "", err
	}
	target, err := f.fs.Readlink(p)
	return target, as(name, err)
}

// ioInfo calls the root what io/fs calls it.
func ioInfo(s Stat) fs.FileInfo {
	if s.Name == "/" {
		s.Name = "."
	}
	return s.FileInfo()
}

// ioFile is a File with the methods of io/fs.
type ioFile struct{ f *File }

var (
	_ fs.ReadDirFile = ioFile{}
	_ io.ReaderAt    = ioFile{}
	_ io.Seeker      = ioFile{}
)

func (f ioFile) Read(p []byte) (int, error)                { return f.f.Read(p) }
func (f ioFile) ReadAt(p []byte, off int64) (int, error)   { return f.f.ReadAt(p, off) }
func (f ioFile) Seek(off int64, whence int) (int64, error) { return f.f.Seek(off, whence) }
func (f ioFile) Close() error                              { return f.f.Close() }
func (f ioFile) ReadDir(n int) ([]fs.DirEntry, error)      { return f.f.ReadDir(n) }

func (f ioFile) Stat() (fs.FileInfo, error) {
	s, err := f.f.Stat()
	if err != nil {
		return nil, err
	}
	return ioInfo(s), nil
}
