package oci

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// RemoveOptions change how Remove works.
type RemoveOptions struct {
	Force bool // given a digest, take all names off the image rather than refuse
}

// Removed tells what Remove did.
type Removed struct {
	Untagged []string // names taken away, full
	Deleted  v1.Hash  // the image, if it has no name left; else zero
}

// InUseError says that an image given by its digest has several names.
type InUseError struct {
	Digest v1.Hash
	Names  []string
}

func (e *InUseError) Error() string {
	names := make([]string, len(e.Names))
	for i, name := range e.Names {
		names[i] = Familiar(name)
	}
	return fmt.Sprintf("image %.12s has several names: %s", e.Digest.Hex, strings.Join(names, ", "))
}

// Hint says how to remove it all the same.
func (e *InUseError) Hint() string { return "remove it by its names, or with --force by them all" }

// Remove takes a name off an image, or by digest its only one; without names the image is gone. What it occupied is freed by
// GC. Errors are ErrNotFound, ErrAmbiguous and *InUseError.
func (s *Store) Remove(ref string, o RemoveOptions) (removed Removed, err error) {
	err = s.edit(func(index *v1.IndexManifest) error {
		target, err := find(index, ref)
		if err != nil {
			return err
		}
		same := func(m v1.Descriptor) bool { return m.Digest == target.Digest }
		if named(target, ref) {
			same = func(m v1.Descriptor) bool { return nameOf(m) == nameOf(target) }
		} else if names := namesOf(index, target.Digest); len(names) > 1 && !o.Force {
			return &InUseError{target.Digest, names}
		}
		for _, m := range index.Manifests {
			if same(m) && nameOf(m) != "" {
				removed.Untagged = append(removed.Untagged, nameOf(m))
			}
		}
		index.Manifests = slices.DeleteFunc(index.Manifests, same)
		if !slices.ContainsFunc(index.Manifests, func(m v1.Descriptor) bool { return m.Digest == target.Digest }) {
			removed.Deleted = target.Digest
		}
		return nil
	})
	return removed, err
}

func namesOf(index *v1.IndexManifest, digest v1.Hash) (names []string) {
	for _, m := range index.Manifests {
		if m.Digest == digest && nameOf(m) != "" {
			names = append(names, nameOf(m))
		}
	}
	return names
}

// named reports whether ref is the name of the image that it found, not its digest.
func named(d v1.Descriptor, ref string) bool {
	full, err := Normalize(ref)
	return nameOf(d) != "" && (nameOf(d) == ref || (err == nil && nameOf(d) == full) || d.Annotations[annotationRefName] == ref)
}
