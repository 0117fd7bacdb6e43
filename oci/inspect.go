package oci

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Stored is an image of the store under one of its names.
type Stored struct {
	Name     string // full (see Familiar), empty if the image has none
	Digest   v1.Hash
	Platform v1.Platform
	Created  time.Time // zero if unknown
	Size     int64     // compressed bytes of all that the image consists of
	Err      error     // why the image cannot be read; then only Name and Digest are known
}

// List returns the store's images ordered by name, an image with several names once for each.
func (s *Store) List() ([]Stored, error) {
	_, index, err := readIndex(s.layout)
	if err != nil {
		return nil, err
	}
	list := make([]Stored, len(index.Manifests))
	for i, m := range index.Manifests {
		list[i] = s.describe(m)
	}
	return list, nil
}

func (s *Store) describe(d v1.Descriptor) Stored {
	stored := Stored{Name: nameOf(d), Digest: d.Digest}
	img, err := resolve(s.layout, d, 0)
	if err != nil {
		stored.Err = err
		return stored
	}
	config, err := img.ConfigFile()
	if err != nil {
		stored.Err = err
		return stored
	}
	if platform := config.Platform(); platform != nil {
		stored.Platform = *platform
	}
	stored.Created = config.Created.Time
	stored.Size = sizeOf(img.manifest, len(img.raw))
	return stored
}

func sizeOf(manifest *v1.Manifest, raw int) int64 {
	size := int64(raw) + manifest.Config.Size
	for _, layer := range manifest.Layers {
		size += layer.Size
	}
	return size
}

// Inspection is what "inspect" shows of an image, in docker's words.
type Inspection struct {
	ID           string `json:"Id"` // same as Digest
	Digest       string
	RepoTags     []string
	RepoDigests  []string
	Created      time.Time
	Author       string `json:",omitempty"`
	OS           string `json:"Os"`
	Architecture string
	Size         int64 // compressed bytes of all that the image consists of
	Config       v1.Config
	RootFS       InspectedRootFS
	Layers       []v1.Descriptor
}

// InspectedRootFS is v1.RootFS in docker's words.
type InspectedRootFS struct {
	Type   string
	Layers []v1.Hash // diff ids, lowest first
}

// Inspect describes an image that has the given (full) names.
func Inspect(img v1.Image, names ...string) (*Inspection, error) {
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	size, err := img.Size()
	if err != nil {
		return nil, err
	}
	i := &Inspection{
		ID: digest.String(), Digest: digest.String(), RepoTags: []string{}, RepoDigests: []string{},
		Created: config.Created.Time, Author: config.Author, OS: config.OS, Architecture: config.Architecture,
		Size: sizeOf(manifest, int(size)), Config: config.Config, Layers: manifest.Layers,
		RootFS: InspectedRootFS{config.RootFS.Type, config.RootFS.DiffIDs},
	}
	for _, name := range names {
		i.RepoTags = append(i.RepoTags, Familiar(name))
		repository, _ := SplitName(Familiar(name))
		i.RepoDigests = append(i.RepoDigests, repository+"@"+digest.String())
	}
	return i, nil
}

// Names returns the full names that an image has in the store.
func (s *Store) Names(digest v1.Hash) ([]string, error) {
	_, index, err := readIndex(s.layout)
	if err != nil {
		return nil, err
	}
	return namesOf(index, digest), nil
}

// Step is one instruction that an image was built by.
type Step struct {
	Created   time.Time
	CreatedBy string
	Comment   string
	Empty     bool    // it made no layer
	Layer     v1.Hash // digest, zero if Empty
	Size      int64   // compressed bytes of the layer
}

// History returns an image's steps, first one first. Layers that the image's history does not tell of come as steps without
// description, at the end.
func History(img v1.Image) ([]Step, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	layers := manifest.Layers
	var steps []Step
	for _, h := range config.History {
		step := Step{Created: h.Created.Time, CreatedBy: h.CreatedBy, Comment: h.Comment, Empty: h.EmptyLayer || len(layers) == 0}
		if !step.Empty {
			step.Layer, step.Size, layers = layers[0].Digest, layers[0].Size, layers[1:]
		}
		steps = append(steps, step)
	}
	for _, layer := range layers {
		steps = append(steps, Step{Layer: layer.Digest, Size: layer.Size})
	}
	return steps, nil
}
