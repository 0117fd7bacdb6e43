package oci

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// checkStore reads a store as another tool would, and demands that every image is whole.
func checkStore(t testing.TB, dir string) (names []string) {
	t.Helper()
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index, validate.Fast); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifest.Manifests {
		img, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if err := Validate(img); err != nil {
			t.Errorf("%s: %v", m.Digest, err)
		}
		names = append(names, m.Annotations["org.opencontainers.image.ref.name"])
	}
	return names
}

func TestStoreIsALayoutForOthers(t *testing.T) {
	s := newStore(t)
	digest := mustPut(t, s, namedImage(t, "a"), "app", "ghcr.io/me/app:v1")
	mustPut(t, s, namedImage(t, "b"), "other:v2")
	want := []string{"docker.io/library/app:latest", "docker.io/library/other:v2", "ghcr.io/me/app:v1"}
	if diff := cmp.Diff(want, checkStore(t, s.Dir())); diff != "" {
		t.Error(diff)
	}
	index, err := layout.ImageIndexFromPath(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	wantDescriptor := v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Size: manifest.Manifests[0].Size, Digest: digest, Platform: &Platform,
		Annotations: map[string]string{annotationRefName: want[0], annotationImageName: want[0]},
	}
	if diff := cmp.Diff(wantDescriptor, manifest.Manifests[0]); diff != "" {
		t.Error(diff)
	}
}

func TestImage(t *testing.T) {
	s := newStore(t)
	img := namedImage(t, "a")
	digest := mustPut(t, s, img, "app")
	mustPut(t, s, namedImage(t, "b"), digest.Hex[:12]) // a name that could be the other's abbreviation
	for _, ref := range []string{
		"app", "app:latest", "docker.io/library/app", digest.String(), digest.Hex, digest.Hex[:8], "sha256:" + digest.Hex[:12],
		"app@" + digest.String(), "elsewhere@" + digest.String(),
	} {
		got, err := s.Image(ref)
		if err != nil {
			t.Errorf("Image(%q): %v", ref, err)
			continue
		}
		if have, _ := got.Digest(); have != digest {
			t.Errorf("Image(%q) is %s, want %s", ref, have, digest)
		}
	}
	if got, err := s.Image(digest.Hex[:12]); err != nil {
		t.Error(err)
	} else if have, _ := got.Digest(); have == digest {
		t.Error("an abbreviated digest came before a name")
	}
	for _, ref := range []string{"app:v1", "ap", "sha256:" + someHex, someHex, "NOT A NAME", "app@sha256:" + someHex} {
		if _, err := s.Image(ref); !errors.Is(err, ErrNotFound) {
			t.Errorf("Image(%q): %v, want ErrNotFound", ref, err)
		}
	}
	if _, err := s.Image(""); !errors.Is(err, ErrAmbiguous) {
		t.Errorf(`Image(""): %v, want ErrAmbiguous`, err)
	}
}

func TestAmbiguousDigest(t *testing.T) {
	index := &v1.IndexManifest{Manifests: []v1.Descriptor{
		{Digest: v1.Hash{Algorithm: "sha256", Hex: "abcd11"}, Annotations: map[string]string{annotationRefName: "docker.io/library/one:latest"}},
		{Digest: v1.Hash{Algorithm: "sha256", Hex: "abcd22"}},
	}}
	_, err := find(index, "abcd")
	if !errors.Is(err, ErrAmbiguous) || !strings.Contains(err.Error(), `"one:latest" "sha256:abcd22"`) {
		t.Errorf("%v", err)
	}
	if d, err := find(index, "abcd2"); err != nil || d.Digest.Hex != "abcd22" {
		t.Errorf("%v, %v", d.Digest, err)
	}
}

