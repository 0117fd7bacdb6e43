package oci

import (
	"archive/tar"
	"errors"
	"os"
	"testing"
	"testing/fstest"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// writtenByOthers is a layout made by go-containerregistry: one tag, one full name, and an image for two platforms.
func writtenByOthers(t *testing.T) (dir string, images map[string]v1.Image) {
	t.Helper()
	images = map[string]v1.Image{"v1": namedImage(t, "a"), "ghcr.io/me/app:v2": namedImage(t, "b"), "multi": namedImage(t, "c")}
	path, err := layout.Write(t.TempDir(), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"v1", "ghcr.io/me/app:v2"} {
		if err := path.AppendImage(images[name], layout.WithAnnotations(map[string]string{annotationRefName: name})); err != nil {
			t.Fatal(err)
		}
	}
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: namedImage(t, "linux"), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: images["multi"], Descriptor: v1.Descriptor{Platform: &Platform}},
	)
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{annotationRefName: "multi"})); err != nil {
		t.Fatal(err)
	}
	return string(path), images
}

func TestLayoutOfOthers(t *testing.T) {
	dir, images := writtenByOthers(t)
	l, err := ReadLayout(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range images {
		for _, ref := range []string{name, must(want.Digest()).String()} {
			img, err := l.Find(ref)
			if err != nil {
				if name == "multi" && ref != name { // its digest is not in index.json
					continue
				}
				t.Errorf("Find(%q): %v", ref, err)
				continue
			}
			if must(img.Digest()) != must(want.Digest()) {
				t.Errorf("Find(%q) is another image", ref)
			}
			if err := Validate(img); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := l.Find("v3"); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := l.Find(""); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("%v", err)
	}
	img, err := OpenLayoutRef(LayoutRef{Path: dir, Tag: "v1"})
	if err != nil || must(img.Digest()) != must(images["v1"].Digest()) {
		t.Errorf("%v", err)
	}
	if _, err := OpenLayoutRef(LayoutRef{Path: dir, Digest: must(images["ghcr.io/me/app:v2"].Digest())}); err != nil {
		t.Error(err)
	}
}

func TestLayoutWithoutOurPlatform(t *testing.T) {
	path, err := layout.Write(t.TempDir(), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: namedImage(t, "a"), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: namedImage(t, "b"), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}},
	)
	if err := path.AppendIndex(index); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLayoutRef(LayoutRef{Path: string(path)}); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
}

// A layout that is embedded in a program goes into a store as it is.
func TestLayoutIntoStore(t *testing.T) {
	from := newStore(t)
	digest := mustPut(t, from, imageOf(t, layerOf(t, tarOf(t, tar.Header{Name: "f"}), Zstd)), "app")
	embedded := fstest.MapFS{}
	for name := range blobInfos(t, from) {
		data := must(os.ReadFile(from.blobDir() + "/" + name))
		embedded["blobs/sha256/"+name] = &fstest.MapFile{Data: data}
	}
	embedded["index.json"] = &fstest.MapFile{Data: must(os.ReadFile(from.indexFile()))}
	embedded["oci-layout"] = &fstest.MapFile{Data: []byte(layoutFile)}
	l, err := ReadLayout(embedded)
	if err != nil {
		t.Fatal(err)
	}
	img, err := l.Find("")
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	if got := mustPut(t, s, img, "app"); got != digest {
		t.Errorf("digest %s became %s", digest, got)
	}
	checkStore(t, s.Dir())
}

func TestReadLayoutRefuses(t *testing.T) {
	for name, fsys := range map[string]fstest.MapFS{
		"nothing":      {},
		"no index":     {"oci-layout": {Data: []byte(layoutFile)}},
		"version 2":    {"oci-layout": {Data: []byte(`{"imageLayoutVersion":"2.0.0"}`)}, "index.json": {Data: []byte(`{}`)}},
		"index broken": {"oci-layout": {Data: []byte(layoutFile)}, "index.json": {Data: []byte(`{"manifests":[{"digest":"sha256:../../x"}]}`)}},
	} {
		if _, err := ReadLayout(fsys); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
