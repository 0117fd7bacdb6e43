package registry

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/internal/hint"
	"boxer.dev/internal/registry/registrytest"
	"boxer.dev/oci"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newStore(t testing.TB) *oci.Store {
	t.Helper()
	store, err := oci.Open(t.TempDir())
	check(t, err)
	return store
}

// layerOf is a layer with one file, whose content follows from its name and size.
func layerOf(t testing.TB, name string, size int64) v1.Layer {
	t.Helper()
	var content bytes.Buffer
	tw := tar.NewWriter(&content)
	check(t, tw.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644, Typeflag: tar.TypeReg}))
	_, err := io.CopyN(tw, rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32.32s", name)))), size)
	check(t, err)
	check(t, tw.Close())
	return static.NewLayer(content.Bytes(), types.OCIUncompressedLayer)
}

func imageOf(t testing.TB, layers ...v1.Layer) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.ConfigFile(img, &v1.ConfigFile{OS: "wasip1", Architecture: "wasm", RootFS: v1.RootFS{Type: "layers"}})
	check(t, err)
	img, err = mutate.AppendLayers(img, layers...)
	check(t, err)
	return img
}

// stored is an image in a store, under a name.
func stored(t testing.TB, store *oci.Store, name string, layers ...v1.Layer) v1.Image {
	t.Helper()
	_, err := store.Put(imageOf(t, layers...), name)
	check(t, err)
	img, err := store.Image(name)
	check(t, err)
	return img
}

// whole demands that a store has an image, and all of it.
func whole(t testing.TB, store *oci.Store, ref string) {
	t.Helper()
	img, err := store.Image(ref)
	check(t, err)
	check(t, oci.Validate(img))
}

type password struct{}

func (password) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{Username: registrytest.User, Password: registrytest.Password}), nil
}

type anonymous struct{}

func (anonymous) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// impatient is a client that does not wait, and tells how long it would have.
func impatient(o Options) (*Client, *[]time.Duration) {
	var lock sync.Mutex
	var pauses []time.Duration
	if o.Keychain == nil {
		o.Keychain = anonymous{}
	}
	o.Backoff.Sleep = func(ctx context.Context, pause time.Duration) error {
		lock.Lock()
		defer lock.Unlock()
		pauses = append(pauses, pause)
		return ctx.Err()
	}
	return New(o), &pauses
}

// trust puts a server's authority where docker keeps it.
func trust(t testing.TB, server *registrytest.Server) {
	t.Helper()
	dir := t.TempDir()
	before := config.Dir()
	config.SetDir(dir)
	t.Cleanup(func() { config.SetDir(before) })
	if server.CA == "" {
		return
	}
	raw, err := os.ReadFile(server.CA)
	check(t, err)
	certificates := filepath.Join(dir, "certs.d", server.Host)
	check(t, os.MkdirAll(certificates, 0o700))
	check(t, os.WriteFile(filepath.Join(certificates, "ca.crt"), raw, 0o600))
}

var kinds = map[string]registrytest.Options{
	"memory":                {},
	"memory with login":     {Login: true, TLS: true},
	"memory with tokens":    {Token: true},
	"tokens over TLS":       {Token: true, TLS: true},
	"Debian's":              {Debian: true},
	"Debian's over TLS":     {Debian: true, TLS: true},
	"Debian's with a login": {Debian: true, TLS: true, Login: true},
}

// An image goes to every kind of registry, from repository to repository, and comes back as it was.
func TestThereAndBack(t *testing.T) {
	for name, o := range kinds {
		t.Run(name, func(t *testing.T) {
			server := registrytest.Start(t, o)
			trust(t, server)
			client, _ := impatient(Options{Keychain: password{}})
			from, to := newStore(t), newStore(t)
			ref := server.Host + "/team/app:1"
			img := stored(t, from, ref, layerOf(t, "base", 300_000), layerOf(t, "app", 10))
			want, err := img.Digest()
			check(t, err)
			pushed, err := client.Push(t.Context(), from, img, ref)
			check(t, err)
			copied, err := client.Copy(t.Context(), ref, server.Host+"/other/app:2")
			check(t, err)
			pulled, err := client.Pull(t.Context(), to, server.Host+"/other/app:2")
			check(t, err)
			if diff := cmp.Diff([]v1.Hash{want, want, want}, []v1.Hash{pushed, copied, pulled}); diff != "" {
				t.Error(diff)
			}
			whole(t, to, server.Host+"/other/app:2")
			_, err = client.Pull(t.Context(), to, server.Host+"/team/app@"+want.String())
			check(t, err)
		})
	}
}

// Without the right password nothing is had, and it is said how to give one.
func TestLoginIsNeeded(t *testing.T) {
	for name, o := range kinds {
		if !o.Login && !o.Token {
			continue
		}
		t.Run(name, func(t *testing.T) {
			server := registrytest.Start(t, o)
			trust(t, server)
			client, _ := impatient(Options{})
			_, err := client.Pull(t.Context(), newStore(t), server.Host+"/app")
			var hinted *hint.Error
			if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "boxer login "+server.Host) {
				t.Errorf("%v", err)
			}
			check(t, client.Verify(t.Context(), server.Host, Credentials{registrytest.User, registrytest.Password}))
			if err := client.Verify(t.Context(), server.Host, Credentials{registrytest.User, "wrong"}); err == nil {
				t.Error("a wrong password was taken")
			}
		})
	}
}

