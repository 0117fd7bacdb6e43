package oci

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/diskspace"
	"boxer.dev/internal/lockfile"
)

// Freed tells what GC removed.
type Freed struct {
	Records       int   // of the build cache
	Blobs, Layers int   // Layers: opened forms
	Bytes         int64 // of both, and of unfinished files
}

// GC removes blobs and opened layers that no image of the store, no artifact about one and no record of the build cache has,
// and what killed processes left. The opened layers of keep, images that are not in the store, are spared. It answers ErrBusy
// rather than wait for processes that are adding something. Boxes that are running do not need what it removes.
func (s *Store) GC(keep ...v1.Image) (Freed, error) {
	return s.collect(func(*liveSet) (int, error) { return 0, nil }, keep)
}

// collect is GC after records of the cache have been removed. forget is told what images need.
func (s *Store) collect(forget func(images *liveSet) (records int, err error), keep []v1.Image) (freed Freed, err error) {
	alone, err := lockfile.TryExclusive(s.lockFile())
	if errors.Is(err, lockfile.ErrLocked) {
		return Freed{}, ErrBusy
	}
	if err != nil {
		return Freed{}, err
	}
	defer alone.Close()
	// Changes of names write temporary files without taking part in lock.
	index, err := lockfile.Exclusive(s.indexLock())
	if err != nil {
		return Freed{}, err
	}
	defer index.Close()
	live, err := s.mark(keep)
	if err == nil {
		freed.Records, err = forget(live)
	}
	if err == nil {
		err = s.markRecords(live)
	}
	if err != nil {
		return Freed{}, fmt.Errorf("collecting garbage: %w", err)
	}
	err = errors.Join(
		sweep(s.blobDir(), live.blobs, &freed.Blobs, &freed.Bytes),
		sweep(s.layerDir(), live.layers, &freed.Layers, &freed.Bytes),
		sweep(s.tempDir(), nil, new(int), &freed.Bytes),
		s.sweepOrigins(live.blobs),
		s.sweepReferrers(live.blobs),
	)
	return freed, err
}

// liveSet holds the hexadecimal digits of digests.
type liveSet struct{ blobs, layers map[string]bool }

func (s *Store) mark(keep []v1.Image) (*liveSet, error) {
	live := &liveSet{map[string]bool{}, map[string]bool{}}
	_, index, err := readIndex(s.layout)
	if err != nil {
		return nil, err
	}
	for _, m := range index.Manifests {
		if err := s.markDescriptor(m, live, 0); err != nil {
			return nil, err
		}
	}
	for _, img := range keep {
		config, err := img.ConfigFile()
		if err != nil {
			return nil, err
		}
		live.addLayers(config)
	}
	return live, nil
}

// markRecords marks what the build cache names. Records that cannot be read are garbage.
func (s *Store) markRecords(live *liveSet) error {
	records, err := s.Cache().Records()
	if err != nil {
		return err
	}
	readable := map[string]bool{}
	for _, record := range records {
		readable[record.Key] = true
		if record.Layer != nil {
			live.blobs[record.Layer.Digest.Hex] = true
		}
	}
	if err := sweep(s.cacheDir(), readable, new(int), new(int64)); !notExist(err) {
		return err
	}
	return nil
}

func (l *liveSet) addLayers(config *v1.ConfigFile) {
	for _, diffID := range config.RootFS.DiffIDs {
		l.layers[diffID.Hex] = true
	}
}

func (s *Store) markDescriptor(d v1.Descriptor, live *liveSet, depth int) error {
	live.blobs[d.Digest.Hex] = true
	s.markReferrers(d.Digest, live, 0)
	switch {
	case d.MediaType.IsIndex() && depth < maxIndexDepth:
		return s.markIndex(d, live, depth)
	case d.MediaType.IsImage():
		return s.markImage(d, live, depth)
	default:
		return nil
	}
}

func (s *Store) markIndex(d v1.Descriptor, live *liveSet, depth int) error {
	raw, err := readBlob(s.layout, d.Digest, maxManifest)
	if err != nil {
		return err
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("%w: index %s: %w", ErrCorrupt, d.Digest, err)
	}
	for _, m := range index.Manifests {
		if err := s.markDescriptor(m, live, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) markImage(d v1.Descriptor, live *liveSet, depth int) error {
	img, err := readImage(s.layout, d.Digest)
	if depth > 0 && notExist(err) { // an index may be stored with some of its platforms only
		return nil
	}
	if err != nil {
		return err
	}
	live.blobs[img.manifest.Config.Digest.Hex] = true
	for _, layer := range img.manifest.Layers {
		live.blobs[layer.Digest.Hex] = true
	}
	if !img.manifest.Config.MediaType.IsConfig() {
		return nil
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	live.addLayers(config)
	return nil
}

func (s *Store) sweepOrigins(live map[string]bool) error {
	err := sweep(s.originDir(), live, new(int), new(int64))
	if notExist(err) { // nothing ever came from a registry
		return nil
	}
	return err
}

// sweep removes the files of a directory whose names are not live. What another system's open files keep from being
// removed (Windows) stays for the next time.
func sweep(dir string, live map[string]bool, count *int, bytes *int64) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if live[entry.Name()] {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			continue
		}
		size, name := info.Size(), filepath.Join(dir, entry.Name())
		if entry.IsDir() { // of a build that was killed
			size = diskspace.Below(name).Bytes
		}
		if os.RemoveAll(name) == nil {
			*count++
			*bytes += size
		}
	}
	return nil
}
