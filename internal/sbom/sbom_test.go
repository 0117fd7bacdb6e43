package sbom

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	spdxjson "github.com/spdx/tools-golang/json"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

const requests = `Metadata-Version: 2.1
Name: Requests_Toolbelt
Version: 1.0.0
Summary: A toolbelt
   for requests
Home-page: https://example.org/requests
License: Apache 2.0
Classifier: License :: OSI Approved :: Apache Software License

Name: not a field
`

// box is what a box has, as far as it matters here.
var box = fstest.MapFS{
	"usr/lib/python3/site-packages/requests_toolbelt-1.0.0.dist-info/METADATA": {Data: []byte(requests)},
	"usr/lib/python3/site-packages/odd.egg-info/PKG-INFO":                      {Data: []byte("Name: odd\nVersion: 1+local\nLicense: Ask me\n  first\n")},
	"usr/lib/python3/site-packages/empty.dist-info/METADATA":                   {Data: nil},
	"usr/bin/python3": {Data: []byte("\x00asm\x01\x00\x00\x00")},
	"usr/bin/short":   {Data: []byte("\x00as")},
	"etc/METADATA":    {Data: []byte("Name: no package\n")},
}

func inventory(t testing.TB, fsys fstest.MapFS) *Inventory {
	t.Helper()
	return must(Collect(v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}, &v1.ConfigFile{
		Created: v1.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))},
		Config: v1.Config{Labels: map[string]string{
			"dev.boxer.revision.python3.13": "3.13.5-2+deb13u5", "dev.boxer.revision.zlib": "1:1.3.dfsg+really1.3.1-1",
			"dev.boxer.revision.clang-19": "1:19.1.7-3", "title": "x",
		}},
	}, fsys))
}

func TestCollect(t *testing.T) {
	want := &Inventory{
		Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}, Created: time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC),
		Sources: []Source{{"clang-19", "1:19.1.7-3", true}, {"python3.13", "3.13.5-2+deb13u5", false}, {"zlib", "1:1.3.dfsg+really1.3.1-1", false}},
		Distributions: []Distribution{
			{Name: "odd", Version: "1+local", LicenseText: "Ask me", Path: "/usr/lib/python3/site-packages/odd.egg-info/PKG-INFO"},
			{
				Name: "Requests_Toolbelt", Version: "1.0.0", Summary: "A toolbelt", HomePage: "https://example.org/requests", License: "Apache-2.0",
				Path: "/usr/lib/python3/site-packages/requests_toolbelt-1.0.0.dist-info/METADATA",
			},
		},
		// printf '\0asm\1\0\0\0' | sha256sum
		Programs: []Program{{"/usr/bin/python3", "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476", 8}},
	}
	if diff := cmp.Diff(want, inventory(t, box)); diff != "" {
		t.Error(diff)
	}
}

func TestLicense(t *testing.T) {
	for _, c := range []struct {
		stated, words string
		classifiers   []string
		spdx, text    string
	}{
		{stated: "MIT OR (Apache-2.0 AND BSD-3-Clause)", words: "other", spdx: "MIT OR (Apache-2.0 AND BSD-3-Clause)"},
		{stated: "MIT; rm -rf /", words: "The MIT License", spdx: "MIT"},
		{words: "BSD", text: "BSD"}, // there are several
		{classifiers: []string{"Topic :: X", "License :: OSI Approved :: MIT License"}, spdx: "MIT"},
		{classifiers: []string{"License :: OSI Approved :: MIT License", "License :: OSI Approved :: BSD License"}, text: "MIT License; BSD License"},
		{classifiers: []string{"License :: Public Domain"}, text: "Public Domain"},
		{},
	} {
		if spdx, text := license(c.stated, c.words, c.classifiers); spdx != c.spdx || text != c.text {
			t.Errorf("%q %q %q: %q %q", c.stated, c.words, c.classifiers, spdx, text)
		}
	}
}

