package oci

import (
	"maps"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/diskspace"
)

// Usage tells what a store's files occupy on the disk, and for what.
type Usage struct {
	Images  []ImageUsage  `json:"images"` // in the order of List, without further names of the same image
	Records []RecordUsage `json:"buildCache"`

	ImageSpace  diskspace.Space `json:"imageSpace"`  // blobs that images have, each once
	CacheSpace  diskspace.Space `json:"cacheSpace"`  // blobs that only the build cache has, and its records
	OpenedSpace diskspace.Space `json:"openedSpace"` // opened layers
	UnusedSpace diskspace.Space `json:"unusedSpace"` // what GC would remove
}

// ImageUsage is one image's part.
type ImageUsage struct {
	Name   string  `json:"name"` // one of its names; empty: it has none
	Digest v1.Hash `json:"digest"`
	Bytes  int64   `json:"bytes"` // of all its blobs
	Own    int64   `json:"own"`   // of those that no other image has
}

// RecordUsage is the part of one record of the build cache.
type RecordUsage struct {
	*CacheRecord
	Bytes int64 `json:"bytes"` // of its layer, if no image has it
}

// Usage measures the store. The opened layers of keep count as used: see GC.
func (s *Store) Usage(keep ...v1.Image) (*Usage, error) {
	_, index, err := readIndex(s.layout)
	if err != nil {
		return nil, err
	}
	m, err := s.measure(keep)
	if err != nil {
		return nil, err
	}
	u := &Usage{ImageSpace: m.images, CacheSpace: m.cache, OpenedSpace: m.opened, UnusedSpace: m.unused}
	for _, record := range m.records {
		usage := RecordUsage{CacheRecord: record}
		if record.Layer != nil && !m.live.blobs[record.Layer.Digest.Hex] {
			usage.Bytes = m.sizes[record.Layer.Digest.Hex]
		}
		u.Records = append(u.Records, usage)
	}
	return u, s.measureImages(u, m, index.Manifests)
}

// measured is what lies in a store.
type measured struct {
	live    *liveSet // what images need
	records []*CacheRecord
	sizes   map[string]int64 // of blobs

	images, cache, opened, unused diskspace.Space
}

func (s *Store) measure(keep []v1.Image) (m *measured, err error) {
	m = &measured{sizes: map[string]int64{}}
	if m.live, err = s.mark(keep); err != nil {
		return nil, err
	}
	all := &liveSet{maps.Clone(m.live.blobs), m.live.layers}
	if m.records, err = s.Cache().Records(); err != nil {
		return nil, err
	}
	for _, record := range m.records {
		if record.Layer != nil {
			all.blobs[record.Layer.Digest.Hex] = true
		}
	}
	blobs, err := os.ReadDir(s.blobDir())
	if err != nil {
		return nil, err
	}
	for _, entry := range blobs {
		space := diskspace.Entry(entry)
		m.sizes[entry.Name()] = space.Bytes
		switch name := entry.Name(); {
		case m.live.blobs[name]:
			m.images.Add(space)
		case all.blobs[name]:
			m.cache.Add(space)
		default:
			m.unused.Add(space)
		}
	}
	opened, err := os.ReadDir(s.layerDir())
	if err != nil {
		return nil, err
	}
	for _, entry := range opened {
		if m.live.layers[entry.Name()] {
			m.opened.Add(diskspace.Entry(entry))
		} else {
			m.unused.Add(diskspace.Entry(entry))
		}
	}
	m.cache.Bytes += diskspace.Below(s.cacheDir()).Bytes
	m.unused.Bytes += diskspace.Below(s.tempDir()).Bytes
	return m, nil
}

// measureImages tells what each image has, and what it has for itself.
func (s *Store) measureImages(u *Usage, m *measured, images []v1.Descriptor) error {
	users := map[string]int{}
	var parts []map[string]bool
	seen := map[v1.Hash]bool{}
	for _, image := range images {
		if seen[image.Digest] {
			continue
		}
		seen[image.Digest] = true
		part := &liveSet{map[string]bool{}, map[string]bool{}}
		if err := s.markDescriptor(image, part, 0); err != nil {
			return err
		}
		for blob := range part.blobs {
			users[blob]++
		}
		parts = append(parts, part.blobs)
		u.Images = append(u.Images, ImageUsage{Name: nameOf(image), Digest: image.Digest})
	}
	for i, blobs := range parts {
		for blob := range blobs {
			u.Images[i].Bytes += m.sizes[blob]
			if users[blob] == 1 {
				u.Images[i].Own += m.sizes[blob]
			}
		}
	}
	return nil
}
