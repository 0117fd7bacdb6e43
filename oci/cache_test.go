package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

func keyOf(name string) CacheKey { return sha256.Sum256([]byte(name)) }

// putRecord keeps a layer of a size in the cache, used some time ago.
func putRecord(t testing.TB, s *Store, name string, size int64, unused time.Duration) *CacheRecord {
	t.Helper()
	record := &CacheRecord{Text: name}
	var layer v1.Layer
	if size > 0 {
		layer = layerOf(t, tarOf(t, tar.Header{Name: name, Size: size}), Gzip)
	}
	if err := s.Cache().Put(keyOf(name), record, layer); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-unused)
	if err := os.Chtimes(s.Cache().file(record.Key), at, at); err != nil {
		t.Fatal(err)
	}
	return record
}

// checkCache demands that the layers of all records are whole.
func checkCache(t testing.TB, s *Store) {
	t.Helper()
	records, err := s.Cache().Records()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records {
		if record.Layer == nil {
			continue
		}
		layer, err := s.Cache().Layer(record).Compressed()
		if err != nil {
			t.Errorf("record %s: %v", record.Text, err)
			continue
		}
		if _, err := io.Copy(io.Discard, layer); err != nil {
			t.Errorf("record %s: %v", record.Text, err)
		}
		if err := layer.Close(); err != nil {
			t.Error(err)
		}
	}
}

func recordNames(t testing.TB, s *Store) []string {
	t.Helper()
	records, err := s.Cache().Records()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, record := range records {
		names = append(names, record.Text)
	}
	return names
}

