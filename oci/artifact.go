package oci

import (
	"bytes"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Artifact is something about an image that is kept beside it: a signature, a list of what is in it. As OCI image-spec 1.1 has
// it ("Guidelines for Artifact Usage") that is a manifest whose subject is the image's manifest. Neither the image nor its digest
// changes by it. Contents are read when they are asked for.
type Artifact struct {
	raw      []byte
	manifest *v1.Manifest
	read     func(v1.Descriptor) ([]byte, error)
}

// SignatureType is the type of artifacts that hold a signature as cosign made them up to version 2. Registries keep these not as
// referrers but under a tag.
const SignatureType = "application/vnd.dev.cosign.artifact.sig.v1+json"

// Content is one file of an artifact.
type Content struct {
	MediaType   types.MediaType
	Data        []byte
	Annotations map[string]string
}

// The empty configuration that artifacts have (OCI image-spec 1.1, "Guidance for an Empty Descriptor").
const (
	emptyType   = "application/vnd.oci.empty.v1+json"
	emptyConfig = "{}"
)

// maxContents bounds how many files an artifact has.
const maxContents = 256

// NewArtifact makes an artifact of a type (a media type) about an image, of whose descriptor type, size and digest count.
func NewArtifact(subject v1.Descriptor, artifactType string, annotations map[string]string, contents ...Content) (*Artifact, error) {
	data := map[v1.Hash][]byte{digestOf([]byte(emptyConfig)): []byte(emptyConfig)}
	m := &v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: artifactType, Annotations: annotations,
		Config:  v1.Descriptor{MediaType: emptyType, Size: int64(len(emptyConfig)), Digest: digestOf([]byte(emptyConfig))},
		Layers:  []v1.Descriptor{},
		Subject: &v1.Descriptor{MediaType: subject.MediaType, Size: subject.Size, Digest: subject.Digest},
	}
	for _, c := range contents {
		digest := digestOf(c.Data)
		data[digest] = c.Data
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: c.MediaType, Size: int64(len(c.Data)), Digest: digest, Annotations: c.Annotations})
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return ParseArtifact(raw, func(d v1.Descriptor) ([]byte, error) { return data[d.Digest], nil })
}

// ParseArtifact reads an artifact's manifest. read gets a blob of it; what it gives is checked. The error is ErrCorrupt for what
// is no artifact.
func ParseArtifact(raw []byte, read func(v1.Descriptor) ([]byte, error)) (*Artifact, error) {
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: reading artifact: %w", ErrCorrupt, err)
	}
	if m.Subject == nil || m.MediaType != types.OCIManifestSchema1 {
		return nil, fmt.Errorf("%w: %s of type %q is about nothing", ErrCorrupt, digestOf(raw), m.MediaType)
	}
	if len(m.Layers) > maxContents {
		return nil, fmt.Errorf("artifact %s of %d files: %w", digestOf(raw), len(m.Layers), ErrTooLarge)
	}
	for _, d := range append([]v1.Descriptor{*m.Subject, m.Config}, m.Layers...) {
		if _, err := blobName(d.Digest); err != nil || d.Size < 0 {
			return nil, fmt.Errorf("%w: artifact %s has a part %s of %d bytes", ErrCorrupt, digestOf(raw), d.Digest, d.Size)
		}
	}
	return &Artifact{raw, m, read}, nil
}

// Type of the artifact. Those from before OCI 1.1 have it as the type of their configuration.
func (a *Artifact) Type() string {
	if a.manifest.ArtifactType != "" {
		return a.manifest.ArtifactType
	}
	return string(a.manifest.Config.MediaType)
}

// Subject is the digest of what the artifact is about.
func (a *Artifact) Subject() v1.Hash { return a.manifest.Subject.Digest }

// Raw is the artifact's manifest as it is.
func (a *Artifact) Raw() []byte { return a.raw }

// Manifest is the same, parsed; it is not to be changed.
func (a *Artifact) Manifest() *v1.Manifest { return a.manifest }

// Size of the artifact's contents in bytes, as described. Too large a number stands for what does not fit.
func (a *Artifact) Size() (size int64) {
	for _, d := range a.blobs() {
		if size += d.Size; size < 0 {
			return 1<<63 - 1
		}
	}
	return size
}

// Descriptor is that by which a list of referrers has the artifact (OCI distribution-spec 1.1, "Listing Referrers").
func (a *Artifact) Descriptor() v1.Descriptor {
	return v1.Descriptor{
		MediaType: a.manifest.MediaType, Size: int64(len(a.raw)), Digest: digestOf(a.raw),
		ArtifactType: a.Type(), Annotations: a.manifest.Annotations,
	}
}

// Content reads the nth file, if it is no longer than limit bytes. What is not as described is ErrCorrupt.
func (a *Artifact) Content(n int, limit int64) ([]byte, error) {
	if n < 0 || n >= len(a.manifest.Layers) {
		return nil, fmt.Errorf("%w: artifact %s has %d files, not %d", ErrCorrupt, digestOf(a.raw), len(a.manifest.Layers), n+1)
	}
	return a.Blob(a.manifest.Layers[n], limit)
}

// Blob reads a file, or the configuration, by its descriptor in the manifest.
func (a *Artifact) Blob(d v1.Descriptor, limit int64) ([]byte, error) {
	if d.Size > limit {
		return nil, fmt.Errorf("blob %s of %d bytes: %w", d.Digest, d.Size, ErrTooLarge)
	}
	data, err := a.read(d)
	if err != nil {
		return nil, fmt.Errorf("reading artifact %s: %w", digestOf(a.raw), err)
	}
	if got := digestOf(data); got != d.Digest || int64(len(data)) != d.Size {
		return nil, fmt.Errorf("%w: blob %s has digest %s and %d of %d bytes", ErrCorrupt, d.Digest, got, len(data), d.Size)
	}
	return data, nil
}

// blobs are the configuration and the files.
func (a *Artifact) blobs() []v1.Descriptor {
	return append([]v1.Descriptor{a.manifest.Config}, a.manifest.Layers...)
}

// Blobs are the descriptors of all that the manifest leads to, each once.
func (a *Artifact) Blobs() []v1.Descriptor {
	var blobs []v1.Descriptor
	seen := map[v1.Hash]bool{}
	for _, d := range a.blobs() {
		if !seen[d.Digest] {
			seen[d.Digest] = true
			blobs = append(blobs, d)
		}
	}
	return blobs
}
