package oci

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image is a v1.Image in a layout. Its manifest is read and checked at once, the config when it is first asked for, and
// layers whenever they are opened.
type image struct {
	layout   fs.FS
	digest   v1.Hash
	raw      []byte
	manifest *v1.Manifest
	config   func() (*imageConfig, error)
}

type imageConfig struct {
	raw  []byte
	file *v1.ConfigFile
}

func readImage(layout fs.FS, digest v1.Hash) (*image, error) {
	raw, err := readBlob(layout, digest, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: reading manifest %s: %w", ErrCorrupt, digest, err)
	}
	if manifest.MediaType == "" {
		manifest.MediaType = types.OCIManifestSchema1
	}
	if !manifest.MediaType.IsImage() {
		return nil, fmt.Errorf("%s is no image but %q", digest, manifest.MediaType)
	}
	i := &image{layout: layout, digest: digest, raw: raw, manifest: manifest}
	i.config = sync.OnceValues(i.readConfig)
	return i, nil
}

func (i *image) readConfig() (*imageConfig, error) {
	raw, err := readBlob(i.layout, i.manifest.Config.Digest, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("reading config of %s: %w", i.digest, err)
	}
	if !i.manifest.Config.MediaType.IsConfig() {
		return nil, fmt.Errorf("%s is no image: its config is %q", i.digest, i.manifest.Config.MediaType)
	}
	file, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: reading config of %s: %w", ErrCorrupt, i.digest, err)
	}
	if have, want := len(file.RootFS.DiffIDs), len(i.manifest.Layers); have != want {
		return nil, fmt.Errorf("%w: %s has %d layers and %d diff ids", ErrCorrupt, i.digest, want, have)
	}
	return &imageConfig{raw, file}, nil
}

func (i *image) MediaType() (types.MediaType, error) { return i.manifest.MediaType, nil }
func (i *image) Size() (int64, error)                { return int64(len(i.raw)), nil }
func (i *image) Digest() (v1.Hash, error)            { return i.digest, nil }
func (i *image) RawManifest() ([]byte, error)        { return i.raw, nil }
func (i *image) ConfigName() (v1.Hash, error)        { return i.manifest.Config.Digest, nil }

func (i *image) Manifest() (*v1.Manifest, error) {
	return v1.ParseManifest(bytes.NewReader(i.raw))
}

func (i *image) ConfigFile() (*v1.ConfigFile, error) {
	config, err := i.config()
	if err != nil {
		return nil, err
	}
	return config.file.DeepCopy(), nil
}

func (i *image) RawConfigFile() ([]byte, error) {
	config, err := i.config()
	if err != nil {
		return nil, err
	}
	return config.raw, nil
}

func (i *image) Layers() ([]v1.Layer, error) {
	layers := make([]v1.Layer, len(i.manifest.Layers))
	for n := range i.manifest.Layers {
		layers[n] = &storedLayer{i, n}
	}
	return layers, nil
}

func (i *image) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	if h == i.manifest.Config.Digest {
		return partial.ConfigLayer(i)
	}
	for n, descriptor := range i.manifest.Layers {
		if descriptor.Digest == h {
			return &storedLayer{i, n}, nil
		}
	}
	return nil, fmt.Errorf("%s has no layer %s", i.digest, h)
}

func (i *image) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	config, err := i.config()
	if err != nil {
		return nil, err
	}
	for n, diffID := range config.file.RootFS.DiffIDs {
		if diffID == h {
			return &storedLayer{i, n}, nil
		}
	}
	return nil, fmt.Errorf("%s has no layer with diff id %s", i.digest, h)
}

// storedLayer is the nth layer of an image.
type storedLayer struct {
	image *image
	n     int
}

func (l *storedLayer) descriptor() v1.Descriptor { return l.image.manifest.Layers[l.n] }

func (l *storedLayer) Digest() (v1.Hash, error)            { return l.descriptor().Digest, nil }
func (l *storedLayer) Size() (int64, error)                { return l.descriptor().Size, nil }
func (l *storedLayer) MediaType() (types.MediaType, error) { return l.descriptor().MediaType, nil }

func (l *storedLayer) DiffID() (v1.Hash, error) {
	config, err := l.image.config()
	if err != nil {
		return v1.Hash{}, err
	}
	return config.file.RootFS.DiffIDs[l.n], nil
}

// Compressed reads the blob. The reader fails at its end if digest or size are wrong.
func (l *storedLayer) Compressed() (io.ReadCloser, error) {
	descriptor := l.descriptor()
	file, _, err := openBlob(l.image.layout, descriptor.Digest)
	if err != nil {
		return nil, fmt.Errorf("opening layer: %w", err)
	}
	return verify(file, descriptor.Digest, descriptor.Size), nil
}

func (l *storedLayer) Uncompressed() (io.ReadCloser, error) { return Uncompressed(l) }

// Exists tells whether the blob is there, in its whole length.
func (l *storedLayer) Exists() (bool, error) {
	file, size, err := openBlob(l.image.layout, l.descriptor().Digest)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return size == l.descriptor().Size, file.Close()
}