func TestCache(t *testing.T) {
	s := newStore(t)
	if record, err := s.Cache().Get(keyOf("a")); record != nil || err != nil {
		t.Fatalf("an empty cache has %v, %v", record, err)
	}
	put := putRecord(t, s, "a", 1000, 0)
	got, err := s.Cache().Get(keyOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(put.Layer, got.Layer); diff != "" || got.Text != "a" {
		t.Errorf("%s\n%s", got.Text, diff)
	}
	opened, err := s.Cache().Open(got)
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
	putRecord(t, s, "nothing", 0, 0)
	if got, err := s.Cache().Get(keyOf("nothing")); err != nil || got == nil || s.Cache().Layer(got) != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

// What the cache names is not garbage, whatever becomes of images.
func TestGCSparesCache(t *testing.T) {
	s := newStore(t)
	kept := putRecord(t, s, "kept", 1000, 0)
	mustPut(t, s, imageOf(t, s.Cache().Layer(kept)), "app")
	if _, err := s.Remove("app", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Cache().Get(keyOf("kept")); got == nil || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	checkCache(t, s)
	if freed, err := s.Cache().Prune(CachePolicy{}); err != nil || freed.Records != 1 || len(blobNames(t, s)) > 0 {
		t.Errorf("freed %+v, %v; left %v", freed, err, blobNames(t, s))
	}
}

func TestCachePolicy(t *testing.T) {
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		policy CachePolicy
		want   []string
	}{
		"nothing is kept":      {CachePolicy{}, []string{}},
		"everything is kept":   {CachePolicy{MaxAge: KeepAll, Bytes: KeepAll}, []string{"new", "note", "week", "month"}},
		"by age":               {CachePolicy{MaxAge: 10 * day, Bytes: KeepAll}, []string{"new", "note", "week"}},
		"by size":              {CachePolicy{MaxAge: KeepAll, Bytes: 250_000}, []string{"new", "note", "week"}},
		"by size, if old":      {CachePolicy{MaxAge: KeepAll, MinAge: 10 * day, Bytes: 1}, []string{"new", "note", "week"}},
		"by either":            {CachePolicy{MaxAge: 10 * day, Bytes: 150_000}, []string{"new", "note"}},
		"automatic":            {Automatic, []string{"new", "note", "week"}},
		"less than one layer":  {CachePolicy{MaxAge: KeepAll, Bytes: 10}, []string{"note"}},
		"as old as it is, too": {CachePolicy{MaxAge: 31 * day, Bytes: KeepAll}, []string{"new", "note", "week", "month"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			for _, r := range []struct {
				name   string
				size   int64
				unused time.Duration
			}{{"month", 100_000, 30*day + time.Hour}, {"week", 100_000, 7 * day}, {"note", 0, time.Hour}, {"new", 100_000, 0}} {
				record := &CacheRecord{Text: r.name}
				var layer v1.Layer
				if r.size > 0 {
					layer = incompressible(t, r.name, r.size)
				}
				if err := s.Cache().Put(keyOf(r.name), record, layer); err != nil {
					t.Fatal(err)
				}
				at := time.Now().Add(-r.unused)
				if err := os.Chtimes(s.Cache().file(record.Key), at, at); err != nil {
					t.Fatal(err)
				}
			}
			freed, err := s.Cache().Prune(test.policy)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, recordNames(t, s)); diff != "" || freed.Records != 4-len(test.want) {
				t.Errorf("freed %+v (-want +got):\n%s", freed, diff)
			}
			checkCache(t, s)
		})
	}
}

// incompressible is a layer of about a size.
func incompressible(t testing.TB, name string, size int64) v1.Layer {
	t.Helper()
	data := make([]byte, 0, size)
	for sum := sha256.Sum256([]byte(name)); int64(len(data)) < size-2000; sum = sha256.Sum256(sum[:]) {
		data = append(data, sum[:]...)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return layerOf(t, b.Bytes(), Gzip)
}

// Layers that an image has as well cost nothing to keep.
func TestCachePolicyCountsWhatOnlyTheCacheHas(t *testing.T) {
	s := newStore(t)
	shared := incompressible(t, "shared", 100_000)
	if err := s.Cache().Put(keyOf("shared"), &CacheRecord{Text: "shared"}, shared); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, imageOf(t, shared), "app")
	if _, err := s.Cache().Prune(CachePolicy{MaxAge: KeepAll}); err != nil {
		t.Fatal(err)
	}
	if names := recordNames(t, s); len(names) != 1 {
		t.Errorf("left %v", names)
	}
}

func TestPruneWaitsForNobody(t *testing.T) {
	s := newStore(t)
	held, err := s.Hold()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Cache().Prune(CachePolicy{}); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	if _, err := s.RemoveOpened(); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	if err := s.Cache().Tidy(func() []v1.Image { return nil }); err != nil {
		t.Errorf("got %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Cache().Prune(CachePolicy{}); err != nil {
		t.Error(err)
	}
}

// What a killed build has left is gone when the next one begins, but not while another is at work.
func TestHoldRemovesLeftovers(t *testing.T) {
	s := newStore(t)
	leave := func() {
		if err := os.MkdirAll(s.TempDir()+"/boxer-build-1/git-2", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.TempDir()+"/boxer-build-1/1.layer", []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leave()
	first, err := s.Hold()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if left := tempNames(t, s); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	leave()
	second, err := s.Hold()
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if left := tempNames(t, s); len(left) != 1 {
		t.Errorf("there is %v", left)
	}
}

func TestTidyOnceAnHour(t *testing.T) {
	s := newStore(t)
	const years = 10_000 * time.Hour
	putRecord(t, s, "old", 100, years)
	none := func() []v1.Image { return nil }
	if err := s.Cache().Tidy(none); err != nil || len(recordNames(t, s)) != 0 {
		t.Fatalf("left %v, %v", recordNames(t, s), err)
	}
	putRecord(t, s, "old", 100, years)
	if err := s.Cache().Tidy(none); err != nil || len(recordNames(t, s)) != 1 {
		t.Errorf("left %v, %v", recordNames(t, s), err)
	}
}

func TestUsage(t *testing.T) {
	s := newStore(t)
	both, one, cached := incompressible(t, "both", 100_000), incompressible(t, "one", 200_000), incompressible(t, "cached", 300_000)
	mustPut(t, s, imageOf(t, both, one), "first:1", "first:2")
	mustPut(t, s, imageOf(t, both), "second")
	for name, layer := range map[string]v1.Layer{"both": both, "cached": cached} {
		if err := s.Cache().Put(keyOf(name), &CacheRecord{Text: name}, layer); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.writeBlob(digestOf([]byte("garbage")), 7, bytes.NewReader([]byte("garbage"))); err != nil {
		t.Fatal(err)
	}
	u, err := s.Usage()
	if err != nil {
		t.Fatal(err)
	}
	about := func(what string, got, want int64) {
		if got < want-10_000 || got > want+50_000 {
			t.Errorf("%s: %d bytes, not about %d", what, got, want)
		}
	}
	about("images", u.ImageSpace.Bytes, 300_000)
	about("the cache", u.CacheSpace.Bytes, 300_000)
	if len(u.Images) != 2 || len(u.Records) != 2 || u.UnusedSpace.Files != 1 {
		t.Fatalf("%d images, %d records, %d unused files", len(u.Images), len(u.Records), u.UnusedSpace.Files)
	}
	about("first", u.Images[0].Bytes, 300_000)
	about("first's own", u.Images[0].Own, 200_000)
	about("second", u.Images[1].Bytes, 100_000)
	about("second's own", u.Images[1].Own, 0)
	for _, record := range u.Records {
		about(record.Text, record.Bytes, map[string]int64{"both": 0, "cached": 300_000}[record.Text])
	}
}

// What another machine says of its cache is checked before it is used.
func TestHostileCacheImage(t *testing.T) {
	s := newStore(t)
	record := putRecord(t, s, "a", 1000, 0)
	with := func(change func(*CacheRecord)) v1.Image {
		changed, layer := *record, *record.Layer
		changed.Layer = &layer
		change(&changed)
		img, err := s.Cache().Image([]*CacheRecord{record})
		if err != nil {
			t.Fatal(err)
		}
		other, err := s.Cache().Image([]*CacheRecord{&changed})
		if err != nil {
			t.Fatal(err)
		}
		config, err := other.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		return relabelled(t, img, config.Config.Labels)
	}
	for name, img := range map[string]v1.Image{
		"no cache":         empty.Image,
		"no records":       relabelled(t, empty.Image, map[string]string{cacheLabel: "{"}),
		"a null":           relabelled(t, empty.Image, map[string]string{cacheLabel: "[null]"}),
		"a foreign layer":  with(func(r *CacheRecord) { r.Layer.Digest = digestOf([]byte("x")) }),
		"a wrong size":     with(func(r *CacheRecord) { r.Layer.Size++ }),
		"a path":           with(func(r *CacheRecord) { r.Layer.DiffID = v1.Hash{Algorithm: "sha256", Hex: "../../x"} }),
		"no kind of layer": with(func(r *CacheRecord) { r.Layer.MediaType = "text/plain" }),
	} {
		if err := newStore(t).Cache().Import(img); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	// A key that is none leads nowhere.
	other := newStore(t)
	cache := other.Cache()
	if err := cache.Import(with(func(r *CacheRecord) { r.Key = "../../index.json" })); err != nil {
		t.Fatal(err)
	}
	if got, err := cache.Get(keyOf("a")); got != nil || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func ExampleStore_Cache() {
	dir, err := os.MkdirTemp("", "store-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := Open(dir)
	if err != nil {
		panic(err)
	}
	cache, key := store.Cache(), CacheKey(sha256.Sum256([]byte("all that the step follows from")))
	if err := cache.Put(key, &CacheRecord{Text: "RUN true"}, nil); err != nil {
		panic(err)
	}
	record, err := cache.Get(key)
	if err != nil {
		panic(err)
	}
	fmt.Println(record.Text, record.Layer == nil)
	// Output: RUN true true
}

func relabelled(t testing.TB, img v1.Image, labels map[string]string) v1.Image {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.Config.Labels = labels
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}
