package oci

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

func artifactAbout(t testing.TB, subject v1.Hash, kind, text string) *Artifact {
	t.Helper()
	about := v1.Descriptor{MediaType: types.OCIManifestSchema1, Size: 100, Digest: subject}
	return must(NewArtifact(about, kind, nil, Content{MediaType: "text/plain", Data: []byte(text)}))
}

// Artifacts live as long as their image, and what is about them as long as they.
func TestReferrersAreKeptBesideTheImage(t *testing.T) {
	s := newStore(t)
	digest := mustPut(t, s, namedImage(t, "a"), "app")
	list := artifactAbout(t, digest, "application/x-list", "what is in it")
	signature := artifactAbout(t, list.Descriptor().Digest, "application/x-signature", "by me")
	check(t, s.Attach(list, signature))
	check(t, s.Attach(list)) // once more changes nothing
	must(s.GC())
	for name, about := range map[string]v1.Hash{"application/x-list": digest, "application/x-signature": list.Descriptor().Digest} {
		found := must(s.Artifacts(about))
		if len(found) != 1 || found[0].Type() != name || found[0].Subject() != about {
			t.Fatalf("%s: %+v", name, found)
		}
	}
	if got := string(must(must(s.Artifacts(digest, "application/x-list"))[0].Content(0, 100))); got != "what is in it" {
		t.Errorf("content %q", got)
	}
	if found := must(s.Artifacts(digest, "application/x-other")); len(found) != 0 {
		t.Errorf("of another type: %+v", found)
	}
	usage := must(s.Usage())
	if usage.UnusedSpace.Bytes != 0 {
		t.Errorf("artifacts count as garbage: %+v", usage.UnusedSpace)
	}
	if all := must(s.List()); len(all) != 1 {
		t.Errorf("artifacts are listed as images: %+v", all)
	}

	must(s.Remove("app", RemoveOptions{}))
	must(s.GC())
	checkEmpty(t, s.blobDir())
	checkEmpty(t, s.referrerDir())
}

func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	if left := must(os.ReadDir(dir)); len(left) > 0 {
		t.Errorf("left in %s: %v", dir, left)
	}
}

func TestDetach(t *testing.T) {
	s := newStore(t)
	digest := mustPut(t, s, namedImage(t, "a"), "app")
	one, other := artifactAbout(t, digest, "a/b", "one"), artifactAbout(t, digest, "a/b", "other")
	check(t, s.Attach(one, other))
	check(t, s.Detach(digest, one.Descriptor().Digest))
	must(s.GC())
	left := must(s.Artifacts(digest))
	if len(left) != 1 || left[0].Descriptor().Digest != other.Descriptor().Digest {
		t.Errorf("%+v", left)
	}
	if _, err := s.Artifact(one.Descriptor().Digest); !notExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// Many who attach something at once all succeed.
func TestAttachAtOnce(t *testing.T) {
	s := newStore(t)
	digest := mustPut(t, s, namedImage(t, "a"), "app")
	var group errgroup.Group
	for i := range 20 {
		a := artifactAbout(t, digest, "a/b", fmt.Sprint(i))
		group.Go(func() error { return must(Open(s.Dir())).Attach(a) })
	}
	check(t, group.Wait())
	if found := must(s.Artifacts(digest)); len(found) != 20 {
		t.Errorf("%d artifacts", len(found))
	}
}

// An artifact that somebody damaged is found, told from the image, and forgotten by a repair.
func TestExamineReferrers(t *testing.T) {
	for name, harm := range map[string]func(s *Store, a *Artifact) error{
		"manifest is missing": func(s *Store, a *Artifact) error { return os.Remove(must(s.blobPath(a.Descriptor().Digest))) },
		"content is missing":  func(s *Store, a *Artifact) error { return os.Remove(must(s.blobPath(a.Manifest().Layers[0].Digest))) },
		"content is changed": func(s *Store, a *Artifact) error {
			return os.WriteFile(must(s.blobPath(a.Manifest().Layers[0].Digest)), []byte("else"), 0o600)
		},
		"list is no list": func(s *Store, a *Artifact) error {
			return os.WriteFile(must(s.referrerFile(a.Subject())), []byte("["), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			digest := mustPut(t, s, namedImage(t, "a"), "app")
			a := artifactAbout(t, digest, "a/b", "text")
			check(t, s.Attach(a))
			if whole := must(s.Examine(ExamineOptions{Deep: true})); len(whole.Damages) > 0 || whole.Blobs != 6 {
				t.Fatalf("a whole store: %+v", whole)
			}
			check(t, harm(s, a))
			must(s.GC()) // is not stopped by it
			found := must(s.Examine(ExamineOptions{Deep: true, Repair: true}))
			if len(found.Damages) != 1 || !found.Damages[0].Repaired || found.Damages[0].Image != "app:latest" {
				t.Errorf("%+v", found.Damages)
			}
			if again := must(s.Examine(ExamineOptions{Deep: true})); len(again.Damages) > 0 {
				t.Errorf("after the repair: %+v", again.Damages)
			}
			check(t, s.Attach(a))
			must(must(s.Artifacts(digest))[0].Content(0, 10))
		})
	}
}

func TestHostileArtifacts(t *testing.T) {
	digest := strings.Repeat("a", 64)
	manifest := func(subject, layers string) string {
		return `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"a/b",` +
			`"config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"sha256:` + digest + `"},` + subject + `"layers":[` + layers + `]}`
	}
	subject := `"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"digest":"sha256:` + digest + `"},`
	layer := `{"mediaType":"a/b","size":1,"digest":"sha256:` + digest + `"}`
	for name, c := range map[string]struct {
		raw  string
		want error
	}{
		"no JSON":           {"{", ErrCorrupt},
		"about nothing":     {manifest("", ""), ErrCorrupt},
		"a digest to leave": {manifest(strings.ReplaceAll(subject, digest, "../../"+digest[6:]), ""), ErrCorrupt},
		"a negative size":   {manifest(subject, `{"size":-1,"digest":"sha256:`+digest+`"}`), ErrCorrupt},
		"too many files":    {manifest(subject, strings.Repeat(layer+",", maxContents)+layer), ErrTooLarge},
	} {
		if _, err := ParseArtifact([]byte(c.raw), nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	sizes := manifest(subject, strings.Repeat(`{"size":9223372036854775807,"digest":"sha256:`+digest+`"},`, 2)+layer)
	a := must(ParseArtifact([]byte(sizes), nil))
	if err := newStore(t).Attach(a); !errors.Is(err, ErrTooLarge) {
		t.Errorf("sizes beyond all numbers: %v", err)
	}
	if _, err := a.Content(0, 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file beyond its limit: %v", err)
	}
	lie := must(ParseArtifact([]byte(manifest(subject, layer)), func(v1.Descriptor) ([]byte, error) { return []byte("x"), nil }))
	if _, err := lie.Content(0, 1); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another content than described: %v", err)
	}
}
