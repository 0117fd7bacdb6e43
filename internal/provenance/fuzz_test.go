package provenance

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/intoto"
)

// FuzzRead: whatever is attached to a box is provenance or is refused, and what was understood is understood again, as the same.
func FuzzRead(f *testing.F) {
	digest := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}
	b := Build{Boxfile: "Boxfile", BoxfileDigest: digest, Context: digest, Bases: []Input{{"python:3.13", digest}, {Name: "unknown"}}, Args: map[string]string{"A": "1"}}
	statement, err := b.Statement(digest)
	if err != nil {
		f.Fatal(err)
	}
	raw, err := statement.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"_type": "https://in-toto.io/Statement/v0.1", "subject": [{}], "predicateType": "https://slsa.dev/provenance/v1", "predicate": {"buildDefinition":
		{"buildType": "https://boxer.dev/build/boxfile/v1", "resolvedDependencies": [{"name": "image:"}, {"name": "context:\u001b"}, {}]}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		statement, err := intoto.Parse(raw)
		if err != nil {
			return
		}
		_ = statement.About(digest)
		first, err := Read(statement)
		if err != nil {
			return
		}
		again, err := first.Statement(digest)
		if err != nil {
			t.Fatal(err)
		}
		second, err := Read(again)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(again.Predicate) || first.Reproducible() && !second.Reproducible() {
			t.Errorf("%s", again.Predicate)
		}
		inputs := cmpopts.SortSlices(func(a, b Input) bool { return a.Name+"\x00"+a.Digest.Hex < b.Name+"\x00"+b.Digest.Hex })
		if diff := cmp.Diff(first, second, inputs, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
