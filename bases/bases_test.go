package bases_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/bases"
	"boxer.dev/oci"
)

func TestLayoutOfNoBase(t *testing.T) {
	if _, err := bases.Layout("nothing"); !errors.Is(err, bases.ErrNotBuilt) {
		t.Errorf("error is %v, want %v", err, bases.ErrNotBuilt)
	}
}

// layout opens a base that has to be built.
func layout(t *testing.T, name bases.Name) fs.FS {
	t.Helper()
	fsys, err := bases.Layout(name)
	if err != nil {
		t.Fatalf("%v\nhint: %s", err, bases.NotBuiltHint)
	}
	return fsys
}

func image(t *testing.T, name bases.Name, ref string) v1.Image {
	t.Helper()
	index, err := oci.ReadLayout(layout(t, name))
	if err != nil {
		t.Fatal(err)
	}
	img, err := index.Find(ref)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func manifest(t *testing.T, img v1.Image) *v1.Manifest {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPythonStandsOnRoot(t *testing.T) {
	root := manifest(t, image(t, bases.Root, "root")).Layers
	python := manifest(t, image(t, bases.Python, "python:3.13")).Layers
	if len(root) != 1 || len(python) != 5 {
		t.Fatalf("%d and %d layers, want 1 and 5", len(root), len(python))
	}
	if diff := cmp.Diff(root[0], python[0]); diff != "" {
		t.Errorf("lowest layer (-root +python):\n%s", diff)
	}
}

func TestSizes(t *testing.T) {
	layers := manifest(t, image(t, bases.Python, "python:3.13")).Layers
	for _, layer := range layers {
		if layer.MediaType != types.OCILayerZStd {
			t.Errorf("layer is %s", layer.MediaType)
		}
	}
	const mega = 1_000_000
	if size := layers[1].Size + layers[2].Size; size > 7.5*mega {
		t.Errorf("interpreter and library take %d bytes", size)
	}
	if size := layers[3].Size; size > 2*mega {
		t.Errorf("pip takes %d bytes", size)
	}
	if size := layers[4].Size; size > 3*mega {
		t.Errorf("the memory image takes %d bytes", size)
	}
}

func TestConfig(t *testing.T) {
	config, err := image(t, bases.Python, "python:3.13").ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	got := []string{config.OS, config.Architecture, config.Config.WorkingDir}
	if diff := cmp.Diff([]string{"wasip1", "wasm", "/"}, got); diff != "" {
		t.Errorf("platform and directory (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"python3"}, config.Config.Cmd); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
	for _, name := range []string{"python3.13", "wasi-libc", "tzdata", "clang-19"} {
		if config.Config.Labels["dev.boxer.revision."+name] == "" {
			t.Errorf("no label tells the revision of %s", name)
		}
	}
}
