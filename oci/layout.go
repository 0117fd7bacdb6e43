package oci

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Layout is an OCI image layout that is only read: a directory, an embedded file system, an unpacked archive. It is a
// v1.ImageIndex. Images are read lazily, and what is read is checked against its digest.
type Layout struct {
	fsys  fs.FS
	raw   []byte
	index *v1.IndexManifest
}

// ReadLayout opens the layout whose oci-layout file is at the root of fsys. fsys has to outlive the images.
func ReadLayout(fsys fs.FS) (*Layout, error) {
	if err := checkLayoutFile(fsys); err != nil {
		return nil, fmt.Errorf("reading image layout: %w", err)
	}
	raw, index, err := readIndex(fsys)
	if err != nil {
		return nil, fmt.Errorf("reading image layout: %w", err)
	}
	return &Layout{fsys, raw, index}, nil
}

// OpenLayoutRef reads the image that ref names from a layout on the host. The layout is looked up in every time something
// is read, so the image is good for as long as its directory is.
func OpenLayoutRef(ref LayoutRef) (v1.Image, error) {
	layout, err := ReadLayout(os.DirFS(ref.Path))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref.Path, err)
	}
	query := ref.Tag
	if ref.Digest != (v1.Hash{}) {
		query = ref.Digest.String()
	}
	img, err := layout.Find(query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref.Path, err)
	}
	return img, nil
}

// Find returns the image with a name, a tag or a (possibly abbreviated) digest. An empty ref finds the only image there is.
// Of an image for several platforms, it is the one for Platform. Errors are ErrNotFound and ErrAmbiguous.
func (l *Layout) Find(ref string) (v1.Image, error) {
	descriptor, err := find(l.index, ref)
	if err != nil {
		return nil, err
	}
	return resolve(l.fsys, descriptor, 0)
}

// MediaType is OCI image index.
func (l *Layout) MediaType() (types.MediaType, error) { return types.OCIImageIndex, nil }

// Digest of index.json.
func (l *Layout) Digest() (v1.Hash, error) { return digestOf(l.raw), nil }

// Size of index.json in bytes.
func (l *Layout) Size() (int64, error) { return int64(len(l.raw)), nil }

// RawManifest is the content of index.json.
func (l *Layout) RawManifest() ([]byte, error) { return l.raw, nil }

// IndexManifest is index.json, parsed.
func (l *Layout) IndexManifest() (*v1.IndexManifest, error) { return l.index.DeepCopy(), nil }

// Image returns the image whose manifest has the digest.
func (l *Layout) Image(h v1.Hash) (v1.Image, error) { return readImage(l.fsys, h) }

// ImageIndex returns the index with the digest, over the same blobs.
func (l *Layout) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	raw, err := readBlob(l.fsys, h, maxManifest)
	if err != nil {
		return nil, err
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: reading index %s: %w", ErrCorrupt, h, err)
	}
	return &Layout{l.fsys, raw, index}, nil
}

func checkLayoutFile(fsys fs.FS) error {
	raw, err := readFile(fsys, "oci-layout", maxConfig)
	if err != nil {
		return err
	}
	var layout struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(raw, &layout); err != nil {
		return fmt.Errorf("%w: oci-layout: %w", ErrCorrupt, err)
	}
	if !strings.HasPrefix(layout.Version, "1.") {
		return fmt.Errorf("oci-layout: version %q is not supported", layout.Version)
	}
	return nil
}

func readIndex(fsys fs.FS) ([]byte, *v1.IndexManifest, error) {
	raw, err := readFile(fsys, "index.json", maxIndex)
	if err != nil {
		return nil, nil, err
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: index.json: %w", ErrCorrupt, err)
	}
	return raw, index, nil
}

func readFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s: %w", name, ErrTooLarge)
	}
	return data, err
}

// maxIndexDepth bounds indexes of indexes.
const maxIndexDepth = 4

