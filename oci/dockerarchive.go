package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// dockerImage is an element of manifest.json in what docker save writes (moby, image/tarexport).
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (l *loader) dockerImages(raw []byte) ([]archived, error) {
	var elements []dockerImage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return nil, fmt.Errorf("%w: manifest.json: %w", ErrCorrupt, err)
	}
	var images []archived
	for _, d := range elements {
		descriptor, err := l.convert(d)
		if err != nil {
			return nil, err
		}
		images = append(images, archived{*descriptor, loadedNames(d.RepoTags...)})
	}
	return images, nil
}

// convert stores a docker image as an OCI image with the same config.
func (l *loader) convert(d dockerImage) (*v1.Descriptor, error) {
	raw, err := l.config(d.Config)
	if err != nil {
		return nil, fmt.Errorf("config %q: %w", d.Config, err)
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: config %q: %w", ErrCorrupt, d.Config, err)
	}
	if len(config.RootFS.DiffIDs) != len(d.Layers) {
		return nil, fmt.Errorf("%w: %d layers and %d diff ids", ErrCorrupt, len(d.Layers), len(config.RootFS.DiffIDs))
	}
	manifest := &v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		Config:        v1.Descriptor{MediaType: types.OCIConfigJSON, Digest: digestOf(raw), Size: int64(len(raw))},
		Layers:        []v1.Descriptor{},
	}
	for i, name := range d.Layers {
		layer, err := l.compress(name, config.RootFS.DiffIDs[i])
		if err != nil {
			return nil, fmt.Errorf("layer %q: %w", name, err)
		}
		manifest.Layers = append(manifest.Layers, *layer)
	}
	return l.writeManifest(manifest, raw, config)
}

func (l *loader) writeManifest(manifest *v1.Manifest, rawConfig []byte, config *v1.ConfigFile) (*v1.Descriptor, error) {
	raw, err := json.Marshal(manifest)
	if err != nil {
		return nil, err
	}
	if err := l.store.writeDocument(manifest.Config.Digest, rawConfig); err != nil {
		return nil, err
	}
	descriptor := &v1.Descriptor{MediaType: manifest.MediaType, Digest: digestOf(raw), Size: int64(len(raw)), Platform: config.Platform()}
	if err := l.store.writeDocument(descriptor.Digest, raw); err != nil {
		return nil, err
	}
	return descriptor, syncDir(l.store.blobDir())
}

// config finds an image's config: CONFIG.json or sha256:CONFIG beside manifest.json or, since docker 25, a blob.
func (l *loader) config(name string) ([]byte, error) {
	name = path.Clean(name)
	if data, ok := l.documents[name]; ok {
		return data, nil
	}
	if at, ok := l.files[name]; ok && at.size <= maxConfig {
		return io.ReadAll(io.NewSectionReader(l.spool, at.offset, at.size))
	}
	return readBlob(l.store.layout, v1.Hash{Algorithm: "sha256", Hex: path.Base(name)}, maxConfig)
}

// compress stores a layer that came as a tar.
func (l *loader) compress(name string, diffID v1.Hash) (*v1.Descriptor, error) {
	source, err := l.open(name)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	tar, err := decompress(source)
	if err != nil {
		return nil, err
	}
	defer tar.Close()
	file, err := createUnnamed(l.store.tempDir())
	if err != nil {
		return nil, err
	}
	defer file.Close()
	layer := &spooledLayer{file: file}
	limited := io.LimitReader(tar, l.limits.Bytes+1)
	if err := layer.compress(func(w io.Writer) error { return copyLimited(w, limited, l.limits.Bytes) }); err != nil {
		return nil, err
	}
	if layer.diffID != diffID {
		return nil, fmt.Errorf("%w: diff id is %s, not %s", ErrCorrupt, layer.diffID, diffID)
	}
	if err := l.store.writeLayer(layer); err != nil {
		return nil, err
	}
	return &v1.Descriptor{MediaType: layer.compression.mediaType(), Digest: layer.digest, Size: layer.size}, nil
}

func copyLimited(w io.Writer, r io.Reader, limit int64) error {
	n, err := io.Copy(w, r)
	if err == nil && n > limit {
		err = ErrTooLarge
	}
	return err
}

// maxLinks bounds chains of links.
const maxLinks = 8

func (l *loader) open(name string) (io.ReadCloser, error) {
	name = path.Clean(name)
	for range maxLinks {
		if at, ok := l.files[name]; ok {
			return io.NopCloser(io.NewSectionReader(l.spool, at.offset, at.size)), nil
		}
		if path.Dir(name) == "blobs/sha256" {
			file, _, err := openBlob(l.store.layout, v1.Hash{Algorithm: "sha256", Hex: path.Base(name)})
			return file, err
		}
		target, ok := l.links[name]
		if !ok {
			break
		}
		name = target
	}
	return nil, fmt.Errorf("%w: missing", ErrCorrupt)
}
