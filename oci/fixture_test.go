package oci

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tarOf makes a tar of headers; a regular file's content is its name, unless its size says otherwise: zeros then.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var buffer bytes.Buffer
	tw := tar.NewWriter(&buffer)
	for _, header := range headers {
		content := []byte(header.Name)
		if header.Typeflag == 0 {
			header.Typeflag = tar.TypeReg
		}
		if header.Typeflag == tar.TypeReg {
			if header.Size > 0 {
				content = make([]byte, header.Size)
			}
			header.Size = int64(len(content))
		}
		if err := tw.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			if _, err := tw.Write(content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func layerOf(t testing.TB, content []byte, compression Compression) v1.Layer {
	t.Helper()
	file, err := createUnnamed(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	layer := &spooledLayer{file: file, compression: compression}
	if err := layer.compress(func(w io.Writer) error { _, err := w.Write(content); return err }); err != nil {
		t.Fatal(err)
	}
	return layer
}

func imageOf(t testing.TB, layers ...v1.Layer) v1.Image {
	t.Helper()
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	img, err := mutate.ConfigFile(img, &v1.ConfigFile{
		OS: Platform.OS, Architecture: Platform.Architecture, RootFS: v1.RootFS{Type: "layers"},
		Created: v1.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, Config: v1.Config{Cmd: []string{"/a"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		img = appendLayer(t, img, layer)
	}
	return img
}

func appendLayer(t testing.TB, img v1.Image, layer v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "COPY . ."}})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// namedImage is an image of one layer with one file.
func namedImage(t testing.TB, file string) v1.Image {
	return imageOf(t, layerOf(t, tarOf(t, tar.Header{Name: file, Mode: 0o644}), Zstd))
}

func mustPut(t testing.TB, s *Store, img v1.Image, refs ...string) v1.Hash {
	t.Helper()
	digest, err := s.Put(img, refs...)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}
