package oci

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// A cache travels as an OCI image, which every registry takes: its layers are those of the records, and the records are a label
// of its configuration. It is not meant to be run.

// cacheLabel is the label of a cache's image that holds its records, as JSON.
const cacheLabel = "dev.boxer.cache"

// importedRecord is a record of another cache.
type importedRecord struct {
	record *CacheRecord
	layer  v1.Layer // nil: none
}

// Import makes the cache look up what it does not have itself in another one, as Image made it. Layers are fetched when a
// build wants them, and checked against their digests.
func (c *Cache) Import(img v1.Image) error {
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	raw, ok := config.Config.Labels[cacheLabel]
	if !ok {
		return fmt.Errorf("%w: the image holds no build cache", ErrNotFound)
	}
	var records []*CacheRecord
	if err := json.Unmarshal([]byte(raw), &records); err != nil {
		return fmt.Errorf("%w: the image's build cache: %w", ErrCorrupt, err)
	}
	for _, record := range records {
		if record == nil {
			return fmt.Errorf("%w: the image's build cache has a record of nothing", ErrCorrupt)
		}
		other := importedRecord{record: record}
		if record.Layer != nil {
			if other.layer, err = importLayer(img, *record.Layer); err != nil {
				return fmt.Errorf("%w: the image's build cache: %w", ErrCorrupt, err)
			}
		}
		c.imported[record.Key] = other
	}
	return nil
}

// importLayer finds a record's layer in the image. What the record says of it must be what the image says.
func importLayer(img v1.Image, cached CachedLayer) (v1.Layer, error) {
	if _, err := blobName(cached.DiffID); err != nil {
		return nil, err
	}
	if !cached.MediaType.IsLayer() {
		return nil, fmt.Errorf("%q is no layer", cached.MediaType)
	}
	layer, err := img.LayerByDigest(cached.Digest)
	if err != nil {
		return nil, err
	}
	size, err := layer.Size()
	if err == nil && size != cached.Size {
		err = fmt.Errorf("layer %s has %d bytes, not %d", cached.Digest, size, cached.Size)
	}
	return &importedLayer{layer, cached}, err
}

// importedLayer is a layer of another cache with its diff id, which a manifest does not tell.
type importedLayer struct {
	v1.Layer
	cached CachedLayer
}

func (l *importedLayer) DiffID() (v1.Hash, error)            { return l.cached.DiffID, nil }
func (l *importedLayer) MediaType() (types.MediaType, error) { return l.cached.MediaType, nil }

// Image makes an image of records, in the order of their keys.
func (c *Cache) Image(records []*CacheRecord) (v1.Image, error) {
	sorted := slices.Clone(records)
	slices.SortFunc(sorted, func(a, b *CacheRecord) int { return strings.Compare(a.Key, b.Key) })
	sorted = slices.CompactFunc(sorted, func(a, b *CacheRecord) bool { return a.Key == b.Key })
	var layers []mutate.Addendum
	added := map[v1.Hash]bool{}
	for _, record := range sorted {
		if record.Layer != nil && !added[record.Layer.Digest] {
			added[record.Layer.Digest] = true
			layers = append(layers, mutate.Addendum{Layer: c.Layer(record), History: v1.History{CreatedBy: record.Text}})
		}
	}
	raw, err := json.Marshal(sorted)
	if err != nil {
		return nil, err
	}
	img := mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1)
	if img, err = mutate.Append(img, layers...); err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = Platform.OS, Platform.Architecture
	file.Config.Labels = map[string]string{cacheLabel: string(raw)}
	return mutate.ConfigFile(img, file)
}