// The library's own reader understands what was written, and finds everything in it.
func TestSPDX(t *testing.T) {
	text := must(inventory(t, box).SPDX("boxer-1"))
	if again := must(inventory(t, box).SPDX("boxer-1")); !bytes.Equal(text, again) {
		t.Error("the same box gives another document")
	}
	var d spdx.Document
	if err := spdxjson.ReadInto(bytes.NewReader(text), &d); err != nil {
		t.Fatal(err)
	}
	var addresses []string
	ids := map[string]bool{}
	for _, p := range d.Packages {
		if ids[string(p.PackageSPDXIdentifier)] {
			t.Errorf("%s comes twice", p.PackageSPDXIdentifier)
		}
		ids[string(p.PackageSPDXIdentifier)] = true
		for _, r := range p.PackageExternalReferences {
			addresses = append(addresses, r.Locator)
		}
	}
	want := []string{
		"pkg:deb/debian/clang-19@1%3A19.1.7-3?arch=source",
		"pkg:deb/debian/python3.13@3.13.5-2%2Bdeb13u5?arch=source", "cpe:2.3:a:python:python:3.13.5:*:*:*:*:*:*:*",
		"pkg:deb/debian/zlib@1%3A1.3.dfsg%2Breally1.3.1-1?arch=source",
		"pkg:pypi/odd@1%2Blocal", "pkg:pypi/requests-toolbelt@1.0.0",
	}
	if diff := cmp.Diff(want, addresses); diff != "" {
		t.Error(diff)
	}
	for _, r := range d.Relationships {
		for _, end := range []string{string(r.RefA.ElementRefID), string(r.RefB.ElementRefID)} {
			if end != "DOCUMENT" && !ids[end] {
				t.Errorf("a relationship has an unknown end %q", end)
			}
		}
	}
	if d.CreationInfo.Created != "2026-01-02T02:04:05Z" || !strings.HasPrefix(d.DocumentNamespace, "https://boxer.dev/spdx/") {
		t.Errorf("created %s, namespace %s", d.CreationInfo.Created, d.DocumentNamespace)
	}
}

func TestCycloneDX(t *testing.T) {
	text := must(inventory(t, box).CycloneDX("boxer-1"))
	if again := must(inventory(t, box).CycloneDX("boxer-1")); !bytes.Equal(text, again) {
		t.Error("the same box gives another document")
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := cdx.NewBOMEncoder(&again, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(&bom, cdx.SpecVersion1_6); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(again.String(), string(text)); diff != "" {
		t.Errorf("the library writes something else (-library +ours):\n%s", diff)
	}
	if bom.SpecVersion != cdx.SpecVersion1_6 || !strings.HasPrefix(bom.SerialNumber, "urn:uuid:") {
		t.Errorf("version %s, serial number %s", bom.SpecVersion, bom.SerialNumber)
	}
	var names, refs []string
	for _, c := range *bom.Components {
		names = append(names, c.Name+" "+c.Version)
		if c.Scope != cdx.ScopeExcluded {
			refs = append(refs, c.BOMRef)
		}
	}
	want := []string{"clang-19 1:19.1.7-3", "python3.13 3.13.5-2+deb13u5", "zlib 1:1.3.dfsg+really1.3.1-1", "odd 1+local", "Requests_Toolbelt 1.0.0", "/usr/bin/python3 "}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if got := (*bom.Dependencies)[0].Dependencies; !slices.Equal(*got, refs) {
		t.Errorf("the box consists of %q", *got)
	}
}

// Metadata is written by whoever made the package: none of it makes a document that is none, or one without end.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(requests))
	f.Add([]byte("Name: \x1b[31m\xff\nLicense-Expression: MIT AND\nHome-page: javascript:alert(1)\n continued"))
	f.Fuzz(func(t *testing.T, metadata []byte) {
		i := inventory(t, fstest.MapFS{"a.dist-info/METADATA": {Data: metadata}})
		for _, encode := range []func(string) ([]byte, error){i.SPDX, i.CycloneDX} {
			text, err := encode("boxer-1")
			if err != nil || !json.Valid(text) || len(text) > 64<<10 {
				t.Fatalf("%d bytes, %v", len(text), err)
			}
		}
		var d spdx.Document
		if err := spdxjson.ReadInto(bytes.NewReader(must(i.SPDX("boxer-1"))), &d); err != nil {
			t.Fatal(err)
		}
	})
}

// A package with a description without end is read as far as its fields go.
func TestEndlessMetadata(t *testing.T) {
	for _, data := range []string{"Name: a\nVersion: 1\n\n" + strings.Repeat("x", 1<<20), "Name: a\nVersion: 1\nSummary: " + strings.Repeat("x", 1<<20)} {
		i := inventory(t, fstest.MapFS{"a.dist-info/METADATA": {Data: []byte(data)}})
		if len(i.Distributions) != 1 || i.Distributions[0].Version != "1" || len(i.Distributions[0].Summary) > maxField {
			t.Errorf("%.100v", i.Distributions)
		}
	}
}

func BenchmarkCollect(b *testing.B) {
	for b.Loop() {
		inventory(b, box)
	}
}
