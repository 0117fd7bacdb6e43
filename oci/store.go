package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"boxer.dev/internal/lockfile"
)

// Store is an OCI image layout in a directory, used by many goroutines and processes at once. Beside the layout's own files
// it has
//
//	layers/sha256/DIFFID   layers in their opened form, made from blobs when first needed
//	referrers/sha256/IMAGE a list of the artifacts about an image
//	origins/sha256/BLOB    the repositories of registries that a blob was seen in
//	tmp/                   files that are being written
//	lock, index.lock       advisory locks
//
// How it stays whole: every file appears by a rename of a complete and flushed one, an image's blobs before the index that
// names it. A process that adds something holds lock as a sharer until the index names it; one that collects garbage holds
// it alone, and may then take whatever the index does not lead to as garbage. Changes of the index are made under index.lock.
// A process killed at any moment leaves garbage at worst.
type Store struct {
	// Limits bound what images may make this machine do. They are to be set before the store is used.
	Limits Limits

	dir    string
	layout fs.FS
}

// Open opens the store in a directory, which is made into one if it is empty or missing.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening image store: %w", err)
	}
	s := &Store{dir: dir, layout: os.DirFS(dir)}
	err = checkLayoutFile(s.layout)
	if err == nil {
		_, err = os.Stat(s.tempDir()) // other tools do not make it
	}
	if notExist(err) {
		err = s.create()
	}
	if err != nil {
		return nil, fmt.Errorf("opening image store %s: %w", dir, err)
	}
	return s, nil
}