func TestPutMovesNames(t *testing.T) {
	s := newStore(t)
	first, second := namedImage(t, "a"), namedImage(t, "b")
	mustPut(t, s, first) // without a name first
	mustPut(t, s, first, "app:v1", "app:v2")
	mustPut(t, s, first)
	mustPut(t, s, second, "app:v2")
	if diff := cmp.Diff(map[string]v1.Image{"app:v1": first, "app:v2": second}, listed(t, s), digests); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Put(first, "app@sha256:"+someHex); err == nil {
		t.Error("a digest was accepted as a name")
	}
	if _, err := s.Put(first, "BAD NAME"); err == nil {
		t.Error("a bad name was accepted")
	}
}

// digests compares images.
var digests = cmp.Comparer(func(a, b v1.Image) bool {
	one, err1 := a.Digest()
	two, err2 := b.Digest()
	return err1 == nil && err2 == nil && one == two
})

func listed(t *testing.T, s *Store) map[string]v1.Image {
	t.Helper()
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	images := map[string]v1.Image{}
	for _, stored := range list {
		if stored.Err != nil {
			t.Error(stored.Err)
		}
		if images[Familiar(stored.Name)], err = s.Image(stored.Digest.String()); err != nil {
			t.Error(err)
		}
	}
	if len(images) != len(list) {
		t.Errorf("%d names for %d entries", len(images), len(list))
	}
	return images
}

func TestPutDoesNotWriteAgain(t *testing.T) {
	s := newStore(t)
	img := namedImage(t, "a")
	mustPut(t, s, img, "app")
	before := blobInfos(t, s)
	mustPut(t, s, unreadable{img}, "again")
	for name, info := range blobInfos(t, s) {
		if !os.SameFile(info, before[name]) {
			t.Errorf("%s was written again", name)
		}
	}
}

// unreadable is an image whose layers cannot be opened.
type unreadable struct{ v1.Image }

