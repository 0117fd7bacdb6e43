package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/internal/registry/registrytest"
	"boxer.dev/oci"
)

// edited changes the content of an answer, and says how long it is.
func edited(change func([]byte) []byte) fault {
	return func(w http.ResponseWriter, r *http.Request, inner http.Handler) bool {
		r.Header.Del("Range")
		recorder := httptest.NewRecorder()
		inner.ServeHTTP(recorder, r)
		content := change(recorder.Body.Bytes())
		for name, values := range recorder.Header() {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.WriteHeader(recorder.Code)
		w.Write(content)
		return true
	}
}

// unsized is edited without a length, so that the size is only known at the end.
func unsized(change func([]byte) []byte) fault {
	return func(w http.ResponseWriter, r *http.Request, inner http.Handler) bool {
		recorder := httptest.NewRecorder()
		inner.ServeHTTP(recorder, r)
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		w.Write(change(recorder.Body.Bytes()))
		return true
	}
}

// What a registry sends is not what it says: each lie is found out, nothing of it gets a name, and an honest answer mends it.
func TestLyingRegistry(t *testing.T) {
	server, ref, layer := published(t, registrytest.Options{})
	blob := digestOfLayer(t, layer)
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for name, lie := range map[string]fault{
		"another content":            on("GET", blob, edited(flip)),
		"a shorter one":              on("GET", blob, edited(func(b []byte) []byte { return b[:len(b)/2] })),
		"a shorter one in the end":   on("GET", blob, unsized(func(b []byte) []byte { return b[:len(b)/2] })),
		"a longer one":               on("GET", blob, edited(func(b []byte) []byte { return append(b, 0) })),
		"a longer one in the end":    on("GET", blob, unsized(func(b []byte) []byte { return append(b, make([]byte, 1<<20)...) })),
		"another configuration":      on("GET", "/blobs/", edited(flip)),
		"a manifest that is no JSON": on("GET", "/manifests/", edited(func(b []byte) []byte { return b[:len(b)/2] })),
	} {
		t.Run(name, func(t *testing.T) {
			server.with(lie)
			store := newStore(t)
			client, _ := impatient(Options{})
			_, err := client.Pull(t.Context(), store, ref)
			if !errors.Is(err, oci.ErrCorrupt) {
				t.Errorf("%v", err)
			}
			if _, err := store.Image(ref); !errors.Is(err, oci.ErrNotFound) {
				t.Errorf("the image has a name: %v", err)
			}
			server.with(nil)
			_, err = client.Pull(t.Context(), store, ref)
			check(t, err)
			whole(t, store, ref)
		})
	}
}

// A manifest asked for by digest is another one.
func TestOtherManifestThanAskedFor(t *testing.T) {
	server, ref, _ := published(t, registrytest.Options{})
	server.with(on("GET", "/manifests/", edited(func(b []byte) []byte { return append(b, ' ') })))
	client, _ := impatient(Options{})
	digest := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}
	server.with(on("GET", "/manifests/", func(w http.ResponseWriter, r *http.Request, inner http.Handler) bool {
		r.URL.Path = strings.ReplaceAll(r.URL.Path, digest.String(), "latest")
		return false
	}))
	if _, err := client.Pull(t.Context(), newStore(t), ref+"@"+digest.String()); !errors.Is(err, oci.ErrCorrupt) {
		t.Errorf("%v", err)
	}
}

// A manifest without end is not read to its end.
func TestEndlessManifest(t *testing.T) {
	server, ref, _ := published(t, registrytest.Options{})
	server.with(on("GET", "/manifests/", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		io.CopyN(w, zeros{}, 64<<20)
		return true
	}))
	client, _ := impatient(Options{})
	if _, err := client.Pull(t.Context(), newStore(t), ref); !errors.Is(err, oci.ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte{' '}, len(p))), nil }

// A configuration that names other contents than the layers have: found out before the image has a name.
func TestLayersWithOtherDiffIDs(t *testing.T) {
	server := registrytest.Start(t, registrytest.Options{})
	img := imageOf(t, layerOf(t, "a", 10))
	file, err := img.ConfigFile()
	check(t, err)
	file.RootFS.DiffIDs[0] = v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}
	lying, err := mutate.ConfigFile(img, file)
	check(t, err)
	writeImage(t, server.Host+"/app", lying)
	client, _ := impatient(Options{})
	store := newStore(t)
	if _, err := client.Pull(t.Context(), store, server.Host+"/app"); !errors.Is(err, oci.ErrCorrupt) {
		t.Errorf("%v", err)
	}
	if _, err := store.Image(server.Host + "/app"); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("it has a name: %v", err)
	}
}

