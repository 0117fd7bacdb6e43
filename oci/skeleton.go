package oci

import (
	"errors"
	"io"
	"io/fs"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/vfs"
)

var errSkeleton = errors.New("oci: being written")

// Store is an OCI image layout in a directory, safe for use by many goroutines and processes.
type Store struct{ Limits Limits }

// Limits bound what an image may make this machine do. Zero means the default.
type Limits struct {
	LayerBytes int64 // of a layer's files, uncompressed
	LayerFiles int64
	Ratio      int64 // uncompressed to compressed bytes, beyond the first GiB
	Archive    int64 // bytes of an archive given to Load
}

func Open(dir string) (*Store, error)                                { return nil, errSkeleton }
func (s *Store) Dir() string                                         { return "" }
func (s *Store) Image(ref string) (v1.Image, error)                  { return nil, errSkeleton }
func (s *Store) Put(img v1.Image, refs ...string) (v1.Hash, error)   { return v1.Hash{}, errSkeleton }
func (s *Store) List() ([]Stored, error)                             { return nil, errSkeleton }
func (s *Store) Tag(src, dst string) error                           { return errSkeleton }
func (s *Store) Remove(ref string, o RemoveOptions) (Removed, error) { return Removed{}, errSkeleton }
func (s *Store) GC(keep ...v1.Image) (Freed, error)                  { return Freed{}, errSkeleton }
func (s *Store) Rootfs(img v1.Image) (*Rootfs, error)                { return nil, errSkeleton }
func (s *Store) Save(w io.Writer, refs ...string) error              { return errSkeleton }
func (s *Store) Load(r io.Reader) ([]Loaded, error)                  { return nil, errSkeleton }

// Stored is an image under one of its names.
type Stored struct {
	Name     string // full; empty if the image has none
	Digest   v1.Hash
	Platform v1.Platform
	Created  time.Time
	Size     int64 // compressed bytes of everything the image consists of
}

type RemoveOptions struct{ Force bool }
type Removed struct {
	Untagged []string
	Deleted  v1.Hash // zero: the image still has a name
}
type Freed struct {
	Blobs, Layers int
	Bytes         int64
}
type Loaded struct {
	Name   string
	Digest v1.Hash
}

// Rootfs is an image opened for use.
type Rootfs struct {
	Digest v1.Hash
	Config *v1.ConfigFile
	Layers []*vfs.Layer
}

func (r *Rootfs) FS() *vfs.FS  { return vfs.New(r.Layers...) }
func (r *Rootfs) Close() error { return errSkeleton }

type Compression int

const (
	Zstd Compression = iota
	Gzip
)

type LayerOptions struct {
	Compression Compression
	Dir         string // for the layer's temporary file
}

func NewLayer(changes []vfs.Change, o LayerOptions) (v1.Layer, error) { return nil, errSkeleton }

// Layout is a read-only OCI image layout. It is a v1.ImageIndex.
type Layout struct{ v1.ImageIndex }

func ReadLayout(fsys fs.FS) (*Layout, error)        { return nil, errSkeleton }
func (l *Layout) Find(ref string) (v1.Image, error) { return nil, errSkeleton }
func OpenLayoutRef(ref LayoutRef) (v1.Image, error) { return nil, errSkeleton }
func Validate(img v1.Image) error                   { return errSkeleton }
