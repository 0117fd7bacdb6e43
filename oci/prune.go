package oci

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/diskspace"
	"boxer.dev/internal/lockfile"
)

// CachePolicy says which records of the cache of builds are removed. The zero value removes all.
type CachePolicy struct {
	MaxAge time.Duration // records that have not been used for so long go
	MinAge time.Duration // those that were used later stay, unless MaxAge is smaller
	Bytes  int64         // beyond these bytes of layers that no image has, those go that have not been used for longest
}

// KeepAll is a CachePolicy's MaxAge, or Bytes, by which nothing goes.
const KeepAll = 1<<63 - 1

// Automatic is what the cache is kept within without anybody asking.
var Automatic = CachePolicy{MaxAge: 30 * 24 * time.Hour, Bytes: 8 << 30}

// Prune removes what the policy says, and then what GC removes. Errors are GC's.
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
			own = layer.Size
		}
		age := now.Sub(record.Used)
		if age < policy.MaxAge && (age < policy.MinAge || bytes+own <= policy.Bytes) {
			if bytes += own; record.Layer != nil {
				counted[record.Layer.Digest] = true
			}
			continue
		}
		if err := removeIfThere(c.file(record.Key)); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// RemoveOpened removes all opened layers; they are made again when they are needed. It answers ErrBusy as GC does.
func (s *Store) RemoveOpened() (freed diskspace.Space, err error) {
	alone, err := lockfile.TryExclusive(s.lockFile())
	if errors.Is(err, lockfile.ErrLocked) {
		return freed, ErrBusy
	}
	if err != nil {
		return freed, err
	}
	defer alone.Close()
	err = sweep(s.layerDir(), nil, &freed.Files, &freed.Bytes)
	return freed, err
}

// tidyEvery is how often Tidy does something.
const tidyEvery = time.Hour

// Tidy keeps the cache within Automatic, once an hour at most, and unless somebody else is at work. It is called after a
// build, when nothing is held.
func (c *Cache) Tidy(keep func() []v1.Image) error {
	stamp := filepath.Join(c.store.dir, "tidied")
	now := time.Now()
	if info, err := os.Stat(stamp); err == nil && now.Sub(info.ModTime()).Abs() < tidyEvery {
		return nil
	}
	if err := os.WriteFile(stamp, nil, 0o666); err != nil {
		return err
	}
	if err := os.Chtimes(stamp, now, now); err != nil {
		return err
	}
	_, err := c.Prune(Automatic, keep()...)
	if errors.Is(err, ErrBusy) {
		return nil
	}
	return err
}

// Hold keeps the garbage collection of other processes away until it is closed, so that what a build has found is there
// when it ends. What killed builds left is removed first, if nobody else is at work; a download that was interrupted stays, to
// be continued.
func (s *Store) Hold() (*lockfile.Lock, error) {
	if err := s.removeLeftovers(); err != nil {
		return nil, err
	}
	return lockfile.Shared(s.lockFile())
}

func (s *Store) removeLeftovers() error {
	alone, err := lockfile.TryExclusive(s.lockFile())
	if errors.Is(err, lockfile.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer alone.Close()
	index, err := lockfile.Exclusive(s.indexLock())
	if err != nil {
		return err
	}
	defer index.Close()
	entries, err := os.ReadDir(s.tempDir())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			_ = os.RemoveAll(filepath.Join(s.tempDir(), entry.Name())) // what is still open on Windows goes next time
		}
	}
	return nil
}
