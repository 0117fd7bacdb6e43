package signature

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/internal/intoto"
	"boxer.dev/oci"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// about is an image that is signed; there is no more to it here.
func about(text string) v1.Descriptor {
	return v1.Descriptor{MediaType: types.OCIManifestSchema1, Size: 7, Digest: must(oci.NewArtifact(
		v1.Descriptor{Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}}, text, nil)).Descriptor().Digest}
}

func newKey(t testing.TB) *PrivateKey {
	t.Helper()
	private, _, err := Generate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return must(ReadPrivate(private, nil))
}

func TestKeysThereAndBack(t *testing.T) {
	private, public, err := Generate([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	key := must(ReadPrivate(private, []byte("secret")))
	if got := string(must(key.Public().Encode())); got != string(public) {
		t.Errorf("the public key is\n%s, not\n%s", got, public)
	}
	if !must(ReadPublic(public)).verify([]byte("a"), must(key.sign([]byte("a")))) {
		t.Error("the pair does not fit")
	}
	for name, c := range map[string]struct{ text, password []byte }{
		"another password":    {private, []byte("Secret")},
		"no password":         {private, nil},
		"a public key":        {public, nil},
		"no PEM":              {[]byte("key"), nil},
		"a key that is cut":   {private[:len(private)/2], []byte("secret")},
		"another kind of PEM": {[]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), nil},
	} {
		if _, err := ReadPrivate(c.text, c.password); err == nil {
			t.Errorf("%s: it was read", name)
		} else if name == "another password" && !errors.Is(err, ErrPassword) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{"a private key": string(private), "no PEM": "key", "nonsense": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		if _, err := ReadPublic([]byte(text)); err == nil {
			t.Errorf("%s: it was read as a public key", name)
		}
	}
}

// What was signed is good for that image and for no other, by that key and by no other.
func TestSign(t *testing.T) {
	key, other, image := newKey(t), newKey(t), about("image")
	signed := must(key.Sign(image, "registry.test/app"))
	for n, a := range must(key.Sign(image, "registry.test/app")) {
		if a.Descriptor().Digest != signed[n].Descriptor().Digest {
			t.Errorf("signed again, %s is another one", a.Type())
		}
	}
	checked, err := key.Public().Check(image.Digest, signed)
	if err != nil || checked.Signatures != 2 || checked.Others != 0 || !slices.Equal(checked.Names, []string{"registry.test/app"}) {
		t.Errorf("%+v, %v", checked, err)
	}
	for _, a := range signed {
		if _, err := key.Public().Check(image.Digest, []*oci.Artifact{a}); err != nil {
			t.Errorf("%s alone: %v", a.Type(), err)
		}
		if _, err := other.Public().Check(image.Digest, []*oci.Artifact{a}); !errors.Is(err, ErrSignature) {
			t.Errorf("%s by another key: %v", a.Type(), err)
		}
	}
	if _, err := key.Public().Check(image.Digest, nil); !errors.Is(err, ErrUnsigned) {
		t.Errorf("without a signature: %v", err)
	}
	if _, err := key.Public().Check(about("another").Digest, signed); !errors.Is(err, ErrUnsigned) {
		t.Errorf("about another image: %v", err)
	}
}

// A good signature of one image, attached to another one, signs nothing.
func TestReplayedSignature(t *testing.T) {
	key, image, victim := newKey(t), about("image"), about("victim")
	for _, a := range must(key.Sign(image, "app")) {
		layer := a.Manifest().Layers[0]
		replayed := must(oci.NewArtifact(victim, a.Type(), a.Manifest().Annotations,
			oci.Content{MediaType: layer.MediaType, Data: must(a.Content(0, 1<<20)), Annotations: layer.Annotations}))
		if _, err := key.Public().Check(victim.Digest, []*oci.Artifact{replayed}); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", a.Type(), err)
		}
	}
}

// A signed list of what is in an image is no signature of the image, nor is a signature of something else by the same key.
func TestAttestationIsNoSignature(t *testing.T) {
	key, image := newKey(t), about("image")
	statement := must(intoto.New(image.Digest, "https://spdx.dev/Document", map[string]string{"a": "b"}))
	attested := must(key.Attest(image, statement))
	checked, err := key.Public().Check(image.Digest, []*oci.Artifact{attested})
	if !errors.Is(err, ErrUnsigned) || len(checked.Statements) != 1 || string(must(checked.Statements[0].Encode())) != string(must(statement.Encode())) {
		t.Errorf("%+v, %v", checked, err)
	}
	text := []byte("a message")
	blob := must(oci.NewArtifact(image, oci.SignatureType, nil, oci.Content{MediaType: payloadType, Data: text,
		Annotations: map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(must(key.sign(text)))}}))
	if _, err := key.Public().Check(image.Digest, []*oci.Artifact{blob}); !errors.Is(err, ErrSignature) {
		t.Errorf("a signature of something else: %v", err)
	}
}

