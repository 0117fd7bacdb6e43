// Package oci keeps boxes as OCI images: the local store, layers as tars and in their opened form, and archives.
//
// Images are the views of go-containerregistry (v1.Image, v1.Layer), so that what this package stores can come from, and go to,
// anything that speaks them. Three things are added here.
//
//   - Store is an OCI image layout on disk that many processes may use and kill at any moment. Blobs are named by their
//     content and never change; index.json alone gives names, and is replaced as a whole.
//   - NewLayer turns a file system's changes into a layer: the same changes give the same bytes on any machine.
//   - Rootfs opens an image's layers for use as a vfs.FS. A layer's tar is read once, checked against its diff id, and kept
//     in a form that is mapped from then on.
//
// Formats: OCI image-spec 1.1 (image layout, manifest, config, layers), and the archive of docker save, which is read only.
// Everything read is taken to be hostile: sizes, names and digests are checked before they have an effect.
package oci

import (
	"errors"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Platform of the images that boxes are: WebAssembly with WASI preview 1.
var Platform = v1.Platform{OS: "wasip1", Architecture: "wasm"}

var (
	// ErrNotFound says that no image has the name or digest asked for.
	ErrNotFound = errors.New("no such image")
	// ErrAmbiguous says that an abbreviated digest fits several images.
	ErrAmbiguous = errors.New("several images match")
	// ErrCorrupt says that stored or received content does not have the digest, size or form it should have.
	ErrCorrupt = errors.New("corrupt content")
	// ErrBusy says that another process is writing to the store, so that garbage cannot be told from work in progress.
	ErrBusy = errors.New("the store is in use by another process")
	// ErrTooLarge says that content exceeds Limits.
	ErrTooLarge = errors.New("content exceeds the limit")
)

// Annotations that give an image of a layout its name.
const (
	annotationRefName   = "org.opencontainers.image.ref.name" // OCI image-spec, annotations
	annotationImageName = "io.containerd.image.name"          // containerd, and docker save since version 25
)

// layoutFile is the content of the file oci-layout (OCI image-spec, image-layout.md).
const layoutFile = `{"imageLayoutVersion":"1.0.0"}`
