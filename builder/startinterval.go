package builder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
)

// HEALTHCHECK --start-interval came to image configurations with Docker 25 (moby/docker-image-spec 1.3), and v1.HealthConfig
// has no field for it. So it is put into the finished configuration, and read back from that of a base.

type healthSpec struct {
	Config struct {
		Healthcheck struct {
			StartInterval time.Duration `json:"StartInterval"`
		} `json:"Healthcheck"`
	} `json:"config"`
}

// startIntervalOf reads it from an image; zero: there is none.
func startIntervalOf(img v1.Image) time.Duration {
	raw, err := img.RawConfigFile()
	if err != nil || !bytes.Contains(raw, []byte("StartInterval")) {
		return 0
	}
	var spec healthSpec
	if json.Unmarshal(raw, &spec) != nil {
		return 0
	}
	return spec.Config.Healthcheck.StartInterval
}

// reconfigured is an image with another configuration.
type reconfigured struct {
	v1.Image
	config   []byte
	manifest *v1.Manifest
	raw      []byte
}

// withStartInterval adds the interval to an image's health check, if it has one.
func withStartInterval(img v1.Image, interval time.Duration) (v1.Image, error) {
	file, err := img.ConfigFile()
	if err != nil || interval == 0 || file.Config.Healthcheck == nil {
		return img, err
	}
	config, err := addStartInterval(img, interval)
	if err != nil {
		return nil, fmt.Errorf("assembling the image: %w", err)
	}
	r := &reconfigured{Image: img, config: config}
	old, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	r.manifest = old.DeepCopy()
	if r.manifest.Config.Digest, r.manifest.Config.Size, err = v1.SHA256(bytes.NewReader(config)); err != nil {
		return nil, err
	}
	r.raw, err = json.Marshal(r.manifest)
	return r, err
}

func addStartInterval(img v1.Image, interval time.Duration) ([]byte, error) {
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, err
	}
	var all, config, health map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(all["config"], &config); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(config["Healthcheck"], &health); err != nil {
		return nil, err
	}
	if health["StartInterval"], err = json.Marshal(interval); err != nil {
		return nil, err
	}
	if config["Healthcheck"], err = json.Marshal(health); err != nil {
		return nil, err
	}
	if all["config"], err = json.Marshal(config); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

func (r *reconfigured) RawConfigFile() ([]byte, error)      { return r.config, nil }
func (r *reconfigured) ConfigFile() (*v1.ConfigFile, error) { return partial.ConfigFile(r) }
func (r *reconfigured) ConfigName() (v1.Hash, error)        { return r.manifest.Config.Digest, nil }
func (r *reconfigured) Manifest() (*v1.Manifest, error)     { return r.manifest.DeepCopy(), nil }
func (r *reconfigured) RawManifest() ([]byte, error)        { return r.raw, nil }
func (r *reconfigured) Size() (int64, error)                { return int64(len(r.raw)), nil }
func (r *reconfigured) Digest() (v1.Hash, error)            { return partial.Digest(r) }
func (r *reconfigured) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	if h == r.manifest.Config.Digest {
		return partial.ConfigLayer(r)
	}
	return r.Image.LayerByDigest(h)
}
