package onefile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Media types of a Wasm OCI artifact.
const (
	ConfigType types.MediaType = "application/vnd.wasm.config.v0+json"
	LayerType  types.MediaType = "application/wasm"
)

// artifactConfig is the configuration of a Wasm OCI artifact.
type artifactConfig struct {
	Created      time.Time `json:"created"`
	Author       string    `json:"author,omitempty"`
	Architecture string    `json:"architecture"`
	OS           string    `json:"os"`
	LayerDigests []v1.Hash `json:"layerDigests"`
}

// Artifact makes a Wasm OCI artifact of a module: what the registries' side of other runtimes understands. Author is who made
// the box, if that is known.
//
// https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/
func Artifact(module []byte, created time.Time, author string) (v1.Image, error) {
	layer, err := describe(module, LayerType)
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(artifactConfig{
		Created: created.UTC(), Author: author, Architecture: "wasm", OS: "wasip1", LayerDigests: []v1.Hash{layer.Digest},
	})
	if err != nil {
		return nil, err
	}
	described, err := describe(config, ConfigType)
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: described, Layers: []v1.Descriptor{layer},
	})
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(&artifact{manifest, config, module, layer})
}

func describe(content []byte, mediaType types.MediaType) (v1.Descriptor, error) {
	digest, size, err := v1.SHA256(bytes.NewReader(content))
	return v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size}, err
}

// artifact is an image of one layer that is no archive.
type artifact struct {
	manifest, config, module []byte
	layer                    v1.Descriptor
}

func (a *artifact) RawManifest() ([]byte, error)        { return a.manifest, nil }
func (a *artifact) RawConfigFile() ([]byte, error)      { return a.config, nil }
func (a *artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (a *artifact) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	if h != a.layer.Digest {
		return nil, fmt.Errorf("there is no layer %s", h)
	}
	return artifactLayer{a}, nil
}

type artifactLayer struct{ *artifact }

func (l artifactLayer) Digest() (v1.Hash, error)            { return l.layer.Digest, nil }
func (l artifactLayer) Size() (int64, error)                { return l.layer.Size, nil }
func (l artifactLayer) MediaType() (types.MediaType, error) { return l.layer.MediaType, nil }
func (l artifactLayer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(l.module)), nil
}
