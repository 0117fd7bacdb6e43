package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"golang.org/x/sync/errgroup"

	"boxer.dev/internal/registry/registrytest"
	"boxer.dev/oci"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// withArtifacts is an image of a store with a list and a signature attached.
func withArtifacts(t *testing.T, store *oci.Store, ref string) (v1.Image, v1.Descriptor) {
	t.Helper()
	img := stored(t, store, ref, layerOf(t, "a", 100))
	d := must(partial.Descriptor(img))
	check(t, store.Attach(
		must(oci.NewArtifact(*d, "application/x-list", map[string]string{"a": "b"}, oci.Content{MediaType: "text/plain", Data: []byte("list")})),
		must(oci.NewArtifact(*d, oci.SignatureType, nil, oci.Content{MediaType: "text/plain", Data: []byte("signed"), Annotations: map[string]string{"by": "me"}})),
	))
	return img, *d
}

// typesOf are those of artifacts, sorted.
func typesOf(artifacts []*oci.Artifact) (all []string) {
	for _, a := range artifacts {
		all = append(all, a.Type())
	}
	slices.Sort(all)
	return all
}

// Artifacts go to a registry and come back as they were, whether it lists them itself or not, and are copied with the image.
// Other tools read the image as if there were none, and find them.
func TestReferrers(t *testing.T) {
	want := []string{oci.SignatureType, "application/x-list"}
	for name, o := range map[string]registrytest.Options{"api": {Referrers: true}, "tag": {Debian: true}} {
		t.Run(name, func(t *testing.T) {
			server := registrytest.Start(t, o)
			client, _ := impatient(Options{})
			store, ref := newStore(t), server.Host+"/app:1"
			img, d := withArtifacts(t, store, ref)
			for range 2 { // the second time there is nothing to do
				check(t, client.PushArtifacts(t.Context(), ref, must(store.Artifacts(d.Digest))...))
				must(client.Push(t.Context(), store, img, ref))
			}
			copied := server.Host + "/copy:1"
			must(client.Copy(t.Context(), ref, copied))
			for _, from := range []string{ref, copied} {
				other := newStore(t)
				must(client.Pull(t.Context(), other, from))
				check(t, client.PullArtifacts(t.Context(), other, from, d))
				got, sent := must(other.Referrers(d.Digest)), must(store.Referrers(d.Digest))
				if fmt.Sprint(got) != fmt.Sprint(sent) {
					t.Errorf("%s has %+v, sent were %+v", from, got, sent)
				}
				if got := typesOf(must(other.Artifacts(d.Digest))); !slices.Equal(got, want) {
					t.Errorf("%s has %q", from, got)
				}
				other = newStore(t)
				must(client.Pull(t.Context(), other, from))
				check(t, client.PullArtifacts(t.Context(), other, from, d, oci.SignatureType))
				if got := typesOf(must(other.Artifacts(d.Digest))); !slices.Equal(got, want[1:]) {
					t.Errorf("%s without signatures has %q", from, got)
				}
			}
			othersSee(t, ref, d)
		})
	}
}

// othersSee checks what skopeo makes of an image with artifacts.
func othersSee(t *testing.T, ref string, d v1.Descriptor) {
	t.Helper()
	var seen struct {
		Digest   string
		RepoTags []string
	}
	check(t, json.Unmarshal([]byte(tool(t, "skopeo", "inspect", "--tls-verify=false", "docker://"+ref)), &seen))
	if seen.Digest != d.Digest.String() {
		t.Errorf("skopeo sees %s", seen.Digest)
	}
	if !slices.Contains(seen.RepoTags, signatureTag(d.Digest)) {
		t.Errorf("skopeo sees the tags %q", seen.RepoTags)
	}
	tool(t, "skopeo", "copy", "--src-tls-verify=false", "docker://"+ref, "oci:"+t.TempDir()+":app")
	tool(t, "skopeo", "copy", "--src-tls-verify=false", "docker://"+strings.TrimSuffix(ref, ":1")+":"+signatureTag(d.Digest), "oci:"+t.TempDir()+":signatures")
}

