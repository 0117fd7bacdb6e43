package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/internal/hint"
	"boxer.dev/oci"
)

// jobs is how many blobs move at once.
const jobs = 4

// maxConfig bounds configurations, in bytes.
const maxConfig = 8 << 20

// image is a v1.Image in a registry. Its manifest and configuration are read, its layers are not.
type image struct {
	ctx        context.Context
	give       context.CancelCauseFunc // gives up on all layers
	repository *Repository
	document   *document
	manifest   *v1.Manifest
	rawConfig  []byte
	config     *v1.ConfigFile
	known      map[v1.Hash]v1.Layer // at hand
}

// image reads an image's manifest and configuration; of an index, those of the image for oci.Platform. What the store has is
// read from there.
func (r *Repository) image(ctx context.Context, identifier string, store *oci.Store) (*image, error) {
	candidate, d, err := r.candidate(ctx, identifier)
	if err != nil {
		return nil, err
	}
	if r.admit != nil {
		if err := r.admit(ctx, candidate); err != nil {
			return nil, err
		}
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(d.raw))
	if err != nil {
		return nil, fmt.Errorf("%w: reading manifest: %w", oci.ErrCorrupt, err)
	}
	if err := checkTypes(manifest); err != nil {
		return nil, err
	}
	img := &image{repository: r, document: d, manifest: manifest}
	img.ctx, img.give = context.WithCancelCause(ctx)
	if raw, ok := storedConfig(store, d.descriptor.Digest); ok {
		return img, img.setConfig(raw)
	}
	return img, img.readConfig()
}

// candidate finds the manifest of an image, by way of indexes.
func (r *Repository) candidate(ctx context.Context, identifier string) (*Candidate, *document, error) {
	d, err := r.manifest(ctx, identifier)
	found := &Candidate{repository: r}
	for depth := 0; err == nil && d.descriptor.MediaType.IsIndex(); depth++ {
		found.Documents = append(found.Documents, d.descriptor)
		d, err = r.choose(ctx, d, depth)
	}
	if err != nil {
		return nil, nil, err
	}
	found.Documents = append(found.Documents, d.descriptor)
	return found, d, nil
}

// Candidate is an image that is about to be taken from a registry, of which nothing but the manifest has been read.
type Candidate struct {
	// Documents lead to the image: indexes for several platforms, if there are any, and last its manifest. Each of them
	// names the next by its digest.
	Documents  []v1.Descriptor
	repository *Repository
}

// Image is the descriptor of the image's manifest.
func (c *Candidate) Image() v1.Descriptor { return c.Documents[len(c.Documents)-1] }

// Artifacts opens what the registry has about one of the documents: artifacts of some types, or all.
func (c *Candidate) Artifacts(ctx context.Context, document v1.Descriptor, types ...string) ([]*oci.Artifact, error) {
	return c.repository.artifacts(ctx, document, types)
}

func storedConfig(store *oci.Store, digest v1.Hash) (raw []byte, ok bool) {
	if store == nil {
		return nil, false
	}
	stored, err := store.Image(digest.String())
	if err != nil {
		return nil, false
	}
	raw, err = stored.RawConfigFile()
	return raw, err == nil
}

// maxIndexDepth bounds indexes of indexes.
const maxIndexDepth = 4

// choose gets the document that an index has for oci.Platform.
func (r *Repository) choose(ctx context.Context, d *document, depth int) (*document, error) {
	if depth == maxIndexDepth {
		return nil, fmt.Errorf("%w: indexes are nested too deeply", oci.ErrCorrupt)
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(d.raw))
	if err != nil {
		return nil, fmt.Errorf("%w: reading index: %w", oci.ErrCorrupt, err)
	}
	chosen, err := oci.ChoosePlatform(index.Manifests)
	if err != nil {
		return nil, err
	}
	return r.manifest(ctx, chosen.Digest.String())
}

// checkTypes refuses what is no image that can be kept: its layers must be tars that are in the registry.
func checkTypes(manifest *v1.Manifest) error {
	switch mediaType := manifest.Config.MediaType; {
	case mediaType == "application/vnd.wasm.config.v0+json":
		return hint.To(errors.New("it is no box but a Wasm OCI artifact, one module for other runtimes"),
			"what `boxer push` sends without --as is a box; a module can be put in one: COPY app.wasm /, CMD [\"/app.wasm\"]")
	case !mediaType.IsConfig():
		return fmt.Errorf("it is no image: its configuration is of type %q", mediaType)
	}
	for _, layer := range manifest.Layers {
		if !layer.MediaType.IsLayer() {
			return fmt.Errorf("it is no image of a kind that boxer knows: it has a layer of type %q", layer.MediaType)
		}
		if !layer.MediaType.IsDistributable() {
			return fmt.Errorf("it has a layer that registries do not keep (%s)", layer.MediaType)
		}
	}
	for _, d := range append([]v1.Descriptor{manifest.Config}, manifest.Layers...) {
		if d.Digest.Algorithm != "sha256" || d.Size < 0 {
			return fmt.Errorf("%w: a blob is described as %s with %d bytes", oci.ErrCorrupt, d.Digest, d.Size)
		}
	}
	return nil
}

