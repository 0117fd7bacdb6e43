package oci

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// CachePolicy says what the cache of builds is to keep. The zero value keeps nothing.
type CachePolicy struct {
	Unused time.Duration // records that have not been used for longer go; 0: all go, whatever KeepBytes says
	Bytes  int64         // beyond these bytes of layers that no image has, those go that have not been used for longest
}

// KeepAll is a CachePolicy's Unused, or Bytes, that nothing goes by.
const KeepAll = 1<<63 - 1

// Automatic is what the cache is kept within without anybody asking.
var Automatic = CachePolicy{Unused: 30 * 24 * time.Hour, Bytes: 8 << 30}

// Prune removes records of the cache that the policy does not keep, and then what GC removes. Errors are GC's.
func (c *Cache) Prune(policy CachePolicy, keep ...v1.Image) (Freed, error) {
	return c.store.collect(func(images *liveSet) (int, error) { return c.forget(policy, images, time.Now()) }, keep)
}

func (c *Cache) forget(policy CachePolicy, images *liveSet, now time.Time) (removed int, err error) {
	records, err := c.Records()
	if err != nil {
		return 0, err
	}
	var bytes int64
	counted := map[v1.Hash]bool{}
	for _, record := range records { // used last comes first
		own := int64(0)
		if layer := record.Layer; layer != nil && !images.blobs[layer.Digest.Hex] && !counted[layer.Digest] {
			own, counted[layer.Digest] = layer.Size, true
		}
		if now.Sub(record.Used) < policy.Unused && bytes+own <= policy.Bytes {
			bytes += own
			continue
		}
		if err := removeIfThere(c.file(record.Key)); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
