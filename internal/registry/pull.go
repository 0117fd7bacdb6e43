package registry

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"boxer.dev/oci"
)

// Pull brings an image into the store, under its name; one that is asked for by digest stays without. It is opened before it
// gets the name, so that what is kept is whole and keeps to the store's limits. Blobs that the store has, or the images of
// Options.Known, are not transferred. What a pull that breaks off has fetched is there for the next one.
func (c *Client) Pull(ctx context.Context, store *oci.Store, ref string) (v1.Hash, error) {
	digest, err := c.pull(ctx, store, ref)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("pulling %s: %w", ref, err)
	}
	return digest, nil
}

// Image is an image in a registry, which is read as it is used, and as long as ctx lasts. Digests of layers are its reader's to
// check, as Put does.
func (c *Client) Image(ctx context.Context, ref string) (v1.Image, error) {
	parsed, err := c.parse(ref)
	if err != nil {
		return nil, err
	}
	repository, err := c.open(ctx, parsed.Context(), transport.PullScope)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", ref, err)
	}
	img, err := repository.image(ctx, parsed.Identifier(), nil)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", ref, c.explain(err, parsed.Context()))
	}
	return img, nil
}

// Find tells what a name means in its registry: nothing but manifests is read, and nobody is asked to admit them.
func (c *Client) Find(ctx context.Context, ref string) (*Candidate, error) {
	parsed, err := c.parse(ref)
	if err != nil {
		return nil, err
	}
	repository, err := c.open(ctx, parsed.Context(), transport.PullScope)
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", ref, err)
	}
	found, _, err := repository.candidate(ctx, parsed.Identifier())
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", ref, c.explain(err, parsed.Context()))
	}
	return found, nil
}

func (c *Client) pull(ctx context.Context, store *oci.Store, ref string) (v1.Hash, error) {
	parsed, err := c.parse(ref)
	if err != nil {
		return v1.Hash{}, err
	}
	repository, err := c.open(ctx, parsed.Context(), transport.PullScope)
	if err != nil {
		return v1.Hash{}, err
	}
	img, err := repository.image(ctx, parsed.Identifier(), store)
	if err != nil {
		return v1.Hash{}, c.explain(err, parsed.Context())
	}
	defer img.give(nil)
	if img.known, err = layersOf(c.options.Known); err != nil {
		return v1.Hash{}, err
	}
	c.options.Stats.Blobs.Add(int64(len(img.manifest.Layers)))
	c.options.Stats.Present.Add(int64(len(img.manifest.Layers)))
	var names []string
	if tag, ok := parsed.(name.Tag); ok {
		names = append(names, tag.Name())
	}
	digest, err := store.PutWhole(img, names...)
	if err != nil {
		return v1.Hash{}, c.explain(err, parsed.Context())
	}
	return digest, store.NoteOrigin(repository.String(), append(blobsOf(img.manifest), digest)...)
}

func layersOf(images []v1.Image) (map[v1.Hash]v1.Layer, error) {
	known := map[v1.Hash]v1.Layer{}
	for _, img := range images {
		layers, err := img.Layers()
		if err != nil {
			return nil, err
		}
		for _, layer := range layers {
			digest, err := layer.Digest()
			if err != nil {
				return nil, err
			}
			known[digest] = layer
		}
	}
	return known, nil
}

func blobsOf(manifest *v1.Manifest) []v1.Hash {
	blobs := []v1.Hash{manifest.Config.Digest}
	for _, layer := range manifest.Layers {
		blobs = append(blobs, layer.Digest)
	}
	return blobs
}