func (i *image) readConfig() error {
	d := i.manifest.Config
	if d.Size > maxConfig {
		return fmt.Errorf("reading config: %w of %d bytes", oci.ErrTooLarge, maxConfig)
	}
	source := i.repository.blob(i.ctx, d, 0)
	defer source.Close()
	raw, err := io.ReadAll(source)
	if err != nil {
		return fmt.Errorf("reading config: %w", err)
	}
	return i.setConfig(raw)
}

func (i *image) setConfig(raw []byte) error {
	if got, want := digestOf(raw), i.manifest.Config.Digest; got != want {
		return fmt.Errorf("%w: config %s has digest %s", oci.ErrCorrupt, want, got)
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("%w: reading config: %w", oci.ErrCorrupt, err)
	}
	if have, want := len(config.RootFS.DiffIDs), len(i.manifest.Layers); have != want {
		return fmt.Errorf("%w: it has %d layers and %d diff ids", oci.ErrCorrupt, want, have)
	}
	i.rawConfig, i.config = raw, config
	return nil
}

func (i *image) MediaType() (types.MediaType, error) { return i.document.descriptor.MediaType, nil }
func (i *image) Size() (int64, error)                { return i.document.descriptor.Size, nil }
func (i *image) Digest() (v1.Hash, error)            { return i.document.descriptor.Digest, nil }
func (i *image) RawManifest() ([]byte, error)        { return i.document.raw, nil }
func (i *image) Manifest() (*v1.Manifest, error)     { return i.manifest.DeepCopy(), nil }
func (i *image) ConfigName() (v1.Hash, error)        { return i.manifest.Config.Digest, nil }
func (i *image) RawConfigFile() ([]byte, error)      { return i.rawConfig, nil }
func (i *image) ConfigFile() (*v1.ConfigFile, error) { return i.config.DeepCopy(), nil }

func (i *image) Layers() ([]v1.Layer, error) {
	layers := make([]v1.Layer, len(i.manifest.Layers))
	for n, d := range i.manifest.Layers {
		layers[n] = i.layer(n, d)
	}
	return layers, nil
}

// layer is the nth layer, as it is at hand or else in the registry.
func (i *image) layer(n int, d v1.Descriptor) v1.Layer {
	if known, ok := i.known[d.Digest]; ok {
		return known
	}
	return &layer{i, n}
}

func (i *image) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	if h == i.manifest.Config.Digest {
		return partial.ConfigLayer(i)
	}
	for n, d := range i.manifest.Layers {
		if d.Digest == h {
			return i.layer(n, d), nil
		}
	}
	return nil, fmt.Errorf("%s has no layer %s", i.document.descriptor.Digest, h)
}

func (i *image) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	for n, diffID := range i.config.RootFS.DiffIDs {
		if diffID == h {
			return i.layer(n, i.manifest.Layers[n]), nil
		}
	}
	return nil, fmt.Errorf("%s has no layer with diff id %s", i.document.descriptor.Digest, h)
}

// layer is the nth layer of an image, an oci.Resumable.
type layer struct {
	image *image
	n     int
}

func (l *layer) descriptor() v1.Descriptor            { return l.image.manifest.Layers[l.n] }
func (l *layer) Digest() (v1.Hash, error)             { return l.descriptor().Digest, nil }
func (l *layer) DiffID() (v1.Hash, error)             { return l.image.config.RootFS.DiffIDs[l.n], nil }
func (l *layer) Size() (int64, error)                 { return l.descriptor().Size, nil }
func (l *layer) MediaType() (types.MediaType, error)  { return l.descriptor().MediaType, nil }
func (l *layer) Compressed() (io.ReadCloser, error)   { return l.CompressedFrom(0) }
func (l *layer) Uncompressed() (io.ReadCloser, error) { return oci.Uncompressed(l) }

// Context ends when the pull does, or when another layer is given up.
func (l *layer) Context() context.Context { return l.image.ctx }

// CompressedFrom reads the blob. When that fails for good the image's other layers are given up, too.
func (l *layer) CompressedFrom(offset int64) (io.ReadCloser, error) {
	d, stats := l.descriptor(), l.image.repository.stats
	stats.Moved.Add(1)
	stats.Present.Add(-1)
	stats.Want.Add(d.Size - offset)
	return &givingUp{l.image.repository.blob(l.image.ctx, d, offset), l.image.give}, nil
}

type givingUp struct {
	io.ReadCloser
	give context.CancelCauseFunc
}

func (g *givingUp) Read(p []byte) (int, error) {
	n, err := g.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		g.give(err)
	}
	return n, err
}
