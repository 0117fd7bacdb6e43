package oci

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/vfs"
)

// LayerOptions say how NewLayer works.
type LayerOptions struct {
	Compression Compression
	// Dir is where the layer's content is kept; empty: the system's directory for temporary files. Store.TempDir is on
	// the same disk as the store.
	Dir string
}

// NewLayer makes a layer of changes (OCI image-spec, layer.md). The same changes give the same bytes, in whatever order they
// come, on any machine. Content is streamed to a file that has no name and goes away with the layer.
func NewLayer(changes []vfs.Change, o LayerOptions) (v1.Layer, error) {
	file, err := createUnnamed(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("making layer: %w", err)
	}
	layer := &spooledLayer{file: file, compression: o.Compression}
	if err := layer.write(inTarOrder(changes)); err != nil {
		file.Close()
		return nil, fmt.Errorf("making layer: %w", err)
	}
	return layer, nil
}

// WriteTar writes all files of a tree as a tar archive. The same tree gives the same bytes.
func WriteTar(w io.Writer, tree *vfs.FS) error {
	changes, err := vfs.Diff(vfs.New(), tree)
	if err != nil {
		return fmt.Errorf("listing files: %w", err)
	}
	return WriteChanges(w, changes)
}

// WriteChanges writes a tar archive of entries, in whatever order they come; whiteouts in the form that layers have them in.
func WriteChanges(w io.Writer, changes []vfs.Change) error {
	if err := writeTar(w, inTarOrder(changes)); err != nil {
		return fmt.Errorf("writing tar archive: %w", err)
	}
	return nil
}

// TempDir is a directory for LayerOptions.Dir.
func (s *Store) TempDir() string { return s.tempDir() }

// inTarOrder sorts by path. Further names of a file come last, so that the file is there first.
func inTarOrder(changes []vfs.Change) []vfs.Change {
	sorted := slices.Clone(changes)
	slices.SortStableFunc(sorted, func(a, b vfs.Change) int {
		if (a.HardLink == "") != (b.HardLink == "") {
			if a.HardLink == "" {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Path, b.Path)
	})
	return sorted
}

// spooledLayer is a layer whose compressed content is in an open file.
type spooledLayer struct {
	file        *os.File // closed when the layer is garbage
	size        int64
	digest      v1.Hash
	diffID      v1.Hash
	compression Compression
}

// write makes content and both digests in one pass.
func (l *spooledLayer) write(changes []vfs.Change) error {
	return l.compress(func(w io.Writer) error { return writeTar(w, changes) })
}

func (l *spooledLayer) compress(fill func(io.Writer) error) error {
	digest, diffID := sha256.New(), sha256.New()
	compressor, err := l.compression.compressor(io.MultiWriter(l.file, digest))
	if err != nil {
		return err
	}
	err = fill(io.MultiWriter(compressor, diffID))
	if closeErr := compressor.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	l.digest, l.diffID = sumOf(digest), sumOf(diffID)
	l.size, err = l.file.Seek(0, io.SeekCurrent)
	return err
}

func (l *spooledLayer) Digest() (v1.Hash, error)             { return l.digest, nil }
func (l *spooledLayer) DiffID() (v1.Hash, error)             { return l.diffID, nil }
func (l *spooledLayer) Size() (int64, error)                 { return l.size, nil }
func (l *spooledLayer) MediaType() (types.MediaType, error)  { return l.compression.mediaType(), nil }
func (l *spooledLayer) Uncompressed() (io.ReadCloser, error) { return Uncompressed(l) }
func (l *spooledLayer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(l.file, 0, l.size)), nil
}

// Names with a meaning in a layer's tar (OCI image-spec, layer.md, "Whiteouts").
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
	reservedPrefix = ".wh..wh." // aufs kept its own files under such names
)

var errReserved = errors.New("the name has a meaning in layers")

// whiteoutName is the name by which a tar says that a path is gone.
func whiteoutName(name string) string {
	dir, base := path.Split(name)
	return dir + whiteoutPrefix + base
}
