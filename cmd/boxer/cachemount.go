package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"boxer.dev/builder"
	"boxer.dev/internal/diskspace"
	"boxer.dev/internal/volume"
	"boxer.dev/oci"
)

// cacheLabel is the label of a cache mount's volume that has its id.
const cacheLabel = "id"

// cacheMounts are the directories of RUN --mount=type=cache: volumes of their own, named after a digest of their ids, which
// may hold anything.
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

// pruneCacheMounts removes cache mounts by the policy that steps of builds go by: those that were not used for long, and beyond
// a number of bytes those that were used least lately. What a build is using stays.
func (a *app) pruneCacheMounts(policy oci.CachePolicy) (volume.Pruned, error) {
	caches, err := a.cacheMounts()
	if err != nil {
		return volume.Pruned{}, err
	}
	list, err := caches.List()
	if err != nil {
		return volume.Pruned{}, err
	}
	slices.SortFunc(list, func(a, b volume.Volume) int { return b.UsedAt().Compare(a.UsedAt()) })
	goes, kept := map[string]bool{}, int64(0)
	for _, v := range list {
		age, bytes := time.Since(v.UsedAt()), diskspace.Below(v.Mountpoint).Bytes
		if age < policy.MaxAge && (age < policy.MinAge || kept+bytes <= policy.Bytes) {
			kept += bytes
			continue
		}
		goes[v.Name] = true
	}
	return caches.Prune(func(v volume.Volume) bool { return goes[v.Name] })
}