// What is no image of layers in tars is refused in words.
func TestWhatIsNoImage(t *testing.T) {
	foreign := static.NewLayer([]byte("x"), types.DockerForeignLayer)
	strange := static.NewLayer([]byte("x"), "application/x-strange")
	for name, c := range map[string]struct {
		img  v1.Image
		want string
	}{
		"foreign layer": {mutate.MediaType(imageOf(t, foreign), types.DockerManifestSchema2), "layer that registries do not keep"},
		"unknown layer": {imageOf(t, strange), `layer of type "application/x-strange"`},
		"wasm artifact": {mutate.ConfigMediaType(imageOf(t), "application/vnd.wasm.config.v0+json"), "it is no box but a Wasm OCI artifact"},
	} {
		t.Run(name, func(t *testing.T) {
			server := registrytest.Start(t, registrytest.Options{})
			writeImage(t, server.Host+"/app", c.img)
			client, _ := impatient(Options{})
			if _, err := client.Pull(t.Context(), newStore(t), server.Host+"/app"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// CVE-2021-41190: a document that is an index for one reader and an image for another.
func TestManifestThatIsTwoThings(t *testing.T) {
	for name, document := range map[string]string{
		"both":                   `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"config":{},"layers":[]}`,
		"neither":                `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}`,
		"an index by type alone": `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","config":{},"layers":[]}`,
		"of no type":             `{"schemaVersion":2,"config":{},"layers":[]}`,
		"docker's first format":  `{"schemaVersion":1,"name":"app","fsLayers":[]}`,
	} {
		if mediaType, err := manifestType([]byte(document), "text/plain"); err == nil {
			t.Errorf("%s is taken for %s", name, mediaType)
		}
	}
	plain := `{"schemaVersion":2,"config":{},"layers":[]}`
	if mediaType, err := manifestType([]byte(plain), string(types.OCIManifestSchema1)+"; charset=utf-8"); err != nil || mediaType != types.OCIManifestSchema1 {
		t.Errorf("%s, %v", mediaType, err)
	}
}

func FuzzManifestType(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"manifests":[]}`), string(types.OCIImageIndex))
	f.Add([]byte(`{"schemaVersion":2,"config":{},"layers":[]}`), string(types.OCIManifestSchema1))
	f.Fuzz(func(t *testing.T, raw []byte, header string) {
		mediaType, err := manifestType(raw, header)
		if err == nil && mediaType.IsIndex() == mediaType.IsImage() {
			t.Errorf("%q is %q", raw, mediaType)
		}
		if err == nil && !json.Valid(raw) {
			t.Errorf("%q is JSON", raw)
		}
	})
}

// A blob may be elsewhere: our password stays with the registry.
func TestPasswordStaysWithTheRegistry(t *testing.T) {
	for name, o := range map[string]registrytest.Options{"password": {Login: true}, "token": {Token: true}} {
		t.Run(name, func(t *testing.T) {
			img := imageOf(t, layerOf(t, "a", 100_000))
			var leaked []string
			inner := registrytest.Start(t, registrytest.Options{})
			writeImage(t, inner.Host+"/app", img)
			elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				leaked = append(leaked, r.Header.Get("Authorization"))
				response, err := http.Get("http://" + inner.Host + r.URL.Path)
				if err != nil {
					t.Error(err)
					return
				}
				defer response.Body.Close()
				io.Copy(w, response.Body)
			}))
			defer elsewhere.Close()
			o.Wrap = func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.Contains(r.URL.Path, "/blobs/") {
						http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
						return
					}
					response, err := http.Get("http://" + inner.Host + r.URL.Path)
					if err != nil {
						t.Error(err)
						return
					}
					defer response.Body.Close()
					w.Header().Set("Content-Type", response.Header.Get("Content-Type"))
					io.Copy(w, response.Body)
				})
			}
			server := registrytest.Start(t, o)
			client, _ := impatient(Options{Keychain: password{}})
			store := newStore(t)
			_, err := client.Pull(t.Context(), store, server.Host+"/app")
			check(t, err)
			whole(t, store, server.Host+"/app")
			if len(leaked) == 0 || strings.Join(leaked, "") != "" {
				t.Errorf("the other server got %q", leaked)
			}
		})
	}
}

// Redirects from outside do not lead inside (metadata services, the router, our own ports), however the address is spelt.
func TestRedirectToMetadata(t *testing.T) {
	for _, c := range []struct {
		from, to string
		allowed  bool
	}{
		{"registry.example", "169.254.169.254", false},
		{"registry.example", "127.0.0.1:8080", false},
		{"registry.example", "127.1", false},
		{"registry.example", "2130706433", false},
		{"registry.example", "0x7f000001", false},
		{"registry.example", "localhost", false},
		{"registry.example", "x.localhost:1", false},
		{"registry.example", "[::1]:80", false},
		{"registry.example", "[fe80::1%25eth0]", false},
		{"registry.example", "[::ffff:10.0.0.1]", false},
		{"registry.example", "10.0.0.1", false},
		{"registry.example", "192.168.0.1:5000", false},
		{"registry.example", "100.100.100.200", false},
		{"registry.example", "[::ffff:100.100.100.200]", false},
		{"registry.example", "192.0.0.192", false},
		{"registry.example", "0.0.0.1", false},
		{"registry.example", "[64:ff9b::a9fe:a9fe]", false},
		{"registry.example", "[2002:a9fe:a9fe::1]:80", false},
		{"registry.example", "[::127.0.0.1]", false},
		{"registry.example", "[fd00:ec2::254]", false},
		{"10.0.0.1:5000", "169.254.169.254", false},
		{"10.0.0.1:5000", "localhost:80", false},
		{"100.64.0.1", "10.0.0.1", true},
		{"registry.example", "[2001:db8::1]", true},
		{"registry.example", "cdn.example", true},
		{"registry.example", "203.0.113.7", true},
		{"registry.example:443", "registry.example", true},
		{"10.0.0.1:5000", "10.0.0.2", true},
		{"localhost:5000", "127.0.0.1:9000", true},
	} {
		request := &http.Request{URL: &url.URL{Host: c.to}}
		err := checkRedirect(request, []*http.Request{{URL: &url.URL{Host: c.from}}})
		if (err == nil) != c.allowed {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
		}
	}
}

// Plain HTTP is for this machine, unless it is asked for: not for private networks, and not because of a redirect.
func TestPlainHTTP(t *testing.T) {
	for host, allowed := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:5000": true, "127.9.9.9": true, "[::1]:5000": true, "a.localhost": true,
		"10.0.0.1:5000": false, "192.168.1.1": false, "registry.example": false, "localhost.example": false, "127.0.0.1.example": false,
	} {
		if got := isLoopback(host); got != allowed {
			t.Errorf("%s: %v", host, got)
		}
		guard := &guard{inner: reached{}, registry: host}
		_, err := guard.RoundTrip(&http.Request{URL: &url.URL{Scheme: "http", Host: host}})
		if errors.Is(err, errReached) != allowed {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// What a registry names for tokens and uploads leads no further inside than its redirects: a login must not become a request to
// this machine's own services.
func TestRealmInside(t *testing.T) {
	for _, realm := range []string{"http://127.0.0.1:8080/admin", "http://localhost:2375/containers", "https://169.254.169.254/latest", "https://10.0.0.1/", "https://localhost:9000/", "https://127.1/"} {
		asked := &asks{realm: realm}
		registry, err := name.NewRegistry("registry.example")
		check(t, err)
		from := &guard{inner: asked, registry: registry.RegistryStr()}
		basic := authn.FromConfig(authn.AuthConfig{Username: "u", Password: "p"})
		authorized, err := transport.NewWithContext(t.Context(), registry, basic, from, nil)
		if err == nil {
			request, err := http.NewRequest(http.MethodGet, "https://registry.example/v2/", nil)
			check(t, err)
			_, err = authorized.RoundTrip(request)
			if err == nil {
				t.Errorf("%s: no error", realm)
			}
		}
		for _, host := range asked.hosts {
			if host != "registry.example" {
				t.Errorf("%s: %s was asked", realm, host)
			}
		}
	}
}

// asks wants a token of somebody else.
type asks struct {
	realm string
	hosts []string
}

func (a *asks) RoundTrip(request *http.Request) (*http.Response, error) {
	a.hosts = append(a.hosts, request.URL.Host)
	header := http.Header{"Www-Authenticate": {`Bearer realm="` + a.realm + `",service="s"`}}
	return &http.Response{StatusCode: http.StatusUnauthorized, Header: header, Body: http.NoBody, Request: request}, nil
}

var errReached = errors.New("reached")

type reached struct{}

func (reached) RoundTrip(*http.Request) (*http.Response, error) { return nil, errReached }