func (u unreadable) Layers() ([]v1.Layer, error) {
	layers, err := u.Image.Layers()
	for i := range layers {
		layers[i] = &spooledLayer{digest: must(layers[i].Digest()), size: must(layers[i].Size())}
	}
	return layers, err
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func blobInfos(t testing.TB, s *Store) map[string]fs.FileInfo {
	t.Helper()
	entries, err := os.ReadDir(s.blobDir())
	if err != nil {
		t.Fatal(err)
	}
	infos := map[string]fs.FileInfo{}
	for _, entry := range entries {
		if infos[entry.Name()], err = entry.Info(); err != nil {
			t.Fatal(err)
		}
	}
	return infos
}

func TestPutRefusesWhatHasNotItsDigest(t *testing.T) {
	img := namedImage(t, "a")
	layers := must(img.Layers())
	true1 := layers[0].(*spooledLayer)
	for name, layer := range map[string]*spooledLayer{
		"digest":    {file: true1.file, size: true1.size, diffID: true1.diffID, digest: v1.Hash{Algorithm: "sha256", Hex: someHex}},
		"truncated": {file: true1.file, size: true1.size - 1, diffID: true1.diffID, digest: true1.digest},
		"traversal": {file: true1.file, size: true1.size, diffID: true1.diffID, digest: v1.Hash{Algorithm: "sha256", Hex: "../../../../tmp/x"}},
		"algorithm": {file: true1.file, size: true1.size, diffID: true1.diffID, digest: v1.Hash{Algorithm: "..", Hex: someHex}},
	} {
		s := newStore(t)
		if _, err := s.Put(imageOf(t, layer), "app"); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
		if left := append(blobNames(t, s), tempNames(t, s)...); len(left) > 0 {
			t.Errorf("%s: %v is left", name, left)
		}
		if list := must(s.List()); len(list) > 0 {
			t.Errorf("%s: it is in the list", name)
		}
	}
}

func blobNames(t testing.TB, s *Store) (names []string) {
	t.Helper()
	for name := range blobInfos(t, s) {
		names = append(names, name)
	}
	return names
}

func tempNames(t testing.TB, s *Store) (names []string) {
	t.Helper()
	for _, entry := range must(os.ReadDir(s.tempDir())) {
		names = append(names, entry.Name())
	}
	return names
}

func TestTagAndRemove(t *testing.T) {
	s := newStore(t)
	digest := mustPut(t, s, namedImage(t, "a"), "app:v1")
	for _, dst := range []string{"app:v2", "ghcr.io/me/app", "app:v2"} {
		if err := s.Tag("app:v1", dst); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Tag("nothing", "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("tagging what is not there: %v", err)
	}
	if got := must(s.Names(digest)); !cmp.Equal(got, []string{"docker.io/library/app:v1", "docker.io/library/app:v2", "ghcr.io/me/app:latest"}) {
		t.Errorf("names %q", got)
	}
	var inUse *InUseError
	if _, err := s.Remove(digest.Hex[:12], RemoveOptions{}); !errors.As(err, &inUse) || len(inUse.Names) != 3 {
		t.Errorf("removing by digest an image with three names: %v", err)
	}
	steps := []struct {
		ref  string
		want Removed
	}{
		{"app:v1", Removed{Untagged: []string{"docker.io/library/app:v1"}}},
		{"ghcr.io/me/app", Removed{Untagged: []string{"ghcr.io/me/app:latest"}}},
		{digest.Hex, Removed{Untagged: []string{"docker.io/library/app:v2"}, Deleted: digest}},
	}
	for _, step := range steps {
		got, err := s.Remove(step.ref, RemoveOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("Remove(%q): %s", step.ref, diff)
		}
	}
	if _, err := s.Remove("app:v2", RemoveOptions{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("removing again: %v", err)
	}
}

func TestRemoveByDigest(t *testing.T) {
	s := newStore(t)
	digest := mustPut(t, s, namedImage(t, "a"), "app:v1", "app:v2")
	got, err := s.Remove(digest.String(), RemoveOptions{Force: true})
	if err != nil || len(got.Untagged) != 2 || got.Deleted != digest {
		t.Errorf("with force: %+v, %v", got, err)
	}
	mustPut(t, s, namedImage(t, "b"))
	nameless := must(s.List())[0]
	got, err = s.Remove(nameless.Digest.Hex[:8], RemoveOptions{})
	if err != nil || got.Deleted != nameless.Digest || len(got.Untagged) != 0 {
		t.Errorf("without name: %+v, %v", got, err)
	}
}

func TestGC(t *testing.T) {
	s := newStore(t)
	shared := layerOf(t, tarOf(t, tar.Header{Name: "shared"}), Zstd)
	mustPut(t, s, imageOf(t, shared), "stays")
	want := len(blobNames(t, s))
	mustPut(t, s, imageOf(t, shared, layerOf(t, tarOf(t, tar.Header{Name: "own"}), Gzip)), "goes")
	if _, err := s.Remove("goes", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.tempName(), []byte("left by a killed process"), 0o666); err != nil {
		t.Fatal(err)
	}
	freed, err := s.GC()
	if err != nil || freed.Blobs != 3 || freed.Bytes == 0 {
		t.Errorf("freed %+v, %v", freed, err)
	}
	if got := len(blobNames(t, s)); got != want {
		t.Errorf("%d blobs are left, want %d", got, want)
	}
	if left := tempNames(t, s); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
	checkStore(t, s.Dir())
}

func TestGCKeepsIndexesOfOthers(t *testing.T) {
	s := newStore(t)
	index, err := random.Index(100, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := layout.Path(s.Dir()).AppendIndex(index); err != nil {
		t.Fatal(err)
	}
	before := len(blobNames(t, s))
	if freed, err := s.GC(); err != nil || freed.Blobs != 0 || len(blobNames(t, s)) != before {
		t.Errorf("freed %+v, %v", freed, err)
	}
}

// A damaged image must not take others with it, and must go when it is told to.
func TestCorruptStore(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, namedImage(t, "a"), "good")
	bad := mustPut(t, s, namedImage(t, "b"), "bad")
	manifest := filepath.Join(s.blobDir(), bad.Hex)
	if err := os.WriteFile(manifest, []byte("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Image("bad"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Image of a damaged manifest: %v", err)
	}
	if _, err := s.Image("good"); err != nil {
		t.Error(err)
	}
	for _, stored := range must(s.List()) {
		if isBad := stored.Digest == bad; isBad != (stored.Err != nil) {
			t.Errorf("%s: %v", stored.Name, stored.Err)
		}
	}
	if _, err := s.GC(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("garbage was collected without knowing what is garbage: %v", err)
	}
	mustPut(t, s, namedImage(t, "b"), "bad")
	if _, err := s.Image("bad"); err != nil {
		t.Errorf("storing it again did not repair it: %v", err)
	}
	if err := os.Remove(manifest); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove("bad", RemoveOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := s.GC(); err != nil {
		t.Error(err)
	}
}

func TestCorruptLayerBlob(t *testing.T) {
	s := newStore(t)
	img := namedImage(t, "a")
	mustPut(t, s, img, "app")
	layer := must(img.Layers())[0]
	blob := filepath.Join(s.blobDir(), must(layer.Digest()).Hex)
	data := must(os.ReadFile(blob))
	data[len(data)-1] ^= 1
	if err := os.WriteFile(blob, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := Validate(must(s.Image("app"))); err == nil {
		t.Error("a damaged layer was not noticed")
	}
	if _, err := s.Rootfs(must(s.Image("app"))); err == nil {
		t.Error("a damaged layer was opened")
	}
}

func TestTruncatedBlobIsRepaired(t *testing.T) {
	s := newStore(t)
	img := namedImage(t, "a")
	mustPut(t, s, img, "app")
	check(t, os.Truncate(filepath.Join(s.blobDir(), must(must(img.Layers())[0].Digest()).Hex), 5))
	mustPut(t, s, img, "app")
	checkStore(t, s.Dir())
}

// A layout that another tool made can become a store.
func TestOpenLayoutOfOthers(t *testing.T) {
	dir, images := writtenByOthers(t)
	s, err := Open(dir)
	check(t, err)
	mustPut(t, s, namedImage(t, "a"), "app")
	if img, err := s.Image("v1"); err != nil || must(img.Digest()) != must(images["v1"].Digest()) {
		t.Errorf("%v", err)
	}
	mustRootfs(t, s, must(s.Image("multi")))
}

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	for name, content := range map[string]string{"oci-layout": "{", "index.json": "["} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir)
		if err == nil {
			_, err = s.List()
		}
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
}

func TestInspectAndHistory(t *testing.T) {
	img := namedImage(t, "a")
	inspection, err := Inspect(img, "docker.io/library/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	digest := must(img.Digest())
	if inspection.Digest != digest.String() || !cmp.Equal(inspection.RepoTags, []string{"app:v1"}) ||
		!cmp.Equal(inspection.RepoDigests, []string{"app@" + digest.String()}) || inspection.OS != "wasip1" || inspection.Size == 0 {
		t.Errorf("%+v", inspection)
	}
	steps, err := History(img)
	if err != nil || len(steps) != 1 || steps[0].CreatedBy != "COPY . ." || steps[0].Size == 0 || steps[0].Empty {
		t.Errorf("%+v, %v", steps, err)
	}
}

func BenchmarkPutAgain(b *testing.B) {
	s := newStore(b)
	img := manyLayers(b)
	mustPut(b, s, img, "app")
	for b.Loop() {
		mustPut(b, s, img, "app")
	}
}

func BenchmarkList(b *testing.B) {
	s := newStore(b)
	img := namedImage(b, "a")
	for i := range 100 {
		mustPut(b, s, img, fmt.Sprint("app:v", i))
	}
	for b.Loop() {
		if list, err := s.List(); err != nil || len(list) != 100 {
			b.Fatal(err)
		}
	}
}
