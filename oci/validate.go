package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"reflect"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Validate reads all of an image and tells what contradicts: sizes, digests, diff ids, files that come twice in a layer. It does
// what go-containerregistry's validate.Image does, for layers that are compressed with zstd, too.
func Validate(img v1.Image) error {
	manifest, err := validateManifest(img)
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	config, err := validateConfig(img, manifest.Config)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	if len(layers) != len(manifest.Layers) || len(layers) != len(config.RootFS.DiffIDs) {
		return fmt.Errorf("%w: %d layers, %d in the manifest, %d diff ids", ErrCorrupt, len(layers), len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	var errs []error
	for i, layer := range layers {
		if err := validateLayer(layer, manifest.Layers[i], config.RootFS.DiffIDs[i]); err != nil {
			errs = append(errs, fmt.Errorf("layer %d: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

func validateManifest(img v1.Image) (*v1.Manifest, error) {
	raw, err := img.RawManifest()
	if err != nil {
		return nil, err
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	size, err := img.Size()
	if err != nil {
		return nil, err
	}
	if digestOf(raw) != digest || int64(len(raw)) != size {
		return nil, fmt.Errorf("%w: it is %s with %d bytes; the image says %s with %d", ErrCorrupt, digestOf(raw), len(raw), digest, size)
	}
	parsed, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	manifest, err := img.Manifest()
	if err == nil && !reflect.DeepEqual(manifest, parsed) {
		err = fmt.Errorf("%w: its fields are not those of its bytes", ErrCorrupt)
	}
	return manifest, err
}

func validateConfig(img v1.Image, want v1.Descriptor) (*v1.ConfigFile, error) {
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, err
	}
	name, err := img.ConfigName()
	if err != nil {
		return nil, err
	}
	if got := digestOf(raw); got != name || got != want.Digest || int64(len(raw)) != want.Size {
		return nil, fmt.Errorf("%w: it is %s with %d bytes; the image says %s, its manifest %s with %d",
			ErrCorrupt, got, len(raw), name, want.Digest, want.Size)
	}
	parsed, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err == nil && !reflect.DeepEqual(config, parsed) {
		err = fmt.Errorf("%w: its fields are not those of its bytes", ErrCorrupt)
	}
	if err == nil && config.RootFS.Type != "layers" {
		err = fmt.Errorf("%w: its rootfs is of type %q", ErrCorrupt, config.RootFS.Type)
	}
	return config, err
}

func validateLayer(layer v1.Layer, want v1.Descriptor, wantDiffID v1.Hash) error {
	mediaType, err := layer.MediaType()
	if err != nil {
		return err
	}
	digest, err := layer.Digest()
	if err != nil {
		return err
	}
	diffID, err := layer.DiffID()
	if err != nil {
		return err
	}
	if mediaType != want.MediaType || digest != want.Digest || diffID != wantDiffID {
		return fmt.Errorf("%w: it is %s %s %s; the image says %s %s %s", ErrCorrupt, mediaType, digest, diffID, want.MediaType, want.Digest, wantDiffID)
	}
	blob, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer blob.Close()
	checked := verify(blob, digest, want.Size)
	plain, err := decompress(checked)
	if err != nil {
		return err
	}
	defer plain.Close()
	hash := sha256.New()
	if err := readNames(io.TeeReader(plain, hash)); err != nil {
		return err
	}
	if got := sumOf(hash); got != diffID {
		return fmt.Errorf("%w: diff id is %s, not %s", ErrCorrupt, got, diffID)
	}
	_, err = io.Copy(io.Discard, checked)
	return err
}

// readNames reads a whole tar and refuses one that has two entries of one name.
func readNames(r io.Reader) error {
	tr := tar.NewReader(r)
	seen := map[string]bool{}
	for {
		header, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if seen[header.Name] {
			return fmt.Errorf("%w: %q comes twice", ErrCorrupt, header.Name)
		}
		seen[header.Name] = true
	}
	_, err := io.Copy(io.Discard, r)
	return err
}
