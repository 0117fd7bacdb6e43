package oci

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// NamedImage is an image to be saved under a name; empty: without.
type NamedImage struct {
	Name  string
	Image v1.Image
}

// Save writes images of the store, by name or digest, as an archive. See the function Save.
func (s *Store) Save(w io.Writer, refs ...string) error {
	_, index, err := readIndex(s.layout)
	if err != nil {
		return fmt.Errorf("reading image store: %w", err)
	}
	images := make([]NamedImage, len(refs))
	for i, ref := range refs {
		descriptor, err := find(index, ref)
		if err != nil {
			return err
		}
		img, err := resolve(s.layout, descriptor, 0)
		if err != nil {
			return err
		}
		images[i].Image = img
		if named(descriptor, ref) {
			images[i].Name = nameOf(descriptor)
		}
	}
	return Save(w, images...)
}

// Save writes an archive that has an OCI image layout in it (an "oci-archive" to skopeo and podman; docker load reads it
// too). The same images give the same bytes. Content that does not have its digest is an error, and what was written until
// then is of no use.
func Save(w io.Writer, images ...NamedImage) error {
	a := &archiver{tw: tar.NewWriter(w), written: map[string]bool{}}
	if err := a.save(images); err != nil {
		return fmt.Errorf("saving images: %w", err)
	}
	return nil
}

type archiver struct {
	tw      *tar.Writer
	written map[string]bool
}

func (a *archiver) save(images []NamedImage) error {
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	for _, img := range images {
		descriptor, err := describe(img.Image)
		if err != nil {
			return err
		}
		var names []string
		if img.Name != "" {
			if names, err = normalizeAll([]string{img.Name}); err != nil {
				return err
			}
		}
		index.Manifests = append(index.Manifests, withNames(*descriptor, names)...)
	}
	raw, err := json.Marshal(index)
	if err != nil {
		return err
	}
	if err := a.file("oci-layout", []byte(layoutFile)); err != nil {
		return err
	}
	if err := a.file("index.json", raw); err != nil {
		return err
	}
	for _, img := range images {
		if err := a.image(img.Image); err != nil {
			return err
		}
	}
	return a.tw.Close()
}

func (a *archiver) image(img v1.Image) error {
	manifest, err := img.RawManifest()
	if err != nil {
		return err
	}
	if err := a.document(manifest); err != nil {
		return err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	if err := a.document(config); err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		if err := a.layer(layer); err != nil {
			return err
		}
	}
	return nil
}

func (a *archiver) document(data []byte) error {
	name, err := blobName(digestOf(data))
	if err != nil || a.written[name] {
		return err
	}
	a.written[name] = true
	return a.file(name, data)
}

func (a *archiver) layer(layer v1.Layer) error {
	digest, err := layer.Digest()
	if err != nil {
		return err
	}
	size, err := layer.Size()
	if err != nil {
		return err
	}
	name, err := blobName(digest)
	if err != nil || a.written[name] {
		return err
	}
	a.written[name] = true
	blob, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer blob.Close()
	if err := a.tw.WriteHeader(archiveHeader(name, size)); err != nil {
		return err
	}
	_, err = io.Copy(a.tw, verify(blob, digest, size))
	return err
}

func (a *archiver) file(name string, data []byte) error {
	if err := a.tw.WriteHeader(archiveHeader(name, int64(len(data)))); err != nil {
		return err
	}
	_, err := a.tw.Write(data)
	return err
}

func archiveHeader(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0)}
}