func TestUnknownAuthority(t *testing.T) {
	server := registrytest.Start(t, registrytest.Options{TLS: true})
	client, _ := impatient(Options{})
	_, err := client.Pull(t.Context(), newStore(t), server.Host+"/app")
	var hinted *hint.Error
	if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "certs.d") {
		t.Errorf("%v", err)
	}
	client, _ = impatient(Options{Insecure: true})
	if _, err := client.Pull(t.Context(), newStore(t), server.Host+"/app"); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("insecure: %v", err)
	}
}

// meter counts the bytes of bodies in both directions.
func meter(count *atomic.Int64) func(http.Handler) http.Handler {
	return func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = &meteredBody{r.Body, count}
			inner.ServeHTTP(&meteredWriter{w, count}, r)
		})
	}
}

type meteredBody struct {
	io.ReadCloser
	count *atomic.Int64
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.count.Add(int64(n))
	return n, err
}

type meteredWriter struct {
	http.ResponseWriter
	count *atomic.Int64
}

func (w *meteredWriter) Write(p []byte) (int, error) {
	w.count.Add(int64(len(p)))
	return w.ResponseWriter.Write(p)
}

// A new app on a base that the registry knows from another repository, and the puller from anywhere, moves kilobytes.
func TestNewAppOnAKnownBaseMovesKilobytes(t *testing.T) {
	const base, budget = 20 << 20, 100_000
	var moved atomic.Int64
	server := registrytest.Start(t, registrytest.Options{Debian: true, Wrap: meter(&moved)})
	client, _ := impatient(Options{})
	store := newStore(t)
	shared := layerOf(t, "base", base)
	first, second := server.Host+"/first", server.Host+"/second/app"
	_, err := client.Push(t.Context(), store, stored(t, store, first, shared, layerOf(t, "one.py", 900)), first)
	check(t, err)
	if moved.Load() < base {
		t.Fatalf("the meter does not work: it counted %d bytes", moved.Load())
	}
	measured := func(what string, do func()) {
		moved.Store(0)
		do()
		if moved.Load() > budget {
			t.Errorf("%s moved %d bytes, more than %d", what, moved.Load(), budget)
		}
		t.Logf("%s moved %d bytes", what, moved.Load())
	}
	measured("push", func() {
		_, err := client.Push(t.Context(), store, stored(t, store, second, shared, layerOf(t, "two.py", 900)), second)
		check(t, err)
	})
	other := newStore(t)
	_, err = client.Pull(t.Context(), other, first)
	check(t, err)
	measured("pull", func() {
		_, err := client.Pull(t.Context(), other, second)
		check(t, err)
	})
	whole(t, other, second)
	known, _ := impatient(Options{Known: []v1.Image{imageOf(t, shared)}})
	measured("pull by who has the base at hand", func() {
		_, err := known.Pull(t.Context(), other, second)
		check(t, err)
		third := newStore(t)
		_, err = known.Pull(t.Context(), third, second)
		check(t, err)
		whole(t, third, second)
	})
	measured("copy within the registry", func() {
		_, err := client.Copy(t.Context(), second, server.Host+"/third")
		check(t, err)
	})
	measured("push of what a pull brought", func() {
		img, err := other.Image(second)
		check(t, err)
		_, err = client.Push(t.Context(), other, img, server.Host+"/fourth")
		check(t, err)
	})
}

// An index is copied as it is, and pulled for our platform; without it, the error says what there is.
func TestIndex(t *testing.T) {
	server := registrytest.Start(t, registrytest.Options{Debian: true})
	target := registrytest.Start(t, registrytest.Options{})
	client, _ := impatient(Options{})
	linux := v1.Platform{OS: "linux", Architecture: "arm64"}
	ours, theirs := imageOf(t, layerOf(t, "ours", 10)), imageOf(t, layerOf(t, "theirs", 10))
	both := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: theirs, Descriptor: v1.Descriptor{Platform: &linux}},
		mutate.IndexAddendum{Add: ours, Descriptor: v1.Descriptor{Platform: &oci.Platform}})
	windows := v1.Platform{OS: "windows", Architecture: "amd64"}
	none := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: theirs, Descriptor: v1.Descriptor{Platform: &linux}},
		mutate.IndexAddendum{Add: theirs, Descriptor: v1.Descriptor{Platform: &windows}})
	writeIndex(t, server.Host+"/app:both", both)
	writeIndex(t, server.Host+"/app:none", none)
	_, err := client.Pull(t.Context(), newStore(t), server.Host+"/app:none")
	if !errors.Is(err, oci.ErrNotFound) || !strings.Contains(err.Error(), "linux/arm64") || !strings.Contains(err.Error(), "windows/amd64") {
		t.Errorf("%v", err)
	}
	got, err := client.Copy(t.Context(), server.Host+"/app:both", target.Host+"/copy")
	check(t, err)
	want, err := both.Digest()
	check(t, err)
	if got != want {
		t.Errorf("%s was copied as %s", want, got)
	}
	pulled, err := client.Pull(t.Context(), newStore(t), target.Host+"/copy")
	check(t, err)
	if want, err := ours.Digest(); err != nil || pulled != want {
		t.Errorf("%s was pulled, not %s", pulled, want)
	}
}
