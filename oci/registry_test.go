package oci

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// An image of the store is taken by a registry as it is, and comes back as it was.
func TestRegistry(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/app:v1")
	check(t, err)
	from, to := newStore(t), newStore(t)
	digest := mustPut(t, from, manyLayers(t), ref.Name())
	check(t, remote.Write(ref, must(from.Image(ref.Name()))))
	img, err := remote.Image(ref)
	check(t, err)
	check(t, Validate(img))
	if got := mustPut(t, to, img, ref.Name()); got != digest {
		t.Errorf("%s came back as %s", digest, got)
	}
	checkStore(t, to.Dir())
	mustRootfs(t, to, img)
}