// resolve reads the image that a descriptor leads to, choosing by platform on the way.
func resolve(fsys fs.FS, descriptor v1.Descriptor, depth int) (*image, error) {
	if !descriptor.MediaType.IsIndex() {
		return readImage(fsys, descriptor.Digest)
	}
	if depth == maxIndexDepth {
		return nil, fmt.Errorf("%w: indexes are nested too deeply", ErrCorrupt)
	}
	raw, err := readBlob(fsys, descriptor.Digest, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("reading index: %w", err)
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: reading index %s: %w", ErrCorrupt, descriptor.Digest, err)
	}
	child, err := ChoosePlatform(index.Manifests)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", descriptor.Digest, err)
	}
	return resolve(fsys, child, depth+1)
}

// ChoosePlatform picks the manifest for Platform, or the only one there is. The error is ErrNotFound and lists the platforms.
func ChoosePlatform(manifests []v1.Descriptor) (v1.Descriptor, error) {
	var platforms []string
	for _, m := range manifests {
		if m.Platform == nil {
			continue
		}
		if m.Platform.OS == Platform.OS && m.Platform.Architecture == Platform.Architecture {
			return m, nil
		}
		platforms = append(platforms, m.Platform.String())
	}
	if len(manifests) == 1 {
		return manifests[0], nil
	}
	return v1.Descriptor{}, fmt.Errorf("%w for platform %s, only for %q", ErrNotFound, Platform, platforms)
}

// nameOf is the name that an index gives to an image, or "".
func nameOf(d v1.Descriptor) string {
	if name := d.Annotations[annotationImageName]; name != "" {
		return name
	}
	return d.Annotations[annotationRefName]
}

// find looks a reference up in an index, in docker's order: whole digest, name, abbreviated digest.
func find(index *v1.IndexManifest, ref string) (v1.Descriptor, error) {
	if ref == "" {
		return only(index.Manifests, "")
	}
	prefix, bare, isDigest := digestQuery(ref)
	if isDigest && !bare {
		return only(withPrefix(index.Manifests, prefix), ref)
	}
	if found, ok := byName(index.Manifests, ref); ok {
		return found, nil
	}
	if isDigest {
		return only(withPrefix(index.Manifests, prefix), ref)
	}
	return v1.Descriptor{}, fmt.Errorf("%w: %s", ErrNotFound, ref)
}

func byName(manifests []v1.Descriptor, ref string) (v1.Descriptor, bool) {
	full, err := Normalize(ref)
	if err == nil {
		if _, digest, ok := strings.Cut(full, "@"); ok {
			found, err := only(withPrefix(manifests, strings.TrimPrefix(digest, "sha256:")), ref)
			return found, err == nil
		}
	}
	for _, d := range manifests {
		if err == nil && nameOf(d) == full {
			return d, true
		}
	}
	for _, d := range manifests { // other tools write tags, or names that are not normal
		if d.Annotations[annotationRefName] == ref || d.Annotations[annotationImageName] == ref {
			return d, true
		}
	}
	return v1.Descriptor{}, false
}

func withPrefix(manifests []v1.Descriptor, hex string) []v1.Descriptor {
	return slices.DeleteFunc(slices.Clone(manifests), func(d v1.Descriptor) bool {
		return !strings.HasPrefix(d.Digest.Hex, hex)
	})
}

// only returns the single image among descriptors, which may have several names.
func only(manifests []v1.Descriptor, ref string) (v1.Descriptor, error) {
	if len(manifests) == 0 {
		return v1.Descriptor{}, fmt.Errorf("%w: %s", ErrNotFound, ref)
	}
	several := slices.ContainsFunc(manifests, func(d v1.Descriptor) bool { return d.Digest != manifests[0].Digest })
	if several {
		var names []string
		for _, d := range manifests {
			names = append(names, cmp.Or(Familiar(nameOf(d)), d.Digest.String()))
		}
		return v1.Descriptor{}, fmt.Errorf("%w %q: %q", ErrAmbiguous, ref, names) // quoted: others may have chosen the names
	}
	return manifests[0], nil
}

func notExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