// go-containerregistry's crane copies an image that has artifacts, and reads the signatures' image.
func TestCraneReadsWhatHasReferrers(t *testing.T) {
	crane := crane(t)
	server := registrytest.Start(t, registrytest.Options{Debian: true})
	client, _ := impatient(Options{})
	store, ref := newStore(t), server.Host+"/app:1"
	img, d := withArtifacts(t, store, ref)
	check(t, client.PushArtifacts(t.Context(), ref, must(store.Artifacts(d.Digest))...))
	must(client.Push(t.Context(), store, img, ref))
	if got := strings.TrimSpace(tool(t, crane, "digest", ref)); got != d.Digest.String() {
		t.Errorf("crane sees %s", got)
	}
	tool(t, crane, "copy", ref, server.Host+"/crane:1")
	tool(t, crane, "validate", "--fast", "--remote", server.Host+"/app:"+signatureTag(d.Digest))
	var index v1.IndexManifest
	check(t, json.Unmarshal([]byte(tool(t, crane, "manifest", server.Host+"/app:"+referrersTag(d.Digest))), &index))
	if len(index.Manifests) != 1 || index.Manifests[0].ArtifactType != "application/x-list" || index.Manifests[0].Annotations["a"] != "b" {
		t.Errorf("crane sees %+v", index.Manifests)
	}
}

// Several who attach something at once do not lose each other's where the registry keeps the list; a tag has no lock.
func TestReferrersAtOnce(t *testing.T) {
	server := registrytest.Start(t, registrytest.Options{Referrers: true})
	client, _ := impatient(Options{})
	store, ref := newStore(t), server.Host+"/app:1"
	img := stored(t, store, ref, layerOf(t, "a", 100))
	d := *must(partial.Descriptor(img))
	var group errgroup.Group
	for i := range 4 {
		a := must(oci.NewArtifact(d, "a/b", nil, oci.Content{MediaType: "text/plain", Data: []byte(fmt.Sprint(i))}))
		group.Go(func() error { return client.PushArtifacts(t.Context(), ref, a) })
	}
	check(t, group.Wait())
	if found := must(client.Artifacts(t.Context(), ref, d)); len(found) != 4 {
		t.Errorf("%d artifacts", len(found))
	}
}

// What somebody else signed stays when we sign, too.
func TestSignaturesOfOthersStay(t *testing.T) {
	server := registrytest.Start(t, registrytest.Options{})
	client, _ := impatient(Options{})
	store, ref := newStore(t), server.Host+"/app:1"
	d := *must(partial.Descriptor(stored(t, store, ref, layerOf(t, "a", 100))))
	for _, who := range []string{"me", "you", "me"} {
		a := must(oci.NewArtifact(d, oci.SignatureType, nil, oci.Content{MediaType: "text/plain", Data: []byte("signed"), Annotations: map[string]string{"by": who}}))
		check(t, client.PushArtifacts(t.Context(), ref, a))
	}
	var by []string
	for _, a := range must(client.Artifacts(t.Context(), ref, d, oci.SignatureType)) {
		by = append(by, a.Manifest().Layers[0].Annotations["by"])
	}
	if !slices.Equal(by, []string{"me", "you"}) {
		t.Errorf("signed by %q", by)
	}
}

// An image that is not admitted is not read further than its manifest.
func TestAdmit(t *testing.T) {
	server, ref, _ := published(t, registrytest.Options{})
	refused := errors.New("not signed")
	var seen []v1.Descriptor
	client, _ := impatient(Options{Admit: func(_ context.Context, c *Candidate) error { seen = c.Documents; return refused }})
	store := newStore(t)
	if _, err := client.Pull(t.Context(), store, ref); !errors.Is(err, refused) || len(seen) != 1 {
		t.Errorf("%v, shown %v", err, seen)
	}
	if n := server.count("GET", "/blobs/"); n > 0 {
		t.Errorf("%d blobs were read", n)
	}
	if left := must(store.List()); len(left) > 0 {
		t.Errorf("kept: %v", left)
	}
}

const zeroDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// answering replaces an answer.
func answering(kind, body string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		w.Header().Set("Content-Type", kind)
		w.Write([]byte(body))
		return true
	}
}

func listing(entries ...string) string {
	return `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` + strings.Join(entries, ",") + `]}`
}

func listed(digest string) string {
	return `{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":10,"digest":"` + digest + `","artifactType":"application/x-list"}`
}

