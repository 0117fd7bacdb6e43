package builder

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/oci"
)

// image makes the stage an image: an OCI one (image-spec 1.1), whatever its base is.
func (s *stage) image() (v1.Image, error) {
	base := mutate.MediaType(s.base, types.OCIManifestSchema1)
	base = mutate.ConfigMediaType(base, types.OCIConfigJSON)
	img, err := mutate.Append(base, s.added...)
	if err != nil {
		return nil, fmt.Errorf("assembling the image: %w", err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("assembling the image: %w", err)
	}
	file = file.DeepCopy()
	file.Config = s.config
	file.Author = s.author
	file.OS, file.Architecture, file.Variant = oci.Platform.OS, oci.Platform.Architecture, ""
	file.Created = v1.Time{Time: s.build.epoch}
	file.Container = "" // some builders leave the name of the machine there
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return nil, fmt.Errorf("assembling the image: %w", err)
	}
	return withStartInterval(img, s.startInterval)
}
