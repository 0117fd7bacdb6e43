package oci

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestSaveAndLoad(t *testing.T) {
	from := newStore(t)
	shared := layerOf(t, tarOf(t, tar.Header{Name: "shared"}), Zstd)
	app := mustPut(t, from, imageOf(t, shared), "app:v1", "app:v2")
	other := mustPut(t, from, imageOf(t, shared, layerOf(t, tarOf(t, tar.Header{Name: "own"}), Gzip)), "ghcr.io/me/other")
	nameless := mustPut(t, from, namedImage(t, "nameless"))
	var archive, again bytes.Buffer
	for _, w := range []io.Writer{&archive, &again} {
		if err := from.Save(w, "app:v1", "app:v2", "ghcr.io/me/other", nameless.Hex); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archive.Bytes(), again.Bytes()) {
		t.Error("saving twice gave different bytes")
	}
	to := newStore(t)
	loaded, err := to.Load(&archive)
	if err != nil {
		t.Fatal(err)
	}
	want := []Loaded{
		{"docker.io/library/app:v1", app}, {"docker.io/library/app:v2", app}, {"ghcr.io/me/other:latest", other}, {"", nameless},
	}
	if diff := cmp.Diff(want, loaded); diff != "" {
		t.Error(diff)
	}
	if names := checkStore(t, to.Dir()); len(names) != 4 {
		t.Errorf("names %q", names)
	}
	if a, b := len(blobNames(t, from)), len(blobNames(t, to)); a != b {
		t.Errorf("%d blobs became %d", a, b)
	}
	if left := tempNames(t, to); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

func TestSaveByDigestHasNoName(t *testing.T) {
	from, to := newStore(t), newStore(t)
	digest := mustPut(t, from, namedImage(t, "a"), "app")
	var archive bytes.Buffer
	if err := from.Save(&archive, digest.Hex[:12]); err != nil {
		t.Fatal(err)
	}
	if loaded, err := to.Load(&archive); err != nil || !cmp.Equal(loaded, []Loaded{{"", digest}}) {
		t.Errorf("%v, %v", loaded, err)
	}
	if err := from.Save(io.Discard, "nothing"); !errors.Is(err, ErrNotFound) {
		t.Errorf("saving what is not there: %v", err)
	}
}

// dockerSave is what docker save writes for an image.
func dockerSave(t testing.TB, img v1.Image, tags ...string) []byte {
	t.Helper()
	images := map[name.Tag]v1.Image{}
	for _, tag := range tags {
		images[must(name.NewTag(tag))] = img
	}
	var archive bytes.Buffer
	if err := tarball.MultiWrite(images, &archive); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func TestLoadDockerArchive(t *testing.T) {
	img, err := random.Image(1000, 3)
	if err != nil {
		t.Fatal(err)
	}
	var compressed bytes.Buffer
	gz := gzip.NewWriter(&compressed)
	if _, err := gz.Write(dockerSave(t, img, "app:v1", "example.com/app:v1")); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	for format, archive := range map[string][]byte{"plain": dockerSave(t, img, "app:v1", "example.com/app:v1"), "gzip": compressed.Bytes()} {
		s := newStore(t)
		loaded, err := s.Load(bytes.NewReader(archive))
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if len(loaded) != 2 || loaded[0].Digest != loaded[1].Digest {
			t.Errorf("%s: loaded %v", format, loaded)
		}
		checkStore(t, s.Dir())
		got, err := s.Image("example.com/app:v1")
		if err != nil {
			t.Fatal(err)
		}
		if must(got.ConfigName()) != must(img.ConfigName()) {
			t.Errorf("%s: the config changed", format)
		}
	}
}

// archiveOf is a tar of files with given content.
func archiveOf(t testing.TB, files ...string) []byte {
	t.Helper()
	var buffer bytes.Buffer
	tw := tar.NewWriter(&buffer)
	for i := 0; i < len(files); i += 2 {
		header := &tar.Header{Name: files[i], Size: int64(len(files[i+1])), Mode: 0o644}
		if target, ok := strings.CutPrefix(files[i+1], "-> "); ok {
			header.Typeflag, header.Linkname, header.Size, files[i+1] = tar.TypeSymlink, target, 0, ""
		}
		if err := tw.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// Old versions of docker link a layer that several images share, by a path of their own.
func TestLoadDockerArchiveWithLinkedLayer(t *testing.T) {
	layer := string(tarOf(t, tar.Header{Name: "f"}))
	diffID := digestOf([]byte(layer))
	config := fmt.Sprintf(`{"os":"wasip1","architecture":"wasm","rootfs":{"type":"layers","diff_ids":[%q,%q]}}`, diffID, diffID)
	archive := archiveOf(t, "one/layer.tar", layer, "two/layer.tar", "-> ../one/layer.tar", "c.json", config,
		"manifest.json", `[{"Config":"c.json","RepoTags":["app:v1"],"Layers":["one/layer.tar","two/layer.tar"]}]`)
	s := newStore(t)
	if _, err := s.Load(bytes.NewReader(archive)); err != nil {
		t.Fatal(err)
	}
	checkStore(t, s.Dir())
}

func TestLoadRefuses(t *testing.T) {
	layer := string(tarOf(t, tar.Header{Name: "f"}))
	diffID := digestOf([]byte(layer)).String()
	config := func(diffID string) string {
		return fmt.Sprintf(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[%q]}}`, diffID)
	}
	manifest := `[{"Config":"c.json","RepoTags":["app:v1"],"Layers":["l.tar"]}]`
	for name, archive := range map[string][]byte{
		"nothing":                  archiveOf(t),
		"no archive":               []byte(strings.Repeat("text ", 1000)),
		"files only":               archiveOf(t, "a", "b"),
		"blob with another digest": archiveOf(t, "blobs/sha256/"+someHex, "x"),
		"blob with a bad name":     archiveOf(t, "blobs/sha256/abc", "x"),
		"blob with a path":         archiveOf(t, "blobs/sha256/a/../../../../x", "x"),
		"index is no JSON":         archiveOf(t, "index.json", "["),
		"index of nothing":         archiveOf(t, "index.json", `{"manifests":[{"digest":"sha256:`+someHex+`","mediaType":"application/vnd.oci.image.manifest.v1+json"}]}`),
		"index without digest":     archiveOf(t, "index.json", `{"manifests":[{}]}`),
		"index of indexes":         nestedIndexes(t, 10),
		"docker, no JSON":          archiveOf(t, "manifest.json", "{"),
		"docker, no config":        archiveOf(t, "manifest.json", manifest, "l.tar", layer),
		"docker, bad config":       archiveOf(t, "manifest.json", manifest, "l.tar", layer, "c.json", "["),
		"docker, no layer":         archiveOf(t, "manifest.json", manifest, "c.json", config(diffID)),
		"docker, other layer":      archiveOf(t, "manifest.json", manifest, "c.json", config("sha256:"+someHex), "l.tar", layer),
		"docker, too few layers":   archiveOf(t, "manifest.json", `[{"Config":"c.json"}]`, "c.json", config(diffID)),
		"docker, layer in a loop":  archiveOf(t, "manifest.json", manifest, "c.json", config(diffID), "l.tar", "-> m.tar", "m.tar", "-> l.tar"),
		"docker, layer outside":    archiveOf(t, "manifest.json", manifest, "c.json", config(diffID), "l.tar", "-> ../../../../etc/passwd"),
		"docker, config outside":   archiveOf(t, "manifest.json", `[{"Config":"../../../etc/passwd","Layers":[]}]`),
	} {
		s := newStore(t)
		if loaded, err := s.Load(bytes.NewReader(archive)); err == nil {
			t.Errorf("%s: loaded %v", name, loaded)
		}
		if list := must(s.List()); len(list) > 0 {
			t.Errorf("%s: the store has %v", name, list)
		}
		if left := tempNames(t, s); len(left) > 0 {
			t.Errorf("%s: temporary files are left: %v", name, left)
		}
	}
}

func TestLoadTellsWhatIsNoArchive(t *testing.T) {
	_, err := newStore(t).Load(strings.NewReader(strings.Repeat("text ", 1000)))
	if err == nil || !strings.Contains(err.Error(), "no tar archive") {
		t.Errorf("%v, want it to say that this is no tar archive", err)
	}
}

// nestedIndexes is an archive of an image behind so many indexes.
func nestedIndexes(t *testing.T, depth int) []byte {
	files := []string{}
	digest, mediaType := someHex, "manifest"
	for range depth {
		index := fmt.Sprintf(`{"manifests":[{"digest":"sha256:%s","mediaType":"application/vnd.oci.image.%s.v1+json"}]}`, digest, mediaType)
		digest, mediaType = digestOf([]byte(index)).Hex, "index"
		files = append(files, "blobs/sha256/"+digest, index)
	}
	return archiveOf(t, append(files, "index.json", files[len(files)-1])...)
}

func TestLoadLimits(t *testing.T) {
	from := newStore(t)
	mustPut(t, from, namedImage(t, "a"), "app")
	var archive bytes.Buffer
	if err := from.Save(&archive, "app"); err != nil {
		t.Fatal(err)
	}
	for name, limits := range map[string]Limits{"bytes": {ArchiveBytes: 100}, "files": {ArchiveFiles: 2}} {
		s := newStore(t)
		s.Limits = limits
		if _, err := s.Load(bytes.NewReader(archive.Bytes())); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", name, err)
		}
	}
	huge := archiveOf(t, "manifest.json", strings.Repeat(" ", maxIndex+1))
	if _, err := newStore(t).Load(bytes.NewReader(huge)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("huge document: %v, want ErrTooLarge", err)
	}
}

func TestLoadTruncated(t *testing.T) {
	from := newStore(t)
	mustPut(t, from, namedImage(t, "a"), "app")
	var archive bytes.Buffer
	if err := from.Save(&archive, "app"); err != nil {
		t.Fatal(err)
	}
	const trailer, padding = 1024, 511 // without which nothing is missing
	for n := 0; n < archive.Len()-trailer-padding; n += 509 {
		s := newStore(t)
		if loaded, err := s.Load(bytes.NewReader(archive.Bytes()[:n])); err == nil {
			t.Errorf("%d of %d bytes gave %v", n, archive.Len(), loaded)
		}
	}
}

// FuzzLoad demands that a store is whole after whatever was loaded.
func FuzzLoad(f *testing.F) {
	from := newStore(f)
	mustPut(f, from, namedImage(f, "a"), "app")
	var archive bytes.Buffer
	if err := from.Save(&archive, "app"); err != nil {
		f.Fatal(err)
	}
	f.Add(archive.Bytes())
	f.Add(dockerSave(f, namedImage(f, "a"), "app"))
	f.Add(archiveOf(f, "l.tar", "-> m.tar", "m.tar", "-> l.tar", "manifest.json", `[{"Config":"c","Layers":["l.tar"]}]`))
	s := newStore(f)
	s.Limits = Limits{Bytes: 1 << 20, ArchiveBytes: 1 << 20, ArchiveFiles: 100}
	f.Fuzz(func(t *testing.T, archive []byte) {
		loaded, err := s.Load(bytes.NewReader(archive))
		if err != nil {
			return
		}
		for _, l := range loaded {
			img, err := s.Image(l.Digest.String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := img.ConfigFile(); err != nil {
				t.Error(err)
			}
			if _, err := s.Remove(l.Digest.String(), RemoveOptions{Force: true}); err != nil && !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		}
		if list, err := s.List(); err != nil || len(list) > 0 {
			t.Errorf("the store has %v, %v", list, err)
		}
		if _, err := s.GC(); err != nil && !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
	})
}
