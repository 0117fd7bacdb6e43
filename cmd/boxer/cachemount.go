package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"boxer.dev/builder"
	"boxer.dev/internal/volume"
)

// cacheLabel is the label of a cache mount's volume that has its id.
const cacheLabel = "id"

// cacheMounts are the directories of RUN --mount=type=cache: volumes of their own, named after a digest of their ids, which
// may hold anything. List, Remove and Prune(true) are there for those who want the space back.
func (a *app) cacheMounts() (*volume.Store, error) {
	home, err := homeDir()
	if err != nil {
		return nil, err
	}
	return volume.Open(filepath.Join(home, "cache-mounts"))
}

// useCacheMount is builder.Options.CacheMount.
func (a *app) useCacheMount(ctx context.Context, r builder.CacheMountRequest) (*builder.CacheMount, error) {
	caches, err := a.cacheMounts()
	if err != nil {
		return nil, err
	}
	use, err := takeCacheMount(ctx, caches, r)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(use.Mountpoint)
	if err != nil {
		return nil, errors.Join(err, use.Close())
	}
	release := func() error { return errors.Join(root.Close(), use.Close()) }
	return &builder.CacheMount{Root: root, New: use.New, Close: release}, nil
}

func takeCacheMount(ctx context.Context, caches *volume.Store, r builder.CacheMountRequest) (*volume.Use, error) {
	sum := sha256.Sum256([]byte(r.ID))
	name, labels := hex.EncodeToString(sum[:16]), map[string]string{cacheLabel: r.ID}
	switch r.Sharing {
	case builder.CacheLocked:
		return caches.UseAlone(ctx, name, labels)
	case builder.CachePrivate:
		for n := 0; ; n++ {
			use, err := caches.TryUseAlone(name+"."+strconv.Itoa(n), labels)
			if !errors.Is(err, volume.ErrInUse) {
				return use, err
			}
		}
	}
	return caches.Use(ctx, name, labels)
}
