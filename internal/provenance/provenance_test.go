package provenance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/intoto"
)

func digest(hex string) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(hex, 64)} }

func ExampleBuild_Statement() {
	build := &Build{Boxfile: "Boxfile", BoxfileDigest: v1.Hash{Algorithm: "sha256", Hex: "b0"}, Compression: "zstd", Version: "1.0"}
	statement, err := build.Statement(v1.Hash{Algorithm: "sha256", Hex: "a0"})
	if err != nil {
		panic(err)
	}
	text, err := statement.Encode()
	if err != nil {
		panic(err)
	}
	fmt.Println(strings.NewReplacer(`,"predicate`, ",\n\"predicate", `,"runDetails`, ",\n\"runDetails", `,"internal`, ",\n\"internal").Replace(string(text)))
	// Output:
	// {"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"a0"}}],
	// "predicateType":"https://slsa.dev/provenance/v1",
	// "predicate":{"buildDefinition":{"buildType":"https://boxer.dev/build/boxfile/v1","externalParameters":{"boxfile":{"name":"Boxfile","digest":{"sha256":"b0"}}},
	// "internalParameters":{"compression":"zstd"}},
	// "runDetails":{"builder":{"id":"https://boxer.dev/boxer","version":{"boxer":"1.0"}},"metadata":{"boxer_reproducible":true}}}}
}

func TestThereAndBack(t *testing.T) {
	build := &Build{
		Boxfile: "Boxfile", BoxfileDigest: digest("1"), Context: digest("2"), Wheels: digest("3"),
		Contexts: []Input{{Name: "more"}}, Bases: []Input{{"python:3.13", digest("4")}, {"root", digest("5")}},
		Args: map[string]string{"V": "1"}, Target: "app", Secrets: []string{"token"}, Labels: map[string]string{"l": "1"},
		Annotations: map[string]string{"a": "1"}, Compression: "gzip", Version: "1.0",
	}
	statement, err := build.Statement(digest("a"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := statement.Encode()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := intoto.Parse(text)
	if err != nil || !parsed.About(digest("a")) || parsed.About(digest("b")) {
		t.Fatalf("%v %+v", err, parsed)
	}
	back, err := Read(parsed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(build, back); diff != "" {
		t.Error(diff)
	}
}

func TestReproducible(t *testing.T) {
	for name, c := range map[string]struct {
		build Build
		want  bool
	}{
		"nothing":              {Build{}, true},
		"a base":               {Build{Bases: []Input{{"a", digest("1")}}}, true},
		"a base without":       {Build{Bases: []Input{{Name: "a"}}}, false},
		"a context without":    {Build{Contexts: []Input{{Name: "a"}}}, false},
		"what nobody may know": {Build{Secrets: []string{"a"}}, false},
	} {
		if got := c.build.Reproducible(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What others state is told apart from what this package states.
func TestReadOthers(t *testing.T) {
	for name, text := range map[string]string{
		"another predicate": `{"_type":"https://in-toto.io/Statement/v1","subject":[{}],"predicateType":"https://spdx.dev/Document","predicate":{}}`,
		"another builder":   `{"_type":"https://in-toto.io/Statement/v1","subject":[{}],"predicateType":"` + PredicateType + `","predicate":{"buildDefinition":{"buildType":"x"}}}`,
		"no object":         `{"_type":"https://in-toto.io/Statement/v1","subject":[{}],"predicateType":"` + PredicateType + `","predicate":[]}`,
	} {
		statement, err := intoto.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := Read(statement); err == nil {
			t.Errorf("%s: %+v", name, b)
		}
	}
	for name, text := range map[string]string{
		"no JSON": `{`, "no type": `{"subject":[{}],"predicateType":"a"}`, "about nothing": `{"_type":"https://in-toto.io/Statement/v1","predicateType":"a"}`,
		"nothing": `{"_type":"https://in-toto.io/Statement/v1","subject":[{}]}`,
	} {
		if s, err := intoto.Parse([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
