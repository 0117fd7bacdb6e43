package registry

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"boxer.dev/oci"
)

// Push sends an image to the registry and under the tag that a name says. Blobs that the repository has stay; those that the
// store, if there is one, saw in other repositories of the registry are taken over from there.
func (c *Client) Push(ctx context.Context, store *oci.Store, img v1.Image, ref string) (v1.Hash, error) {
	digest, err := c.push(ctx, store, img, ref)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("pushing %s: %w", ref, err)
	}
	return digest, nil
}

func (c *Client) push(ctx context.Context, store *oci.Store, img v1.Image, ref string) (v1.Hash, error) {
	if _, err := oci.Taggable(ref); err != nil {
		return v1.Hash{}, err
	}
	parsed, err := c.parse(ref)
	if err != nil {
		return v1.Hash{}, err
	}
	d, manifest, err := documentOf(img)
	if err != nil {
		return v1.Hash{}, err
	}
	from := origins(store, parsed.Context(), blobsOf(manifest))
	repository, err := c.open(ctx, parsed.Context(), transport.PushScope, from.all()...)
	if err != nil {
		return v1.Hash{}, err
	}
	if err := repository.pushImage(ctx, img, manifest, from); err != nil {
		return v1.Hash{}, c.explain(err, parsed.Context())
	}
	if err := repository.putManifest(ctx, parsed.Identifier(), d); err != nil {
		return v1.Hash{}, c.explain(err, parsed.Context())
	}
	digest := d.descriptor.Digest
	if store == nil {
		return digest, nil
	}
	return digest, store.NoteOrigin(repository.String(), append(blobsOf(manifest), digest)...)
}

func documentOf(img v1.Image) (*document, *v1.Manifest, error) {
	raw, err := img.RawManifest()
	if err != nil {
		return nil, nil, err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return nil, nil, err
	}
	mediaType, err := img.MediaType()
	return &document{raw, v1.Descriptor{MediaType: mediaType, Size: int64(len(raw)), Digest: digestOf(raw)}}, manifest, err
}

func (r *Repository) pushImage(ctx context.Context, img v1.Image, manifest *v1.Manifest, from mounts) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	seen := map[v1.Hash]bool{}
	for i, layer := range layers {
		d := manifest.Layers[i]
		if seen[d.Digest] {
			continue
		}
		seen[d.Digest] = true
		group.Go(func() error { return r.putBlob(ctx, d, from[d.Digest], openLayer(layer)) })
	}
	group.Go(func() error {
		return r.putBlob(ctx, manifest.Config, from[manifest.Config.Digest], openBytes(config))
	})
	return group.Wait()
}

// openLayer reads past what a registry has: a layer of the store checks its digest as it is read.
func openLayer(layer v1.Layer) opener {
	return func(_ context.Context, offset int64) (io.ReadCloser, error) {
		content, err := layer.Compressed()
		if err != nil {
			return nil, err
		}
		if _, err := io.CopyN(io.Discard, content, offset); err != nil {
			content.Close()
			return nil, err
		}
		return content, nil
	}
}

// mounts are the repositories that blobs can be taken over from.
type mounts map[v1.Hash][]name.Repository

// origins are those in the registry of a repository that the store knows of.
func origins(store *oci.Store, target name.Repository, blobs []v1.Hash) mounts {
	from := mounts{}
	if store == nil {
		return from
	}
	for _, blob := range blobs {
		for _, origin := range store.Origins(blob) {
			host, path, _ := strings.Cut(origin, "/")
			other := target.Registry.Repo(path)
			if host == familiarHost(target.RegistryStr()) && other.RepositoryStr() != target.RepositoryStr() {
				from[blob] = append(from[blob], other)
			}
		}
	}
	return from
}

// all are the repositories that a token has to be good for, each once.
func (m mounts) all() (repositories []name.Repository) {
	for _, from := range m {
		for _, r := range from[:min(len(from), maxMounts)] {
			if !slices.Contains(repositories, r) {
				repositories = append(repositories, r)
			}
		}
	}
	slices.SortFunc(repositories, func(a, b name.Repository) int { return strings.Compare(a.String(), b.String()) })
	return repositories
}
