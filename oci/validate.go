package oci

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// Validate reads all of an image and tells what contradicts: sizes, digests, diff ids, files that come twice in a layer. It is
// validate.Image for layers that are compressed with zstd, too.
func Validate(img v1.Image) error {
	if err := validate.Image(img, validate.Fast); err != nil {
		return err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
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
