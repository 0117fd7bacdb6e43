package builder

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"boxer.dev/oci"
)

// imageWith returns an image that is told from others by a variable.
func imageWith(t *testing.T, env string) v1.Image {
	t.Helper()
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "wasip1", Architecture: "wasm", Config: v1.Config{Env: []string{env}}})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

var errNoRoot = errors.New("no root")

func TestImages(t *testing.T) {
	store := newStore(t)
	for _, name := range []string{"mine:v1", "docker.io/library/ubuntu", "localhost/python:3.12"} {
		if _, err := store.Put(imageWith(t, "NAME="+name), name); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "layout")
	if _, err := layout.Write(dir, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
		Add:        imageWith(t, "NAME=layout"),
		Descriptor: v1.Descriptor{Annotations: map[string]string{"org.opencontainers.image.ref.name": "tag"}},
	})); err != nil {
		t.Fatal(err)
	}
	python, root := imageWith(t, "PYTHON_VERSION=3.13.5"), imageWith(t, "NAME=root")
	images := Images{Store: store, BuiltIn: func(base string) (v1.Image, error) {
		return map[string]v1.Image{PythonBase: python, RootBase: root}[base], nil
	}}
	tests := []struct{ ref, env, note, err, hint string }{
		{ref: "mine:v1", env: "NAME=mine:v1"},
		{ref: "python:3.13-slim", env: "PYTHON_VERSION=3.13.5", note: "Python 3.13.5"},
		{ref: "python:3.12", err: "no Python of that version", hint: "python:3.13.5"},
		{ref: "localhost/python:3.12", env: "NAME=localhost/python:3.12"},
		{ref: "ubuntu:24.04", env: "NAME=root", note: "minimal root"},
		{ref: "docker.io/library/ubuntu", env: "NAME=docker.io/library/ubuntu"},
		{ref: "docker.io/library/alpine:3", err: "no such image", hint: "the short name, alpine"},
		{ref: "node:22", err: "no such image", hint: "boxer load"},
		{ref: "Not A Name", err: "invalid image name"},
		{ref: "oci-layout:" + dir + ":tag", env: "NAME=layout"},
		{ref: "oci-layout://" + dir + ":tag", env: "NAME=layout"},
		{ref: "oci-layout:" + dir + ":none", err: "no"},
		{ref: "oci-layout:" + dir + "nowhere", err: "no such file"},
	}
	for _, test := range tests {
		img, note, err := images.Resolve(t.Context(), test.ref)
		if test.err != "" || err != nil {
			if test.err == "" || err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(hintOf(err), test.hint) {
				t.Errorf("%s: got %v (hint %q), want %q (hint %q)", test.ref, err, hintOf(err), test.err, test.hint)
			}
			continue
		}
		file, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if file.Config.Env[0] != test.env || !strings.Contains(note, test.note) || (note == "") != (test.note == "") {
			t.Errorf("%s: got %v, note %q; want %s, note %q", test.ref, file.Config.Env, note, test.env, test.note)
		}
	}
}

func TestImagesWithoutBases(t *testing.T) {
	images := Images{BuiltIn: func(string) (v1.Image, error) { return nil, errNoRoot }}
	for _, ref := range []string{"python", "ubuntu"} {
		if _, _, err := images.Resolve(t.Context(), ref); !errors.Is(err, errNoRoot) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if _, _, err := images.Resolve(t.Context(), "mine"); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("mine: %v", err)
	}
}