// A registry that lies about what is attached is found out, and cannot make us read without end.
func TestLyingReferrers(t *testing.T) {
	const indexType = "application/vnd.oci.image.index.v1+json"
	server := startFaulty(t, registrytest.Options{Referrers: true})
	client, _ := impatient(Options{})
	store, ref := newStore(t), server.Host+"/app:1"
	img, d := withArtifacts(t, store, ref)
	must(client.Push(t.Context(), store, img, ref))
	sent := must(store.Artifacts(d.Digest, "application/x-list"))
	check(t, client.PushArtifacts(t.Context(), ref, sent...))
	list := sent[0].Descriptor().Digest.String()
	other := *must(partial.Descriptor(stored(t, store, server.Host+"/other", layerOf(t, "b", 100))))
	about := must(oci.NewArtifact(other, "application/x-list", nil))
	check(t, client.PushArtifacts(t.Context(), ref, about))
	flip := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	for name, c := range map[string]struct {
		lie  fault
		want error
	}{
		"a digest of nothing":        {on("GET", "/referrers/", answering(indexType, listing(listed(zeroDigest)))), oci.ErrNotFound},
		"an artifact about another":  {on("GET", "/referrers/", answering(indexType, listing(listed(about.Descriptor().Digest.String())))), oci.ErrCorrupt},
		"an image as artifact":       {on("GET", "/referrers/", answering(indexType, listing(listed(d.Digest.String())))), oci.ErrCorrupt},
		"a list without end":         {on("GET", "/referrers/", answering(indexType, strings.Repeat(" ", maxManifest+1))), oci.ErrTooLarge},
		"a list of too many":         {on("GET", "/referrers/", answering(indexType, listing(slices.Repeat([]string{listed(list)}, oci.MaxReferrers+1)...))), oci.ErrTooLarge},
		"a list that is none":        {on("GET", "/referrers/", answering(indexType, "{")), oci.ErrCorrupt},
		"another artifact":           {on("GET", "/manifests/"+list, edited(flip)), oci.ErrCorrupt},
		"pages that lead elsewhere":  {on("GET", "/referrers/", paging("http://registry.test/v2/app/referrers/x")), oci.ErrCorrupt},
		"pages that lead in circles": {on("GET", "/referrers/", paging("?page=2")), oci.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			server.with(c.lie)
			defer server.with(nil)
			artifacts, err := client.Artifacts(t.Context(), ref, d)
			if !errors.Is(err, c.want) {
				t.Errorf("%v: %v", err, typesOf(artifacts))
			}
		})
	}
	t.Run("another content", func(t *testing.T) {
		server.with(on("GET", "/blobs/", edited(flip)))
		defer server.with(nil)
		if err := client.PullArtifacts(t.Context(), newStore(t), ref, d); !errors.Is(err, oci.ErrCorrupt) {
			t.Error(err)
		}
	})
	check(t, client.PullArtifacts(t.Context(), newStore(t), ref, d))
}

// paging sends an empty part of a list, and says where it goes on.
func paging(next string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		w.Header().Set("Link", "<"+next+`>; rel="next"`)
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		w.Write([]byte(listing()))
		return true
	}
}

// Sizes that nobody can hold are refused before anything is allocated or read.
func TestHugeArtifacts(t *testing.T) {
	server := startFaulty(t, registrytest.Options{Referrers: true})
	client, _ := impatient(Options{})
	store, ref := newStore(t), server.Host+"/app:1"
	d := *must(partial.Descriptor(stored(t, store, ref, layerOf(t, "a", 100))))
	huge := must(oci.NewArtifact(d, "application/x-list", nil, oci.Content{MediaType: "text/plain", Data: []byte("list")}))
	raw := strings.Replace(string(huge.Raw()), `"mediaType":"text/plain","size":4`, `"mediaType":"text/plain","size":1099511627776`, 1)
	lie := must(oci.ParseArtifact([]byte(raw), nil))
	server.with(on("GET", "/referrers/", answering("application/vnd.oci.image.index.v1+json", listing(listed(lie.Descriptor().Digest.String())))))
	server.with(func(w http.ResponseWriter, r *http.Request, inner http.Handler) bool {
		switch {
		case strings.Contains(r.URL.Path, "/referrers/"):
			return answering("application/vnd.oci.image.index.v1+json", listing(listed(lie.Descriptor().Digest.String())))(w, r, inner)
		case strings.HasSuffix(r.URL.Path, lie.Descriptor().Digest.String()):
			return answering("application/vnd.oci.image.manifest.v1+json", raw)(w, r, inner)
		}
		return false
	})
	if err := client.PullArtifacts(t.Context(), newStore(t), ref, d); !errors.Is(err, oci.ErrTooLarge) {
		t.Errorf("a terabyte: %v", err)
	}
	signature := `{"mediaType":"text/plain","size":1099511627776,"digest":"` + zeroDigest + `"}`
	for name, layers := range map[string]string{
		"a huge signature":    signature,
		"too many signatures": strings.Repeat(signature+",", maxSignatures) + signature,
	} {
		server.with(on("GET", ".sig", answering("application/vnd.oci.image.manifest.v1+json",
			`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[`+layers+`]}`)))
		if _, err := client.Artifacts(t.Context(), ref, d, oci.SignatureType); !errors.Is(err, oci.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
