package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/oci"
)

// Artifacts about an image (OCI distribution-spec 1.1, "Listing Referrers") are listed by the registry, or, where it does not
// know how, by an index under the tag sha256-DIGEST, which those who add something keep ("Referrers Tag Schema").

// Artifacts opens what a registry has about an image, in the repository that a name says: those of some types, or all. What they
// consist of is read when it is asked for, as long as ctx lasts.
func (c *Client) Artifacts(ctx context.Context, ref string, subject v1.Descriptor, types ...string) ([]*oci.Artifact, error) {
	parsed, err := c.parse(ref)
	if err != nil {
		return nil, err
	}
	repository, err := c.open(ctx, parsed.Context(), transport.PullScope)
	if err != nil {
		return nil, err
	}
	artifacts, err := repository.artifacts(ctx, subject, types)
	if err != nil {
		return nil, fmt.Errorf("asking for what is attached to %s: %w", ref, c.explain(err, parsed.Context()))
	}
	return artifacts, nil
}

// maxAttached bounds what PullArtifacts brings, in bytes.
const maxAttached = 64 << 20

// PullArtifacts keeps in the store what a registry has about an image of it, but for the types that are to be left out. What is
// too large together is not kept; the error says so.
func (c *Client) PullArtifacts(ctx context.Context, store *oci.Store, ref string, subject v1.Descriptor, without ...string) error {
	artifacts, err := c.Artifacts(ctx, ref, subject)
	if err != nil {
		return err
	}
	left := int64(maxAttached)
	artifacts = slices.DeleteFunc(artifacts, func(a *oci.Artifact) bool { return slices.Contains(without, a.Type()) })
	for _, a := range artifacts {
		if a.Size() > left {
			return fmt.Errorf("bringing what is attached to %s: %w of %d bytes", ref, oci.ErrTooLarge, maxAttached)
		}
		left -= a.Size()
	}
	if err := store.Attach(artifacts...); err != nil {
		return fmt.Errorf("bringing what is attached to %s: %w", ref, err)
	}
	return nil
}

// PushArtifacts sends artifacts to the repository that a name says. It does not matter whether the image that they are about is
// there: whoever sends them before it makes sure that nobody sees it without them.
func (c *Client) PushArtifacts(ctx context.Context, ref string, artifacts ...*oci.Artifact) error {
	if len(artifacts) == 0 {
		return nil
	}
	parsed, err := c.parse(ref)
	if err != nil {
		return err
	}
	repository, err := c.open(ctx, parsed.Context(), transport.PushScope)
	if err != nil {
		return err
	}
	if err := repository.putArtifacts(ctx, artifacts); err != nil {
		return fmt.Errorf("pushing what is attached to %s: %w", ref, c.explain(err, parsed.Context()))
	}
	return nil
}

// artifacts opens those about an image, also those that are found by tags.
func (r *Repository) artifacts(ctx context.Context, subject v1.Descriptor, types []string) ([]*oci.Artifact, error) {
	wanted := func(kind string) bool { return len(types) == 0 || slices.Contains(types, kind) }
	list, _, err := r.referrers(ctx, subject.Digest)
	if err != nil {
		return nil, err
	}
	var artifacts []*oci.Artifact
	for _, d := range list {
		if d.ArtifactType != "" && !wanted(d.ArtifactType) || !isManifest(d) {
			continue
		}
		a, err := r.artifact(ctx, d.Digest)
		if err != nil {
			return nil, err
		}
		if a.Subject() != subject.Digest {
			return nil, fmt.Errorf("%w: artifact %s is listed for %s and about %s", oci.ErrCorrupt, d.Digest, subject.Digest, a.Subject())
		}
		if wanted(a.Type()) {
			artifacts = append(artifacts, a)
		}
	}
	if wanted(oci.SignatureType) {
		signatures, err := r.taggedSignatures(ctx, subject)
		if err != nil {
			return nil, err
		}
		artifacts = append(artifacts, signatures...)
	}
	return artifacts, nil
}

// isManifest leaves out what could only be an index about an image: there is no use for it.
func isManifest(d v1.Descriptor) bool {
	return d.MediaType == "" || d.MediaType == types.OCIManifestSchema1
}

func (r *Repository) artifact(ctx context.Context, digest v1.Hash) (*oci.Artifact, error) {
	d, err := r.manifest(ctx, digest.String())
	if err != nil {
		return nil, err
	}
	return oci.ParseArtifact(d.raw, func(blob v1.Descriptor) ([]byte, error) { return r.readBlob(ctx, blob) })
}

// readBlob reads a blob whole; its caller has found the size bearable, and checks the digest.
func (r *Repository) readBlob(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	source := r.blob(ctx, d, 0)
	defer source.Close()
	return io.ReadAll(source)
}

// maxPages bounds into how many answers a registry divides a list.
const maxPages = 16

// referrers lists what is about a digest. api tells whether the registry keeps that list itself.
func (r *Repository) referrers(ctx context.Context, subject v1.Hash) (list []v1.Descriptor, api bool, err error) {
	request, err := r.request(ctx, http.MethodGet, "/referrers/"+subject.String())
	if err != nil {
		return nil, false, err
	}
	for page := 0; request != nil; page++ {
		if page == maxPages {
			return nil, true, fmt.Errorf("list of referrers of %s: %w", subject, oci.ErrTooLarge)
		}
		var part []v1.Descriptor
		part, request, err = r.referrersPage(request)
		if page == 0 && errors.Is(err, errNoReferrers) {
			list, err := r.taggedReferrers(ctx, subject)
			return list, false, err
		}
		if err != nil {
			return nil, true, err
		}
		if list = append(list, part...); len(list) > oci.MaxReferrers {
			return nil, true, fmt.Errorf("%d artifacts about %s: %w", len(list), subject, oci.ErrTooLarge)
		}
	}
	return list, true, nil
}

