package vfs

import (
	"io/fs"
	"time"
)

// Stat describes a file, as stat(2) does.
type Stat struct {
	Name     string      // the last component of the path it was asked by
	Mode     fs.FileMode // type, permissions, setuid, setgid, sticky
	Ino, Dev uint64
	Nlink    uint32
	UID, GID uint32
	Size     int64 // bytes of a regular file or of a symlink's target, else 0
	Atime    time.Time
	Mtime    time.Time
	Ctime    time.Time
	Rdev     uint64 // device number of a device
}

// IsDir reports whether it is a directory.
func (s Stat) IsDir() bool { return s.Mode.IsDir() }

// FileInfo returns s as an fs.FileInfo, whose Sys is the Stat.
func (s Stat) FileInfo() fs.FileInfo { return fileInfo{s} }

type fileInfo struct{ s Stat }

func (i fileInfo) Name() string       { return i.s.Name }
func (i fileInfo) Size() int64        { return i.s.Size }
func (i fileInfo) Mode() fs.FileMode  { return i.s.Mode }
func (i fileInfo) ModTime() time.Time { return i.s.Mtime }
func (i fileInfo) IsDir() bool        { return i.s.Mode.IsDir() }
func (i fileInfo) Sys() any           { return i.s }

// DirEntry is one name of a directory, as read by [File.ReadDirAt].
type DirEntry struct {
	Name string
	Ino  uint64
	Type fs.FileMode // type bits
	Next uint64      // cookie of the entry after this one
}
