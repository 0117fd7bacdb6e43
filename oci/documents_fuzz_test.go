package oci

import (
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// FuzzDocuments: whatever an index, a manifest and a configuration say, an image is described or refused.
func FuzzDocuments(f *testing.F) {
	img := namedImage(f, "a")
	manifest, err := img.RawManifest()
	check(f, err)
	config, err := img.RawConfigFile()
	check(f, err)
	f.Add([]byte(`{"schemaVersion":2,"manifests":[]}`), manifest, config)
	f.Add([]byte(`{"manifests":[{"digest":"sha256:0","size":-1,"annotations":{"org.opencontainers.image.ref.name":"\u001b[2J"}}]}`),
		[]byte(`{"config":{"digest":"sha512:0","size":1e30},"layers":[null,{}]}`), []byte(`{"rootfs":{"diff_ids":["x"]},"history":[{}],"config":{"User":"\u0000"}}`))
	layer, err := img.Layers()
	check(f, err)
	s := newStore(f)
	mustPut(f, s, img, "a")
	f.Fuzz(func(t *testing.T, index, manifest, config []byte) {
		dir := t.TempDir()
		put := func(content []byte) v1.Hash {
			h := digestOf(content)
			name := filepath.Join(dir, "blobs", "sha256", h.Hex)
			check(t, os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, content, 0o600))
			return h
		}
		check(t, os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(layoutFile), 0o600))
		check(t, os.WriteFile(filepath.Join(dir, "index.json"), index, 0o600))
		put(config)
		digest := put(manifest)
		if images, err := ReadLayout(os.DirFS(dir)); err == nil {
			if found, err := images.Find(""); err == nil {
				_, _ = Inspect(found)
				_, _ = History(found)
			}
		}
		read, err := readImage(os.DirFS(dir), digest)
		if err != nil {
			return
		}
		_, _ = Inspect(read, "name")
		_, _ = History(read)
		if root, err := s.Rootfs(lent{read, layer}); err == nil {
			check(t, root.Close())
		}
	})
}

// lent is an image with layers that are there.
type lent struct {
	v1.Image
	layers []v1.Layer
}

func (l lent) Layers() ([]v1.Layer, error) { return l.layers, nil }

// FuzzImportCache: whatever the label of a cache's image says, it is taken in or refused, and what was not asked for by its key is not given.
func FuzzImportCache(f *testing.F) {
	from := newStore(f)
	record := putRecord(f, from, "text", 100, 0)
	img, err := from.Cache().Image([]*CacheRecord{record})
	check(f, err)
	config, err := img.ConfigFile()
	check(f, err)
	f.Add(config.Config.Labels[cacheLabel])
	f.Add(`[null]`)
	f.Add(`[{"Key":"../x","Layer":{"Digest":"sha256:0","DiffID":"sha256:0","Size":-1,"MediaType":"text/plain"}},{"Key":"","Layer":{}}]`)
	f.Fuzz(func(t *testing.T, label string) {
		cache := newStore(t).Cache()
		if cache.Import(relabelled(t, img, map[string]string{cacheLabel: label})) != nil {
			return
		}
		for _, key := range []CacheKey{keyOf("text"), keyOf("other")} {
			got, err := cache.Get(key)
			if err != nil || got == nil || got.Layer == nil {
				continue
			}
			if opened, err := cache.Open(got); err == nil {
				check(t, opened.Close())
			}
		}
	})
}

// FuzzCacheRecord: a record of the build cache is what was put there, or is gone.
func FuzzCacheRecord(f *testing.F) {
	s := newStore(f)
	record := putRecord(f, s, "text", 100, 0)
	name := s.Cache().file(record.Key)
	whole, err := os.ReadFile(name)
	check(f, err)
	f.Add(unsummed(whole))
	f.Add([]byte(`{"Key":"","Layer":{"Digest":"sha256:x","DiffID":"md5:0","Size":-1}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		check(t, os.WriteFile(name, summed(content), 0o600))
		got, err := s.Cache().Get(keyOf("text"))
		if err == nil && got != nil && got.Layer != nil {
			if opened, err := s.Cache().Open(got); err == nil {
				check(t, opened.Close())
			}
		}
		_, _ = s.Cache().Records()
	})
}
