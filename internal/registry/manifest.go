package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/oci"
)

// maxManifest is the size, in bytes, up to which registries have to take manifests (OCI distribution-spec 1.1, "Pushing
// Manifests").
const maxManifest = 4 << 20

// maxManifestTime is how long a manifest may take with all attempts to get it: it could come drop by drop for ever.
const maxManifestTime = 10 * time.Minute

// accepted are the manifests that we ask for.
var accepted = strings.Join([]string{
	string(types.OCIManifestSchema1), string(types.OCIImageIndex), string(types.DockerManifestSchema2), string(types.DockerManifestList),
}, ", ")

// document is a manifest or an index as a registry has it.
type document struct {
	raw        []byte
	descriptor v1.Descriptor
}

// manifest gets a manifest or an index by tag or digest. Errors are oci.ErrNotFound, ErrCorrupt and ErrTooLarge, and those of
// the registry.
func (r *Repository) manifest(ctx context.Context, identifier string) (*document, error) {
	ctx, cancel := context.WithTimeout(ctx, maxManifestTime)
	defer cancel()
	request, err := r.request(ctx, http.MethodGet, "/manifests/"+identifier)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accepted)
	response, err := r.do(request, http.StatusOK)
	if isStatus(err, http.StatusNotFound) {
		return nil, fmt.Errorf("%w: the registry has no %s", oci.ErrNotFound, reference(r, identifier))
	}
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	if len(raw) > maxManifest {
		return nil, fmt.Errorf("reading manifest: %w of %d bytes", oci.ErrTooLarge, maxManifest)
	}
	mediaType, err := manifestType(raw, response.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	d := &document{raw, v1.Descriptor{MediaType: mediaType, Size: int64(len(raw)), Digest: digestOf(raw)}}
	if strings.HasPrefix(identifier, "sha256:") && d.descriptor.Digest.String() != identifier {
		return nil, fmt.Errorf("%w: asked for manifest %s, the registry sent %s", oci.ErrCorrupt, identifier, d.descriptor.Digest)
	}
	return d, nil
}

func reference(r *Repository, identifier string) string {
	if strings.Contains(identifier, ":") {
		return r.String() + "@" + identifier
	}
	return r.String() + ":" + identifier
}

// manifestType is what a manifest is. Documents that some take for an image and others for an index are refused
// (CVE-2021-41190).
func manifestType(raw []byte, header string) (types.MediaType, error) {
	var fields struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     types.MediaType `json:"mediaType"`
		Config        json.RawMessage `json:"config"`
		Layers        json.RawMessage `json:"layers"`
		Manifests     json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return "", fmt.Errorf("%w: reading manifest: %w", oci.ErrCorrupt, err)
	}
	if fields.SchemaVersion == 1 {
		return "", errors.New("it is in docker's first format, which was given up in 2019: push it again with a newer tool")
	}
	isImage, isIndex := fields.Config != nil || fields.Layers != nil, fields.Manifests != nil
	if isImage == isIndex {
		return "", fmt.Errorf("%w: the manifest is neither an image nor an index, or both", oci.ErrCorrupt)
	}
	mediaType := fields.MediaType
	if mediaType == "" {
		header, _, _ = strings.Cut(header, ";")
		mediaType = types.MediaType(strings.TrimSpace(header))
	}
	if mediaType.IsIndex() != isIndex || mediaType.IsImage() != isImage {
		return "", fmt.Errorf("%w: the manifest's content is not of its type %q", oci.ErrCorrupt, mediaType)
	}
	return mediaType, nil
}

// putManifest stores a manifest under a tag or its digest.
func (r *Repository) putManifest(ctx context.Context, identifier string, d *document) error {
	request, err := r.request(ctx, http.MethodPut, "/manifests/"+identifier)
	if err != nil {
		return err
	}
	request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(d.raw)), int64(len(d.raw))
	request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(d.raw)), nil }
	request.Header.Set("Content-Type", string(d.descriptor.MediaType))
	response, err := r.do(request, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return fmt.Errorf("writing manifest: %w", err)
	}
	response.Body.Close()
	if stored, err := v1.NewHash(response.Header.Get("Docker-Content-Digest")); err == nil && stored != d.descriptor.Digest {
		return fmt.Errorf("writing manifest: %w: the registry made %s of %s", oci.ErrCorrupt, stored, d.descriptor.Digest)
	}
	return nil
}

// hasManifest tells whether a tag or digest leads to a manifest already.
func (r *Repository) hasManifest(ctx context.Context, identifier string, digest v1.Hash) bool {
	request, err := r.request(ctx, http.MethodHead, "/manifests/"+identifier)
	if err != nil {
		return false
	}
	request.Header.Set("Accept", accepted)
	response, err := r.do(request, http.StatusOK)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.Header.Get("Docker-Content-Digest") == digest.String()
}

// isStatus tells whether a registry answered by a status.
func isStatus(err error, status int) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == status
}

func digestOf(data []byte) v1.Hash {
	sum := sha256.Sum256(data)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}
