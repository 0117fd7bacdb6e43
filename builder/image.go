package builder

import (
	"errors"
	"fmt"
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/oci"
)

// image makes the stage an image: an OCI one (image-spec 1.1), whatever its base is.
func (s *stage) image() (v1.Image, error) {
	if err := s.checkRequests(); err != nil {
		return nil, err
	}
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
	if labels := s.build.opts.Labels; len(labels) > 0 {
		file.Config.Labels = maps.Clone(file.Config.Labels)
		if file.Config.Labels == nil {
			file.Config.Labels = map[string]string{}
		}
		maps.Copy(file.Config.Labels, labels)
	}
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return nil, fmt.Errorf("assembling the image: %w", err)
	}
	if img, err = s.annotate(img); err != nil {
		return nil, err
	}
	return withStartInterval(img, s.startInterval)
}

// annotate gives the image's manifest its annotations.
func (s *stage) annotate(img v1.Image) (v1.Image, error) {
	if len(s.build.opts.Annotations) == 0 {
		return img, nil
	}
	annotated, ok := mutate.Annotations(img, s.build.opts.Annotations).(v1.Image)
	if !ok {
		return nil, errors.New("annotating the image: it is none")
	}
	return annotated, nil
}
