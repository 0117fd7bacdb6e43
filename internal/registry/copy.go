package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"boxer.dev/oci"
)

// Copy copies what a name means in one registry to a name in another, or in the same one, without looking into layers: the
// digest stays, and of an image for several platforms all are copied; what is attached to them as well, unless
// Options.WithoutReferrers says otherwise. Blobs stream through this machine's memory, if they are not taken over within the
// registry.
func (c *Client) Copy(ctx context.Context, from, to string) (v1.Hash, error) {
	digest, err := c.copy(ctx, from, to)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("copying %s to %s: %w", from, to, err)
	}
	return digest, nil
}

func (c *Client) copy(ctx context.Context, from, to string) (v1.Hash, error) {
	source, err := c.parse(from)
	if err != nil {
		return v1.Hash{}, err
	}
	if _, err := oci.Taggable(to); err != nil {
		return v1.Hash{}, err
	}
	target, err := c.parse(to)
	if err != nil {
		return v1.Hash{}, err
	}
	t := &copying{attached: !c.options.WithoutReferrers}
	if t.from, err = c.open(ctx, source.Context(), transport.PullScope); err != nil {
		return v1.Hash{}, err
	}
	t.from.stats = &Stats{} // each byte is counted once, when it is sent
	if source.Context().RegistryStr() == target.Context().RegistryStr() && source.Context().RepositoryStr() != target.Context().RepositoryStr() {
		t.mount = []name.Repository{source.Context()}
	}
	if t.to, err = c.open(ctx, target.Context(), transport.PushScope, t.mount...); err != nil {
		return v1.Hash{}, err
	}
	d, err := t.from.manifest(ctx, source.Identifier())
	if err != nil {
		return v1.Hash{}, c.explain(err, source.Context())
	}
	if err := t.manifest(ctx, d, target.Identifier(), 0); err != nil {
		return v1.Hash{}, c.explain(err, target.Context())
	}
	return d.descriptor.Digest, nil
}

type copying struct {
	from, to *Repository
	mount    []name.Repository
	attached bool // what is attached to images, too
}

// manifest copies what a manifest leads to, and then the manifest.
func (t *copying) manifest(ctx context.Context, d *document, identifier string, depth int) (err error) {
	if err := t.referrers(ctx, d.descriptor.Digest); err != nil {
		return err
	}
	if t.to.hasManifest(ctx, identifier, d.descriptor.Digest) {
		return nil
	}
	switch {
	case depth > maxIndexDepth:
		return fmt.Errorf("%w: indexes are nested too deeply", oci.ErrCorrupt)
	case d.descriptor.MediaType.IsIndex():
		err = t.index(ctx, d, depth)
	default:
		err = t.image(ctx, d)
	}
	if err != nil {
		return err
	}
	return t.to.putManifest(ctx, identifier, d)
}

// referrers copies what is attached to a manifest. It comes first, so that nobody sees the image without it.
func (t *copying) referrers(ctx context.Context, subject v1.Hash) error {
	if !t.attached {
		return nil
	}
	list, _, err := t.from.referrers(ctx, subject)
	if err != nil {
		return err
	}
	var copied []v1.Descriptor
	for _, d := range list {
		if !isManifest(d) {
			continue
		}
		a, err := t.from.manifest(ctx, d.Digest.String())
		if err != nil {
			return err
		}
		if err := t.image(ctx, a); err != nil {
			return err
		}
		if err := t.to.putManifest(ctx, d.Digest.String(), a); err != nil {
			return err
		}
		copied = append(copied, d)
	}
	if len(copied) > 0 {
		if err := t.to.list(ctx, subject, copied); err != nil {
			return err
		}
	}
	signatures, err := t.from.signatures(ctx, subject)
	if err != nil || len(signatures) == 0 {
		return err
	}
	if err := t.blobs(ctx, signatures); err != nil {
		return err
	}
	return t.to.addSignatures(ctx, subject, signatures)
}

func (t *copying) index(ctx context.Context, d *document, depth int) error {
	index, err := v1.ParseIndexManifest(bytes.NewReader(d.raw))
	if err != nil {
		return fmt.Errorf("%w: reading index: %w", oci.ErrCorrupt, err)
	}
	for _, m := range index.Manifests {
		identifier := m.Digest.String()
		child, err := t.from.manifest(ctx, identifier)
		if err != nil {
			return err
		}
		if err := t.manifest(ctx, child, identifier, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// image copies the blobs of a manifest, whatever they are.
func (t *copying) image(ctx context.Context, d *document) error {
	manifest, err := v1.ParseManifest(bytes.NewReader(d.raw))
	if err != nil {
		return fmt.Errorf("%w: reading manifest: %w", oci.ErrCorrupt, err)
	}
	return t.blobs(ctx, append([]v1.Descriptor{manifest.Config}, manifest.Layers...))
}

func (t *copying) blobs(ctx context.Context, blobs []v1.Descriptor) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	seen := map[v1.Hash]bool{}
	for _, blob := range blobs {
		if !blob.MediaType.IsDistributable() {
			return errors.New("it has a layer that registries do not keep (" + string(blob.MediaType) + ")")
		}
		if seen[blob.Digest] {
			continue
		}
		seen[blob.Digest] = true
		group.Go(func() error {
			return t.to.putBlob(ctx, blob, t.mount, func(ctx context.Context, offset int64) (io.ReadCloser, error) {
				return t.from.blob(ctx, blob, offset), nil
			})
		})
	}
	return group.Wait()
}
