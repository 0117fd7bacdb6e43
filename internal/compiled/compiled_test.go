package compiled

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"boxer.dev/internal/intoto"
	"boxer.dev/internal/signature"
	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/vfs"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// program does nothing: its function _start has no instructions.
var program = []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x07\x0a\x01\x06_start\x00\x00\x0a\x04\x01\x02\x00\x0b")

func tree(t testing.TB) *vfs.FS {
	t.Helper()
	fsys := vfs.New()
	for name, data := range map[string]string{"/program": string(program), "/again": string(program), "/text": "text", "/broken": "\x00asm\x01\x00\x00\x00?"} {
		if err := fsys.WriteFile(name, []byte(data), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return fsys
}

// engine has a cache of its own. compiled counts what it had to compile.
func engine(t testing.TB) (e *runtime.Engine, compiled *int) {
	t.Helper()
	compiled = new(int)
	e, err := runtime.New(t.Context(), runtime.Options{CacheDir: t.TempDir(), Progress: func(p runtime.Progress) {
		if p.Done {
			*compiled++
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e, compiled
}

func newKey(t testing.TB) *signature.PrivateKey {
	t.Helper()
	private, _, err := signature.Generate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return must(signature.ReadPrivate(private, nil))
}

func box(hex string) v1.Descriptor {
	return v1.Descriptor{MediaType: types.OCIManifestSchema1, Size: 1, Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(hex, 64)}}
}

func none(runtime.Code) bool { return false }

func run(t *testing.T, e *runtime.Engine) {
	t.Helper()
	b, err := e.NewBox(tree(t), v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Run(context.Background(), &runtime.Cmd{Args: []string{"/program"}}); err != nil {
		t.Fatal(err)
	}
}

// Code that one engine compiled is what another one runs, without compiling.
func TestThereAndBack(t *testing.T) {
	from, _ := engine(t)
	codes := must(from.ExportCode(t.Context(), tree(t)))
	if len(codes) != 1 {
		t.Fatalf("%d pieces of one program", len(codes))
	}
	key := newKey(t)
	artifact := must(Pack(key, box("a"), from.Machine(), codes))
	to, compiled := engine(t)
	got := must(Unpack(key.Public(), box("a").Digest, to.Machine(), artifact, to.HasCode))
	if len(got) != 1 || !bytes.Equal(got[0].Data, codes[0].Data) || got[0].Module != codes[0].Module {
		t.Fatalf("%d pieces came back", len(got))
	}
	if err := to.ImportCode(from.Machine(), got...); err != nil {
		t.Fatal(err)
	}
	if run(t, to); *compiled != 0 {
		t.Error("it was compiled all the same")
	}
	if left := must(Unpack(key.Public(), box("a").Digest, to.Machine(), artifact, to.HasCode)); len(left) != 0 {
		t.Errorf("%d pieces were read again", len(left))
	}
}

// Machine code that is not signed, or by somebody else, or for something else, is not read.
func TestOnlyWhatIsSigned(t *testing.T) {
	key, other := newKey(t), newKey(t)
	codes := []runtime.Code{{Data: []byte("code")}}
	artifact := must(Pack(key, box("a"), "machine", codes))
	withStatement := func(data []byte, about v1.Descriptor) *oci.Artifact {
		content := []oci.Content{{MediaType: signature.BundleType, Data: data}}
		content = append(content, oci.Content{MediaType: pieceType, Data: must(artifact.Content(1, maxPiece))})
		return must(oci.NewArtifact(about, Type, nil, content...))
	}
	sealed := must(artifact.Content(0, maxStatement))
	var statement *intoto.Statement = must(key.Public().Open(sealed))
	unsigned := `{"mediaType":"` + signature.BundleType + `","dsseEnvelope":{"payloadType":"application/vnd.in-toto+json","payload":"` +
		string(must(json.Marshal(must(statement.Encode())))[1:]) + `,"signatures":[]}}`
	sbom := must(key.Seal(must(intoto.New(box("a").Digest, "https://spdx.dev/Document", predicate{Machine: "machine"}))))
	for name, c := range map[string]struct {
		artifact *oci.Artifact
		key      *signature.PublicKey
		about    v1.Hash
		machine  string
		want     error
	}{
		"as it should be":                 {artifact, key.Public(), box("a").Digest, "machine", nil},
		"another key":                     {artifact, other.Public(), box("a").Digest, "machine", signature.ErrSignature},
		"not signed":                      {withStatement([]byte(unsigned), box("a")), key.Public(), box("a").Digest, "machine", signature.ErrSignature},
		"no statement":                    {withStatement([]byte("{}"), box("a")), key.Public(), box("a").Digest, "machine", signature.ErrSignature},
		"a statement of another kind":     {withStatement(sbom, box("a")), key.Public(), box("a").Digest, "machine", signature.ErrSignature},
		"a statement about another box":   {withStatement(sealed, box("b")), key.Public(), box("b").Digest, "machine", signature.ErrSignature},
		"another version of the engine":   {artifact, key.Public(), box("a").Digest, "machine 2", ErrOther},
		"an engine that tells no machine": {must(Pack(key, box("a"), "", codes)), key.Public(), box("a").Digest, "", ErrOther},
	} {
		if _, err := Unpack(c.key, c.about, c.machine, c.artifact, none); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What follows a good statement has to be what it states.
func TestTamperedCode(t *testing.T) {
	key := newKey(t)
	artifact := must(Pack(key, box("a"), "machine", []runtime.Code{{Data: bytes.Repeat([]byte("code"), 1000)}}))
	sealed, first := must(artifact.Content(0, maxStatement)), must(artifact.Content(1, maxPiece))
	encoder := must(zstd.NewWriter(nil))
	for name, pieces := range map[string][][]byte{
		"other code":     {encoder.EncodeAll(bytes.Repeat([]byte("evil"), 1000), nil)},
		"cut":            {first[:len(first)/2]},
		"not compressed": {[]byte("code")},
		"a bomb":         {encoder.EncodeAll(make([]byte, 64<<20), nil)},
		"none":           {},
		"one too many":   {first, first},
	} {
		contents := []oci.Content{{MediaType: signature.BundleType, Data: sealed}}
		for _, p := range pieces {
			contents = append(contents, oci.Content{MediaType: pieceType, Data: p})
		}
		tampered := must(oci.NewArtifact(box("a"), Type, nil, contents...))
		if _, err := Unpack(key.Public(), box("a").Digest, "machine", tampered, none); !errors.Is(err, oci.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	huge := must(key.Seal(must(intoto.New(box("a").Digest, predicateType, predicate{"machine", []piece{{strings.Repeat("0", 64), 0, "", 1 << 40}}}))))
	claims := must(oci.NewArtifact(box("a"), Type, nil, oci.Content{Data: huge}, oci.Content{Data: first}))
	if _, err := Unpack(key.Public(), box("a").Digest, "machine", claims, none); !errors.Is(err, oci.ErrTooLarge) {
		t.Errorf("a terabyte: %v", err)
	}
}

// An engine takes nothing that is not whole, or not for it.
func TestImportCode(t *testing.T) {
	from, _ := engine(t)
	to, compiled := engine(t)
	code := must(from.ExportCode(t.Context(), tree(t)))[0]
	change := func(f func(*runtime.Code)) runtime.Code {
		c := code
		c.Data = slices.Clone(code.Data)
		f(&c)
		return c
	}
	if err := to.ImportCode(from.Machine()+" ", code); !errors.Is(err, ErrOther) {
		t.Errorf("another machine: %v", err)
	}
	for name, c := range map[string]runtime.Code{
		"of another program": change(func(c *runtime.Code) { c.Module[0]++ }),
		"in an unknown form": change(func(c *runtime.Code) { c.Form = 200 }),
		"cut":                change(func(c *runtime.Code) { c.Data = c.Data[:len(c.Data)-1] }),
		"too long":           change(func(c *runtime.Code) { c.Data = append(c.Data, 0) }),
		"nothing":            change(func(c *runtime.Code) { c.Data = nil }),
		"another table":      change(func(c *runtime.Code) { c.Data[10]++ }),
		"another part":       change(func(c *runtime.Code) { c.Data[100]++ }),
	} {
		if err := to.ImportCode(to.Machine(), code, c); err == nil {
			t.Errorf("%s: it was taken", name)
		}
		if to.HasCode(code) {
			t.Errorf("%s: what came with it was taken", name)
		}
	}
	damaged := change(func(c *runtime.Code) { c.Data[len(c.Data)-1]++ }) // the engine finds out, and compiles
	if err := to.ImportCode(to.Machine(), damaged); err != nil {
		t.Fatal(err)
	}
	if run(t, to); *compiled != 1 {
		t.Errorf("compiled %d times", *compiled)
	}
}
