package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/internal/lockfile"
)

// A store lists the artifacts about an image in referrers/sha256/DIGEST, an index as registries without an API for it have one
// under a tag (OCI distribution-spec 1.1, "Referrers Tag Schema"). index.json does not name them: every run reads it, and tools
// that take the only image of a layout would find several.

// MaxReferrers bounds how many artifacts are kept about one image.
const MaxReferrers = 256

// maxArtifact bounds the contents of one artifact, in bytes.
const maxArtifact = 512 << 20

func (s *Store) referrerDir() string { return filepath.Join(s.dir, "referrers", "sha256") }

func (s *Store) referrerFile(subject v1.Hash) (string, error) {
	if _, err := blobName(subject); err != nil {
		return "", err
	}
	return filepath.Join(s.referrerDir(), subject.Hex), nil
}

// Attach keeps artifacts beside the images that they are about. They go when their image goes. Artifacts may be about artifacts,
// too. ErrTooLarge is the answer to one too many.
func (s *Store) Attach(artifacts ...*Artifact) error {
	if len(artifacts) == 0 {
		return nil
	}
	using, err := lockfile.Shared(s.lockFile())
	if err != nil {
		return err
	}
	defer using.Close()
	for _, a := range artifacts {
		if err := s.writeArtifact(a); err != nil {
			return fmt.Errorf("storing artifact: %w", err)
		}
	}
	if err := errors.Join(syncDir(s.blobDir()), os.MkdirAll(s.referrerDir(), 0o777)); err != nil {
		return err
	}
	for _, a := range artifacts {
		err := s.editReferrers(a.Subject(), func(list []v1.Descriptor) ([]v1.Descriptor, error) {
			return AddReferrer(list, a.Descriptor())
		})
		if err != nil {
			return fmt.Errorf("storing artifact: %w", err)
		}
	}
	return nil
}

func (s *Store) writeArtifact(a *Artifact) error {
	if size := a.Size(); size > maxArtifact {
		return fmt.Errorf("%d bytes: %w", size, ErrTooLarge)
	}
	for _, d := range a.Blobs() {
		data, err := a.Blob(d, maxArtifact)
		if err != nil {
			return err
		}
		if err := s.writeDocument(d.Digest, data); err != nil {
			return err
		}
	}
	return s.writeDocument(digestOf(a.raw), a.raw)
}

// Detach takes an artifact away from the image that it is about; garbage collection removes it.
func (s *Store) Detach(subject, artifact v1.Hash) error {
	return s.editReferrers(subject, func(list []v1.Descriptor) ([]v1.Descriptor, error) {
		return slices.DeleteFunc(list, func(d v1.Descriptor) bool { return d.Digest == artifact }), nil
	})
}

// AddReferrer adds an artifact to a list, which is kept in the order of digests so that lists of the same are the same.
func AddReferrer(list []v1.Descriptor, d v1.Descriptor) ([]v1.Descriptor, error) {
	if slices.ContainsFunc(list, func(other v1.Descriptor) bool { return other.Digest == d.Digest }) {
		return list, nil
	}
	if len(list) >= MaxReferrers {
		return nil, fmt.Errorf("%d artifacts about one image: %w", len(list)+1, ErrTooLarge)
	}
	list = append(slices.Clone(list), d)
	slices.SortFunc(list, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.Hex, b.Digest.Hex) })
	return list, nil
}

// ReferrerIndex is the document that lists artifacts.
func ReferrerIndex(list []v1.Descriptor) ([]byte, error) {
	return json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: list})
}

// ParseReferrers reads a document that lists artifacts. What cannot be one is left out.
func ParseReferrers(raw []byte) ([]v1.Descriptor, error) {
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: reading list of referrers: %w", ErrCorrupt, err)
	}
	return slices.DeleteFunc(index.Manifests, func(d v1.Descriptor) bool {
		_, err := blobName(d.Digest)
		return err != nil || d.Size < 0 || d.Size > maxManifest
	}), nil
}

func (s *Store) editReferrers(subject v1.Hash, change func([]v1.Descriptor) ([]v1.Descriptor, error)) error {
	name, err := s.referrerFile(subject)
	if err != nil {
		return err
	}
	lock, err := lockfile.Exclusive(s.indexLock())
	if err != nil {
		return err
	}
	defer lock.Close()
	old, err := s.Referrers(subject)
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return err
	}
	list, err := change(slices.Clone(old))
	if err != nil || len(list) == len(old) {
		return err
	}
	if len(list) == 0 {
		return removeIfThere(name)
	}
	raw, err := ReferrerIndex(list)
	if err != nil {
		return err
	}
	return s.writeFile(name, raw)
}

// Referrers lists the artifacts about an image, none for one that the store does not know.
func (s *Store) Referrers(subject v1.Hash) ([]v1.Descriptor, error) {
	if _, err := blobName(subject); err != nil {
		return nil, err
	}
	raw, err := readFile(s.layout, path.Join("referrers", "sha256", subject.Hex), maxManifest)
	if notExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading referrers of %s: %w", subject, err)
	}
	return ParseReferrers(raw)
}

// Artifact opens one by the digest of its manifest. The error for one that the store lacks is fs.ErrNotExist.
func (s *Store) Artifact(digest v1.Hash) (*Artifact, error) {
	raw, err := readBlob(s.layout, digest, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("reading artifact: %w", err)
	}
	return ParseArtifact(raw, func(d v1.Descriptor) ([]byte, error) { return readBlob(s.layout, d.Digest, d.Size) })
}

// Artifacts opens those about an image that have one of some types, or all.
func (s *Store) Artifacts(subject v1.Hash, types ...string) ([]*Artifact, error) {
	list, err := s.Referrers(subject)
	if err != nil {
		return nil, err
	}
	var artifacts []*Artifact
	for _, d := range list {
		if len(types) > 0 && !slices.Contains(types, d.ArtifactType) {
			continue
		}
		a, err := s.Artifact(d.Digest)
		if err != nil {
			return nil, err
		}
		if a.Subject() != subject {
			return nil, fmt.Errorf("%w: artifact %s is listed for %s and about %s", ErrCorrupt, d.Digest, subject, a.Subject())
		}
		artifacts = append(artifacts, a)
	}
	return artifacts, nil
}

// markReferrers marks the artifacts about what has a digest, and those about them. What cannot be read is no loss to an image:
// Examine tells of it.
func (s *Store) markReferrers(subject v1.Hash, live *liveSet, depth int) {
	list, err := s.Referrers(subject)
	if err != nil || depth >= maxIndexDepth {
		return
	}
	for _, d := range list {
		if live.blobs[d.Digest.Hex] {
			continue
		}
		live.blobs[d.Digest.Hex] = true
		a, err := s.Artifact(d.Digest)
		if err != nil {
			continue
		}
		for _, blob := range a.blobs() {
			live.blobs[blob.Digest.Hex] = true
		}
		s.markReferrers(d.Digest, live, depth+1)
	}
}

// sweepReferrers removes the lists of what is gone.
func (s *Store) sweepReferrers(live map[string]bool) error {
	err := sweep(s.referrerDir(), live, new(int), new(int64))
	if notExist(err) {
		return nil
	}
	return err
}
