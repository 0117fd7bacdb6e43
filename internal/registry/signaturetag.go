package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/oci"
)

// Signatures as cosign made them up to version 2 (oci.SignatureType) are not referrers in registries: all signatures of an image
// are layers of one image under the tag sha256-DIGEST.sig (cosign, specs/SIGNATURE_SPEC.md).

const (
	// maxSignatures bounds how many of an image are read.
	maxSignatures = 256
	// maxSignature bounds what is signed, in bytes.
	maxSignature = 64 << 10
)

func signatureTag(subject v1.Hash) string { return referrersTag(subject) + ".sig" }

// signatures lists the signatures of an image.
func (r *Repository) signatures(ctx context.Context, subject v1.Hash) ([]v1.Descriptor, error) {
	d, err := r.manifest(ctx, signatureTag(subject))
	if errors.Is(err, oci.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(d.raw))
	if err != nil || !d.descriptor.MediaType.IsImage() {
		return nil, errors.Join(fmt.Errorf("%w: %s holds no signatures", oci.ErrCorrupt, reference(r, signatureTag(subject))), err)
	}
	if len(manifest.Layers) > maxSignatures {
		return nil, fmt.Errorf("%d signatures of %s: %w", len(manifest.Layers), subject, oci.ErrTooLarge)
	}
	return manifest.Layers, nil
}

// taggedSignatures reads the signatures of an image, an artifact for each.
func (r *Repository) taggedSignatures(ctx context.Context, subject v1.Descriptor) ([]*oci.Artifact, error) {
	layers, err := r.signatures(ctx, subject.Digest)
	if err != nil {
		return nil, err
	}
	var artifacts []*oci.Artifact
	for _, d := range layers {
		if d.Size < 0 || d.Size > maxSignature {
			return nil, fmt.Errorf("a signature of %s with %d bytes: %w", subject.Digest, d.Size, oci.ErrTooLarge)
		}
		data, err := r.readBlob(ctx, d)
		if err != nil {
			return nil, err
		}
		if digestOf(data) != d.Digest {
			return nil, fmt.Errorf("%w: blob %s has digest %s", oci.ErrCorrupt, d.Digest, digestOf(data))
		}
		a, err := oci.NewArtifact(subject, oci.SignatureType, nil, oci.Content{MediaType: d.MediaType, Data: data, Annotations: d.Annotations})
		if err != nil {
			return nil, err
		}
		artifacts = append(artifacts, a)
	}
	return artifacts, nil
}

// addSignature adds an artifact's signatures to those of its image.
func (r *Repository) addSignature(ctx context.Context, a *oci.Artifact) error {
	layers := a.Manifest().Layers
	for _, d := range layers {
		if err := r.putBlob(ctx, d, nil, openBlob(a, d)); err != nil {
			return err
		}
	}
	return r.addSignatures(ctx, a.Subject(), layers)
}

// addSignatures lists signatures whose blobs the repository has.
func (r *Repository) addSignatures(ctx context.Context, subject v1.Hash, added []v1.Descriptor) error {
	for range maxListings {
		all, err := r.signatures(ctx, subject)
		if err != nil {
			return err
		}
		before := len(all)
		for _, d := range added {
			same := func(other v1.Descriptor) bool {
				return other.Digest == d.Digest && maps.Equal(other.Annotations, d.Annotations)
			}
			if !slices.ContainsFunc(all, same) {
				all = append(all, d)
			}
		}
		if len(all) == before {
			return nil
		}
		if len(all) > maxSignatures {
			return fmt.Errorf("%d signatures of %s: %w", len(all), subject, oci.ErrTooLarge)
		}
		if err := r.putSignatures(ctx, subject, all); err != nil {
			return err
		}
	}
	return fmt.Errorf("writing signatures of %s: others keep writing them", subject)
}

// putSignatures makes the image that signatures are the layers of.
func (r *Repository) putSignatures(ctx context.Context, subject v1.Hash, layers []v1.Descriptor) error {
	file := &v1.ConfigFile{RootFS: v1.RootFS{Type: "layers"}}
	for _, d := range layers {
		file.RootFS.DiffIDs = append(file.RootFS.DiffIDs, d.Digest)
		file.History = append(file.History, v1.History{})
	}
	config, err := json.Marshal(file)
	if err != nil {
		return err
	}
	manifest := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Layers: layers,
		Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Size: int64(len(config)), Digest: digestOf(config)},
	}
	raw, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	if err := r.putBlob(ctx, manifest.Config, nil, openBytes(config)); err != nil {
		return err
	}
	return r.putManifest(ctx, signatureTag(subject), &document{raw, v1.Descriptor{MediaType: manifest.MediaType, Size: int64(len(raw)), Digest: digestOf(raw)}})
}