var errNoReferrers = errors.New("the registry lists no referrers")

// referrersPage gets a part of a list, and how to ask for the next.
func (r *Repository) referrersPage(request *http.Request) (list []v1.Descriptor, next *http.Request, err error) {
	request.Header.Set("Accept", string(types.OCIImageIndex))
	response, err := r.do(request, http.StatusOK, http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented)
	if err != nil {
		return nil, nil, fmt.Errorf("listing referrers: %w", err)
	}
	defer response.Body.Close()
	kind, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	if response.StatusCode != http.StatusOK || types.MediaType(kind) != types.OCIImageIndex {
		return nil, nil, errNoReferrers
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxManifest+1))
	if err != nil {
		return nil, nil, fmt.Errorf("listing referrers: %w", err)
	}
	if len(raw) > maxManifest {
		return nil, nil, fmt.Errorf("listing referrers: %w of %d bytes", oci.ErrTooLarge, maxManifest)
	}
	if list, err = oci.ParseReferrers(raw); err != nil {
		return nil, nil, err
	}
	next, err = r.nextPage(request, response.Header.Get("Link"))
	return list, next, err
}

// nextPage reads a header like `<…?n=10&last=x>; rel="next"` (RFC 8288). It may not lead elsewhere.
func (r *Repository) nextPage(request *http.Request, link string) (*http.Request, error) {
	address, parameters, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !ok || !strings.Contains(parameters, `rel="next"`) {
		return nil, nil
	}
	relative, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: listing referrers: %w", oci.ErrCorrupt, err)
	}
	target := request.URL.ResolveReference(relative)
	if target.Host != r.base.Host || target.Scheme != r.base.Scheme {
		return nil, fmt.Errorf("%w: the list of referrers goes on at %s", oci.ErrCorrupt, target.Host)
	}
	return http.NewRequestWithContext(request.Context(), http.MethodGet, target.String(), nil)
}

// referrersTag is where the list is that the registry does not keep itself.
func referrersTag(subject v1.Hash) string { return subject.Algorithm + "-" + subject.Hex }

func (r *Repository) taggedReferrers(ctx context.Context, subject v1.Hash) ([]v1.Descriptor, error) {
	d, err := r.manifest(ctx, referrersTag(subject))
	if errors.Is(err, oci.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !d.descriptor.MediaType.IsIndex() {
		return nil, fmt.Errorf("%w: %s is no list of referrers", oci.ErrCorrupt, reference(r, referrersTag(subject)))
	}
	list, err := oci.ParseReferrers(d.raw)
	if err == nil && len(list) > oci.MaxReferrers {
		err = fmt.Errorf("%d artifacts about %s: %w", len(list), subject, oci.ErrTooLarge)
	}
	return list, err
}

// putArtifacts stores artifacts and sees to it that they are listed.
func (r *Repository) putArtifacts(ctx context.Context, artifacts []*oci.Artifact) error {
	added := map[v1.Hash][]v1.Descriptor{}
	for _, a := range artifacts {
		if a.Type() == oci.SignatureType {
			if err := r.addSignature(ctx, a); err != nil {
				return err
			}
			continue
		}
		if err := r.putArtifact(ctx, a); err != nil {
			return err
		}
		added[a.Subject()] = append(added[a.Subject()], a.Descriptor())
	}
	for subject, descriptors := range added {
		if err := r.list(ctx, subject, descriptors); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repository) putArtifact(ctx context.Context, a *oci.Artifact) error {
	for _, d := range a.Blobs() {
		if err := r.putBlob(ctx, d, nil, openBlob(a, d)); err != nil {
			return err
		}
	}
	d := a.Descriptor()
	return r.putManifest(ctx, d.Digest.String(), &document{a.Raw(), d})
}

func openBlob(a *oci.Artifact, d v1.Descriptor) opener {
	return func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		data, err := a.Blob(d, d.Size)
		if err != nil {
			return nil, err
		}
		return openBytes(data)(ctx, offset)
	}
}

func openBytes(data []byte) opener {
	return func(_ context.Context, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data[min(offset, int64(len(data))):])), nil
	}
}

// maxListings is how often a list is written that others write at the same time. It has no lock, so what they overwrite is
// noticed only if they were faster.
const maxListings = 8

// list makes sure that artifacts are listed, which a registry with an API for it has done already.
func (r *Repository) list(ctx context.Context, subject v1.Hash, added []v1.Descriptor) error {
	for range maxListings {
		list, api, err := r.referrers(ctx, subject)
		if err != nil || api {
			return err
		}
		before := len(list)
		for _, d := range added {
			if list, err = oci.AddReferrer(list, d); err != nil {
				return err
			}
		}
		if len(list) == before {
			return nil
		}
		raw, err := oci.ReferrerIndex(list)
		if err != nil {
			return err
		}
		index := &document{raw, v1.Descriptor{MediaType: types.OCIImageIndex, Size: int64(len(raw)), Digest: digestOf(raw)}}
		if err := r.putManifest(ctx, referrersTag(subject), index); err != nil {
			return err
		}
	}
	return fmt.Errorf("listing what is attached to %s: others keep writing that list", subject)
}
