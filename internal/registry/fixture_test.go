package registry

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// writeIndex and writeImage put into a registry what Push would not.

func writeIndex(t testing.TB, ref string, index v1.ImageIndex) {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	check(t, err)
	check(t, remote.WriteIndex(parsed, index))
}

func writeImage(t testing.TB, ref string, img v1.Image) {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	check(t, err)
	check(t, remote.Write(parsed, img, remote.WithNondistributable))
}
