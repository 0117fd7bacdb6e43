// Command pack makes an OCI image layout out of folders: the last step of the recipes beside it.
//
//	pack [-snapshot PROGRAM] LAYOUT REF CONFIG 'FOLDER=how it was made'...
//
// LAYOUT is replaced. REF becomes the image's org.opencontainers.image.ref.name. CONFIG is a JSON file in the form of
// the image-spec's config.md without what the layers determine. Each folder becomes one layer, lowest first. Equal
// folders give equal bytes: entries are sorted, owned by root and dated 1980-01-01, the earliest day that zip files know.
// With -snapshot a further layer holds the program's memory image.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"golang.org/x/sync/errgroup"
)

var epoch = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

func main() {
	snapshot := flag.String("snapshot", "", "`program` to take a memory image of")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: pack [-snapshot PROGRAM] LAYOUT REF CONFIG 'FOLDER=how it was made'...")
	}
	flag.Parse()
	if flag.NArg() < 4 {
		flag.Usage()
		os.Exit(2)
	}
	if err := pack(flag.Arg(0), flag.Arg(1), flag.Arg(2), flag.Args()[3:], *snapshot); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// pack writes the layout beside its place and moves it there when it is complete.
func pack(dest, ref, config string, layers []string, snapshot string) error {
	scratch, err := os.MkdirTemp(filepath.Dir(dest), ".pack")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	img, err := image(config, layers, scratch)
	if err == nil && snapshot != "" {
		img, err = addCapture(img, snapshot, scratch)
	}
	if err != nil {
		return err
	}
	fresh := filepath.Join(scratch, "layout")
	if err := writeLayout(fresh, img, ref); err != nil {
		return fmt.Errorf("writing layout: %w", err)
	}
	if err := check(fresh); err != nil {
		return fmt.Errorf("validating layout: %w", err)
	}
	if err := os.RemoveAll(dest); err != nil {
		return err
	}
	return os.Rename(fresh, dest)
}

func image(configPath string, layers []string, scratch string) (v1.Image, error) {
	config, err := readConfig(configPath)
	if err != nil {
		return nil, fmt.Errorf("reading config: %w", err)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, err
	}
	files, err := writeLayers(layers, scratch)
	if err != nil {
		return nil, err
	}
	for i, arg := range layers {
		folder, createdBy, _ := strings.Cut(arg, "=")
		if img, err = appendLayer(img, files[i], createdBy); err != nil {
			return nil, fmt.Errorf("packing %s: %w", folder, err)
		}
	}
	return img, nil
}

// appendLayer puts a layer, which lies in a file, on top of the image.
func appendLayer(img v1.Image, file, createdBy string) (v1.Image, error) {
	layer, err := tarball.LayerFromFile(file, tarball.WithMediaType(types.OCILayerZStd))
	if err != nil {
		return nil, err
	}
	history := v1.History{Created: v1.Time{Time: epoch}, CreatedBy: createdBy}
	return mutate.Append(img, mutate.Addendum{Layer: layer, History: history})
}

// writeLayers packs every layer's folder into a file below scratch, side by side.
func writeLayers(layers []string, scratch string) ([]string, error) {
	files := make([]string, len(layers))
	var group errgroup.Group
	for i, arg := range layers {
		folder, _, _ := strings.Cut(arg, "=")
		files[i] = filepath.Join(scratch, fmt.Sprintf("layer%d.tar.zst", i))
		group.Go(func() error {
			if err := writeLayer(files[i], folder); err != nil {
				return fmt.Errorf("packing %s: %w", folder, err)
			}
			return nil
		})
	}
	return files, group.Wait()
}

func readConfig(path string) (*v1.ConfigFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	config := &v1.ConfigFile{}
	if err := json.Unmarshal(data, config); err != nil {
		return nil, err
	}
	config.Created = v1.Time{Time: epoch}
	config.RootFS.Type = "layers"
	return config, nil
}

// check reads the layout back. Fast leaves out the layers' content, which the library expects to be gzip.
func check(dir string) error {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return err
	}
	return validate.Index(index, validate.Fast)
}

func writeLayout(dir string, img v1.Image, ref string) error {
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	index, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	if err := index.WriteImage(img); err != nil {
		return err
	}
	manifest, err := partial.Descriptor(img)
	if err != nil {
		return err
	}
	return index.AppendDescriptor(v1.Descriptor{
		MediaType:   manifest.MediaType,
		Size:        manifest.Size,
		Digest:      manifest.Digest,
		Annotations: map[string]string{"org.opencontainers.image.ref.name": ref},
		Platform:    &v1.Platform{OS: config.OS, Architecture: config.Architecture},
	})
}
