package oci

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/lockfile"
)

// Loaded is an image that Load added.
type Loaded struct {
	Name   string // full, empty if it has none
	Digest v1.Hash
}

// Load adds the images of an archive to the store: an OCI image layout in a tar, or what docker save writes, which may be
// compressed. Layers of the latter are compressed again, so that the image's digest is a new one. Names of the archive are
// taken away from images of the store. The archive is read once, from start to end, within Limits.
func (s *Store) Load(r io.Reader) (_ []Loaded, err error) {
	using, err := lockfile.Shared(s.lockFile())
	if err != nil {
		return nil, err
	}
	defer using.Close()
	spool, err := createUnnamed(s.tempDir())
	if err != nil {
		return nil, err
	}
	defer spool.Close()
	l := &loader{
		store: s, limits: s.Limits.withDefaults(), spool: spool,
		documents: map[string][]byte{}, files: map[string]extent{}, links: map[string]string{},
	}
	if err := l.read(r); err != nil {
		return nil, fmt.Errorf("loading archive: %w", err)
	}
	images, err := l.images()
	if err != nil {
		return nil, fmt.Errorf("loading archive: %w", err)
	}
	return l.name(images)
}

// maxDocuments bounds what is kept of an archive in memory: names and JSON files, in bytes.
const maxDocuments = 64 << 20

// loader takes an archive in. Blobs of a layout go to the store at once: they have a digest to be checked against, and are
// garbage until an index names them.
type loader struct {
	store     *Store
	limits    Limits
	documents map[string][]byte // small files outside blobs/
	files     map[string]extent // other files outside blobs/, in spool
	links     map[string]string // docker save links equal layers
	spool     *os.File
	spooled   int64
	bytes     int64
	inMemory  int64
}

// extent is where a file lies in the spool.
type extent struct{ offset, size int64 }

// archived is an image whose blobs are in the store, with the full names it is to have.
type archived struct {
	descriptor v1.Descriptor
	names      []string
}

func (l *loader) read(r io.Reader) error {
	plain, err := decompress(r)
	if err != nil {
		return err
	}
	defer plain.Close()
	tr := tar.NewReader(plain)
	for n := int64(0); ; n++ {
		header, err := tr.Next()
		if err == io.EOF {
			return syncDir(l.store.blobDir())
		}
		if errors.Is(err, tar.ErrHeader) && n == 0 {
			return errors.New("it is no tar archive")
		}
		if err != nil {
			return err
		}
		if l.bytes += header.Size; l.bytes > l.limits.ArchiveBytes || l.bytes < 0 || n >= l.limits.ArchiveFiles {
			return ErrTooLarge
		}
		if err := l.add(header, tr); err != nil {
			return fmt.Errorf("%q: %w", header.Name, err)
		}
	}
}

func (l *loader) add(header *tar.Header, content io.Reader) error {
	name, err := cleanName(header.Name)
	if err != nil {
		return err
	}
	if l.inMemory += int64(len(name) + len(header.Linkname)); l.inMemory > maxDocuments {
		return ErrTooLarge
	}
	switch header.Typeflag {
	case tar.TypeReg:
	case tar.TypeSymlink:
		l.links[name] = path.Join(path.Dir(name), header.Linkname)
		return nil
	case tar.TypeLink:
		l.links[name] = path.Clean(header.Linkname)
		return nil
	default:
		return nil
	}
	if hex, ok := strings.CutPrefix(name, "blobs/sha256/"); ok {
		return l.addBlob(v1.Hash{Algorithm: "sha256", Hex: hex}, header.Size, content)
	}
	if strings.HasSuffix(name, ".json") || path.Base(name) == "oci-layout" {
		return l.addDocument(name, header.Size, content)
	}
	return l.addFile(name, content)
}

func (l *loader) addBlob(h v1.Hash, size int64, content io.Reader) error {
	name, err := l.store.blobPath(h)
	if err != nil {
		return err
	}
	// Small ones are written anyway: a damaged manifest is repaired.
	if info, err := os.Stat(name); err == nil && info.Size() == size && size > maxConfig {
		return nil
	}
	return l.store.writeBlob(h, size, content)
}

func (l *loader) addDocument(name string, size int64, content io.Reader) error {
	if l.inMemory += size; size > maxIndex || l.inMemory > maxDocuments {
		return ErrTooLarge
	}
	data, err := io.ReadAll(content)
	l.documents[name] = data
	return err
}

func (l *loader) addFile(name string, content io.Reader) error {
	n, err := io.Copy(l.spool, content)
	l.files[name] = extent{l.spooled, n}
	l.spooled += n
	return err
}

// images stores the images of an archive that was read.
func (l *loader) images() ([]archived, error) {
	if raw, ok := l.documents["index.json"]; ok {
		return l.layoutImages(raw)
	}
	if raw, ok := l.documents["manifest.json"]; ok {
		return l.dockerImages(raw)
	}
	return nil, errors.New("neither index.json nor manifest.json is in it: no archive of images")
}

func (l *loader) layoutImages(raw []byte) ([]archived, error) {
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: index.json: %w", ErrCorrupt, err)
	}
	var images []archived
	for _, m := range index.Manifests {
		img, err := resolve(l.store.layout, m, 0)
		if err != nil {
			return nil, err
		}
		if err := l.complete(img); err != nil {
			return nil, err
		}
		descriptor, err := describe(img)
		if err != nil {
			return nil, err
		}
		images = append(images, archived{*descriptor, loadedNames(nameOf(m))})
	}
	return images, nil
}

// complete makes sure that an image's layers came with it or were there.
func (l *loader) complete(img *image) error {
	for n, descriptor := range img.manifest.Layers {
		layer := &storedLayer{img, n}
		if ok, err := layer.Exists(); err != nil {
			return err
		} else if !ok {
			return fmt.Errorf("%w: layer %s is missing or incomplete", ErrCorrupt, descriptor.Digest)
		}
	}
	return nil
}

// loadedNames are the full names among an archive's. Some tools write just a tag, or words of their own: those name nothing.
func loadedNames(names ...string) (full []string) {
	for _, name := range names {
		if normal, err := Taggable(name); err == nil && strings.ContainsAny(name, "/:") {
			full = append(full, normal)
		}
	}
	return full
}

// name lets the index know all images at once.
func (l *loader) name(images []archived) ([]Loaded, error) {
	var loaded []Loaded
	for _, img := range images {
		for _, name := range img.names {
			loaded = append(loaded, Loaded{name, img.descriptor.Digest})
		}
		if len(img.names) == 0 {
			loaded = append(loaded, Loaded{"", img.descriptor.Digest})
		}
	}
	return loaded, l.store.edit(func(index *v1.IndexManifest) error {
		for _, img := range images {
			give(index, img.descriptor, img.names)
		}
		return nil
	})
}
