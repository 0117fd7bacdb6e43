package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// folder lays out a small tree; its times and the order in which it is made depend on seed.
func folder(t *testing.T, seed int) string {
	t.Helper()
	dir := t.TempDir()
	steps := []func() error{
		func() error { return os.WriteFile(filepath.Join(dir, "b.txt"), []byte("b\n"), 0o644) },
		func() error { return os.WriteFile(filepath.Join(dir, "a.sh"), []byte("#!/bin/sh\n"), 0o755) },
		func() error { return os.Mkdir(filepath.Join(dir, "sub"), 0o755) },
		func() error { return os.Symlink("../b.txt", filepath.Join(dir, "sub", "link")) },
		func() error {
			tmp := filepath.Join(dir, "tmp")
			if err := os.Mkdir(tmp, 0o777); err != nil {
				return err
			}
			return os.Chmod(tmp, 0o777|os.ModeSticky)
		},
	}
	if seed%2 == 1 {
		steps[0], steps[1] = steps[1], steps[0]
	}
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	when := time.Unix(int64(seed)*1e8, 0)
	if err := os.Chtimes(filepath.Join(dir, "b.txt"), when, when); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTarIsCanonical(t *testing.T) {
	var out strings.Builder
	if err := writeTar(&out, folder(t, 1)); err != nil {
		t.Fatal(err)
	}
	type entry struct {
		Name, Link string
		Mode       int64
		Owner      int
		Time       time.Time
	}
	var got []entry
	for tr := tar.NewReader(strings.NewReader(out.String())); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry{h.Name, h.Linkname, h.Mode, h.Uid + h.Gid, h.ModTime.UTC()})
	}
	want := []entry{
		{"a.sh", "", 0o755, 0, epoch},
		{"b.txt", "", 0o644, 0, epoch},
		{"sub/", "", 0o755, 0, epoch},
		{"sub/link", "../b.txt", 0o777, 0, epoch},
		{"tmp/", "", 0o1777, 0, epoch},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func config(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.json")
	text := `{"os": "wasip1", "architecture": "wasm", "config": {"Cmd": ["python3"], "Labels": {"a": "b"}}}`
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// packed makes a layout of two layers and returns its only image.
func packed(t *testing.T, seed int) (dir string, img v1.Image) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "layout")
	layers := []string{folder(t, seed) + "=first", folder(t, seed+1) + "=second"}
	if err := pack(dir, "test:1", config(t), layers, ""); err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 {
		t.Fatalf("%d manifests, want 1", len(manifest.Manifests))
	}
	d := manifest.Manifests[0]
	if ref := d.Annotations["org.opencontainers.image.ref.name"]; ref != "test:1" {
		t.Errorf("ref.name is %q", ref)
	}
	if d.Platform == nil || d.Platform.OS != "wasip1" || d.Platform.Architecture != "wasm" {
		t.Errorf("platform is %v", d.Platform)
	}
	if img, err = index.Image(d.Digest); err != nil {
		t.Fatal(err)
	}
	return dir, img
}

func TestSameFoldersSameImage(t *testing.T) {
	_, first := packed(t, 2)
	_, second := packed(t, 3)
	a, err := first.Digest()
	if err != nil {
		t.Fatal(err)
	}
	b, err := second.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Errorf("digests differ: %s, %s", a, b)
	}
}

func TestImage(t *testing.T) {
	_, img := packed(t, 1)
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for _, h := range config.History {
		made = append(made, h.CreatedBy)
	}
	if diff := cmp.Diff([]string{"first", "second"}, made); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if !config.Created.Equal(epoch) || config.Config.Labels["a"] != "b" {
		t.Errorf("config is %+v", config)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for i, layer := range layers {
		checkLayer(t, layer, config.RootFS.DiffIDs[i])
	}
}

// checkLayer holds a layer's content against its diff id.
func checkLayer(t *testing.T, layer v1.Layer, diffID v1.Hash) {
	t.Helper()
	if mediaType, err := layer.MediaType(); err != nil || mediaType != types.OCILayerZStd {
		t.Errorf("media type is %s (%v)", mediaType, err)
	}
	compressed, err := layer.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer compressed.Close()
	content, err := zstd.NewReader(compressed)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		t.Fatal(err)
	}
	if got := (v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}); got != diffID {
		t.Errorf("content is %s, diff id %s", got, diffID)
	}
}

func TestLayoutIsReplacedOnlyByACompleteOne(t *testing.T) {
	dir, _ := packed(t, 1)
	before, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if err := pack(dir, "test:2", config(t), []string{missing + "=nothing"}, ""); err == nil {
		t.Fatal("packing a folder that is not there succeeded")
	}
	after, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("the layout changed (-before +after):\n%s", diff)
	}
}