// Whatever is changed about a signature, it is no longer one.
func TestTamperedSignature(t *testing.T) {
	key, image := newKey(t), about("image")
	for _, a := range must(key.Sign(image, "app")) {
		layer, data := a.Manifest().Layers[0], must(a.Content(0, 1<<20))
		for i := range data {
			changed := slices.Clone(data)
			changed[i] ^= 1
			tampered := must(oci.NewArtifact(image, a.Type(), nil, oci.Content{MediaType: layer.MediaType, Data: changed, Annotations: layer.Annotations}))
			if checked, err := key.Public().Check(image.Digest, []*oci.Artifact{tampered}); err == nil && !sameMeaning(data, changed) {
				t.Fatalf("%s: %q is good: %+v", a.Type(), changed, checked)
			}
		}
	}
}

// sameMeaning tells whether two bundles sign the same by the same: what is not signed, such as the name of the key, may differ.
func sameMeaning(a, b []byte) bool {
	var x, y bundle
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil || len(x.Envelope.Signatures) != 1 || len(y.Envelope.Signatures) != 1 {
		return false
	}
	return string(x.Envelope.signed()) == string(y.Envelope.signed()) &&
		string(x.Envelope.Signatures[0].Signature) == string(y.Envelope.Signatures[0].Signature)
}

// Signatures and keys that cosign 3.1.3 (bundle) and 2.6.5 (payload) made of an image, with a key that cosign 3.1.3 made. The
// other way round was tried by hand: both versions accept what is signed here.
func TestCosign(t *testing.T) {
	read := func(name string) []byte { return must(os.ReadFile(filepath.Join("testdata", name))) }
	key := must(ReadPublic(read("cosign.pub")))
	blobs := map[string][]byte{}
	for _, name := range []string{"bundle.json", "payload.json"} {
		a := must(oci.NewArtifact(about("image"), "a/b", nil, oci.Content{Data: read(name)}))
		blobs[a.Manifest().Layers[0].Digest.String()] = read(name)
	}
	get := func(d v1.Descriptor) ([]byte, error) { return blobs[d.Digest.String()], nil }
	sealed := must(oci.ParseArtifact(read("bundle-manifest.json"), get))
	image := sealed.Subject()
	if checked, err := key.Check(image, []*oci.Artifact{sealed}); err != nil || checked.Signatures != 1 {
		t.Errorf("cosign's bundle: %+v, %v", checked, err)
	}
	var tagged v1.Manifest
	if err := json.Unmarshal(read("signatures-manifest.json"), &tagged); err != nil {
		t.Fatal(err)
	}
	layer := tagged.Layers[0]
	simple := must(oci.NewArtifact(v1.Descriptor{Digest: image}, oci.SignatureType, nil,
		oci.Content{MediaType: layer.MediaType, Data: must(get(layer)), Annotations: layer.Annotations}))
	if checked, err := key.Check(image, []*oci.Artifact{simple}); err != nil || !slices.Equal(checked.Names, []string{"localhost:5987/fix"}) {
		t.Errorf("cosign's signature: %+v, %v", checked, err)
	}

	private := must(ReadPrivate(read("cosign.key"), []byte("throwaway")))
	if got := string(must(private.Public().Encode())); got != string(read("cosign.pub")) {
		t.Errorf("cosign's private key has the public key\n%s", got)
	}
	ours := must(private.Sign(v1.Descriptor{Digest: image}, "localhost:5987/fix"))
	if got, want := string(must(ours[1].Content(0, 1000))), string(read("payload.json")); got != want {
		t.Errorf("we sign\n%s, cosign signed\n%s", got, want)
	}
	var bundles [2]bundle
	for i, raw := range [][]byte{must(ours[0].Content(0, 10000)), read("bundle.json")} {
		if err := json.Unmarshal(raw, &bundles[i]); err != nil {
			t.Fatal(err)
		}
	}
	if bundles[0].VerificationMaterial != bundles[1].VerificationMaterial || bundles[0].MediaType != bundles[1].MediaType {
		t.Errorf("our bundle is %+v, cosign's %+v", bundles[0], bundles[1])
	}
}

// FuzzCheck: whatever a registry has for signatures, an image that was not signed is not taken for signed.
func FuzzCheck(f *testing.F) {
	key, image := newKey(f), about("image")
	for _, a := range must(newKey(f).Sign(image, "app")) {
		f.Add(must(a.Content(0, 1<<20)), a.Manifest().Layers[0].Annotations[signatureAnnotation])
	}
	f.Add([]byte(`{"dsseEnvelope":{"payloadType":"application/vnd.in-toto+json","signatures":[{},{}]}}`), "")
	f.Fuzz(func(t *testing.T, data []byte, signature string) {
		for _, kind := range []string{BundleType, oci.SignatureType} {
			a, err := oci.NewArtifact(image, kind, nil, oci.Content{MediaType: payloadType, Data: data, Annotations: map[string]string{signatureAnnotation: signature}})
			if err != nil {
				continue
			}
			if checked, err := key.Public().Check(image.Digest, []*oci.Artifact{a}); err == nil {
				t.Errorf("%s: %+v", kind, checked)
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	key, image := newKey(b), about("image")
	public, signed := key.Public(), must(key.Sign(image, "app"))
	for b.Loop() {
		must(public.Check(image.Digest, signed))
	}
}