// create makes what is missing of a store; it may have been interrupted before, and may be done by several at once.
func (s *Store) create() error {
	for _, dir := range []string{s.blobDir(), s.layerDir(), s.tempDir()} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	lock, err := lockfile.Exclusive(s.indexLock())
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Stat(s.indexFile()); notExist(err) {
		if err := s.writeIndex(nil, &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return s.writeFile(filepath.Join(s.dir, "oci-layout"), []byte(layoutFile))
}

// Dir is the absolute path of the store.
func (s *Store) Dir() string { return s.dir }

func (s *Store) blobDir() string   { return filepath.Join(s.dir, "blobs", "sha256") }
func (s *Store) layerDir() string  { return filepath.Join(s.dir, "layers", "sha256") }
func (s *Store) tempDir() string   { return filepath.Join(s.dir, "tmp") }
func (s *Store) indexFile() string { return filepath.Join(s.dir, "index.json") }
func (s *Store) lockFile() string  { return filepath.Join(s.dir, "lock") }
func (s *Store) indexLock() string { return filepath.Join(s.dir, "index.lock") }

func (s *Store) blobPath(h v1.Hash) (string, error) {
	name, err := blobName(h)
	return filepath.Join(s.dir, filepath.FromSlash(name)), err
}

// Image returns an image by name or by (possibly abbreviated) digest. It is read lazily, so removing it from the store and
// collecting garbage makes it fail. Errors are ErrNotFound and ErrAmbiguous.
func (s *Store) Image(ref string) (v1.Image, error) {
	_, index, err := readIndex(s.layout)
	if err != nil {
		return nil, fmt.Errorf("reading image store: %w", err)
	}
	descriptor, err := find(index, ref)
	if err != nil {
		return nil, err
	}
	return resolve(s.layout, descriptor, 0)
}

// Put stores an image under names, taking them away from any other image; one that has no name left is gone. Without names,
// an image can be found by its digest. Blobs that the store has are neither read nor written again. The digest is the manifest's.
func (s *Store) Put(img v1.Image, refs ...string) (v1.Hash, error) {
	return s.put(img, refs, func(v1.Hash) error { return nil })
}

// PutWhole is Put for an image from elsewhere. It is opened before it gets its names: one that is not whole, or not within Limits,
// is not kept.
func (s *Store) PutWhole(img v1.Image, refs ...string) (v1.Hash, error) {
	return s.put(img, refs, func(digest v1.Hash) error {
		stored, err := readImage(s.layout, digest)
		if err != nil {
			return err
		}
		root, err := s.Rootfs(stored)
		if err != nil {
			return err
		}
		return root.Close()
	})
}

func (s *Store) put(img v1.Image, refs []string, check func(v1.Hash) error) (v1.Hash, error) {
	names, err := normalizeAll(refs)
	if err != nil {
		return v1.Hash{}, err
	}
	using, err := lockfile.Shared(s.lockFile())
	if err != nil {
		return v1.Hash{}, err
	}
	defer using.Close()
	descriptor, err := s.writeImage(img)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("storing image: %w", err)
	}
	if err := check(descriptor.Digest); err != nil {
		return v1.Hash{}, err
	}
	return descriptor.Digest, s.edit(func(index *v1.IndexManifest) error {
		give(index, *descriptor, names)
		return nil
	})
}

func normalizeAll(refs []string) ([]string, error) {
	names := make([]string, len(refs))
	for i, ref := range refs {
		var err error
		if names[i], err = Taggable(ref); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// writeImage stores an image's blobs, the manifest last.
func (s *Store) writeImage(img v1.Image) (*v1.Descriptor, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	var group errgroup.Group
	group.SetLimit(4) // enough to keep a network busy
	for _, layer := range layers {
		group.Go(func() error { return s.writeLayer(layer) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return nil, err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	if err := s.writeDocument(manifest.Config.Digest, config); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	raw, err := img.RawManifest()
	if err != nil {
		return nil, err
	}
	descriptor, err := describe(img)
	if err != nil {
		return nil, err
	}
	if err := s.writeDocument(descriptor.Digest, raw); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return descriptor, syncDir(s.blobDir())
}

func (s *Store) writeLayer(layer v1.Layer) error {
	digest, err := layer.Digest()
	if err != nil {
		return err
	}
	size, err := layer.Size()
	if err != nil {
		return err
	}
	name, err := s.blobPath(digest)
	if err != nil {
		return err
	}
	// Not read again to check its digest, only its size: it was checked when it got its name.
	if info, err := os.Stat(name); err == nil && info.Size() == size {
		return nil
	}
	if resumable, ok := layer.(Resumable); ok {
		if err := s.resumeBlob(digest, size, resumable); err != nil {
			return fmt.Errorf("layer: %w", err)
		}
		return nil
	}
	source, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer source.Close()
	if err := s.writeBlob(digest, size, source); err != nil {
		return fmt.Errorf("layer: %w", err)
	}
	return nil
}

// writeDocument stores a manifest or config, repairing it if it is damaged.
func (s *Store) writeDocument(h v1.Hash, data []byte) error {
	if _, err := readBlob(s.layout, h, int64(len(data))); err == nil {
		return nil
	}
	return s.writeBlob(h, int64(len(data)), bytes.NewReader(data))
}

// describe is the descriptor under which an image goes into an index.
func describe(img v1.Image) (*v1.Descriptor, error) {
	descriptor, err := partial.Descriptor(img)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	// Annotations and artifact type belong to the place that an image came from.
	return &v1.Descriptor{MediaType: descriptor.MediaType, Size: descriptor.Size, Digest: descriptor.Digest, Platform: config.Platform()}, nil
}

// give names a descriptor in the index. A nameless entry stands for an image without names only.
func give(index *v1.IndexManifest, d v1.Descriptor, names []string) {
	same := func(m v1.Descriptor) bool { return m.Digest == d.Digest }
	if len(names) == 0 && slices.ContainsFunc(index.Manifests, same) {
		return
	}
	index.Manifests = slices.DeleteFunc(index.Manifests, func(m v1.Descriptor) bool {
		return slices.Contains(names, nameOf(m)) || (same(m) && nameOf(m) == "")
	})
	index.Manifests = append(index.Manifests, withNames(d, names)...)
}

// withNames repeats a descriptor for each name, as an index wants it.
func withNames(d v1.Descriptor, names []string) []v1.Descriptor {
	if len(names) == 0 {
		d.Annotations = nil
		return []v1.Descriptor{d}
	}
	named := make([]v1.Descriptor, len(names))
	for i, name := range names {
		named[i] = d
		named[i].Annotations = map[string]string{annotationRefName: name, annotationImageName: name}
	}
	return named
}

// edit changes the index. Nothing is written if change fails.
func (s *Store) edit(change func(*v1.IndexManifest) error) error {
	lock, err := lockfile.Exclusive(s.indexLock())
	if err != nil {
		return err
	}
	defer lock.Close()
	old, index, err := readIndex(s.layout)
	if err != nil {
		return fmt.Errorf("reading image store: %w", err)
	}
	if err := change(index); err != nil {
		return err
	}
	if err := s.writeIndex(old, index); err != nil {
		return fmt.Errorf("writing image store: %w", err)
	}
	return nil
}

// writeIndex replaces index.json, unless it would stay as it is.
func (s *Store) writeIndex(old []byte, index *v1.IndexManifest) error {
	slices.SortStableFunc(index.Manifests, func(a, b v1.Descriptor) int { return strings.Compare(nameOf(a), nameOf(b)) })
	raw, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	raw = append(raw, '\n')
	if bytes.Equal(raw, old) {
		return nil
	}
	return s.writeFile(s.indexFile(), raw)
}

// Tag gives the image src the further name dst, taking it away from any other image.
func (s *Store) Tag(src, dst string) error {
	name, err := Taggable(dst)
	if err != nil {
		return err
	}
	return s.edit(func(index *v1.IndexManifest) error {
		descriptor, err := find(index, src)
		if err != nil {
			return err
		}
		give(index, descriptor, []string{name})
		return nil
	})
}
