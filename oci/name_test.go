package oci

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const someHex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestNormalize(t *testing.T) {
	for _, test := range []struct{ ref, full, familiar string }{
		{"python", "docker.io/library/python:latest", "python:latest"},
		{"python:3.13", "docker.io/library/python:3.13", "python:3.13"},
		{"docker.io/python:3.13", "docker.io/library/python:3.13", "python:3.13"},
		{"docker.io/library/python", "docker.io/library/python:latest", "python:latest"},
		{"index.docker.io/library/python", "docker.io/library/python:latest", "python:latest"},
		{"me/app:v1", "docker.io/me/app:v1", "me/app:v1"},
		{"library/app", "docker.io/library/app:latest", "app:latest"},
		{"library/library/app", "docker.io/library/library/app:latest", "library/library/app:latest"},
		{"ghcr.io/me/app", "ghcr.io/me/app:latest", "ghcr.io/me/app:latest"},
		{"localhost/app", "localhost/app:latest", "localhost/app:latest"},
		{"localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"},
		{"app@sha256:" + someHex, "docker.io/library/app@sha256:" + someHex, "app@sha256:" + someHex},
		{"app:v1@sha256:" + someHex, "docker.io/library/app@sha256:" + someHex, "app@sha256:" + someHex},
		{"a__b-c/e.d---f", "docker.io/a__b-c/e.d---f:latest", "a__b-c/e.d---f:latest"},
		{"[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"},
	} {
		full, err := Normalize(test.ref)
		if err != nil || full != test.full {
			t.Errorf("Normalize(%q) = %q, %v; want %q", test.ref, full, err, test.full)
		}
		if got := Familiar(test.ref); got != test.familiar {
			t.Errorf("Familiar(%q) = %q, want %q", test.ref, got, test.familiar)
		}
	}
}

func TestNormalizeRefuses(t *testing.T) {
	for _, ref := range []string{
		"", ":v1", "App", "app:", "app:-v", "app:v 1", "../app", "a/../b", "a//b", "/app", "app/", "-app", "a..b", "app:" + strings.Repeat("x", 129),
		someHex, "app@sha256:12", "app@", "app\n", "app\x1b[31m", "http://example.com/app", "a/b:c/d:e:f", "a_b.c/d",
	} {
		if full, err := Normalize(ref); err == nil {
			t.Errorf("Normalize(%q) = %q, want an error", ref, full)
		}
	}
}

// An error says what is asked for, in words of the command line.
func TestNormalizeExplains(t *testing.T) {
	for ref, want := range map[string]string{
		"App":     "in lower case",
		"a:b:c":   "[REGISTRY/]NAME[:TAG]",
		"Foo Bar": "in lower case",
	} {
		if _, err := Normalize(ref); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Normalize(%q): %v, want %q", ref, err, want)
		}
	}
}

func FuzzNormalize(f *testing.F) {
	f.Add("docker.io/library/python:3.13")
	f.Add("a/b@sha256:" + someHex)
	f.Fuzz(func(t *testing.T, ref string) {
		full, err := Normalize(ref)
		if err != nil {
			return
		}
		if again, err := Normalize(full); err != nil || again != full {
			t.Errorf("Normalize(%q) = %q, whose Normalize is %q, %v", ref, full, again, err)
		}
		if again, err := Normalize(Familiar(full)); err != nil || again != full {
			t.Errorf("Familiar(%q) = %q, whose Normalize is %q, %v", full, Familiar(full), again, err)
		}
	})
}

func TestParseLayoutRef(t *testing.T) {
	digest := v1.Hash{Algorithm: "sha256", Hex: someHex}
	for _, test := range []struct {
		ref  string
		want LayoutRef
	}{
		{"oci-layout:dir", LayoutRef{Path: "dir"}},
		{"oci-layout:./dir:v1", LayoutRef{Path: "./dir", Tag: "v1"}},
		{"oci-layout:///srv/dir:v1", LayoutRef{Path: "/srv/dir", Tag: "v1"}},
		{"oci-layout:///srv/a:b/dir", LayoutRef{Path: "/srv/a:b/dir"}},
		{`oci-layout:C:\boxes\app:v1`, LayoutRef{Path: `C:\boxes\app`, Tag: "v1"}},
		{`oci-layout:C:\boxes\app`, LayoutRef{Path: `C:\boxes\app`}},
		{"oci-layout:/srv/dir@sha256:" + someHex, LayoutRef{Path: "/srv/dir", Digest: digest}},
		{"oci-layout:/srv/dir:v1@sha256:" + someHex, LayoutRef{Path: "/srv/dir", Tag: "v1", Digest: digest}},
	} {
		got, ok, err := ParseLayoutRef(test.ref)
		if err != nil || !ok || got != test.want {
			t.Errorf("ParseLayoutRef(%q) = %+v, %v, %v; want %+v", test.ref, got, ok, err, test.want)
		}
	}
	if _, ok, err := ParseLayoutRef("python:3.13"); ok || err != nil {
		t.Errorf("an ordinary name was taken for a layout: %v, %v", ok, err)
	}
	for _, ref := range []string{"oci-layout:", "oci-layout://", "oci-layout:dir@sha256:12", "oci-layout:dir@"} {
		if got, ok, err := ParseLayoutRef(ref); !ok || err == nil {
			t.Errorf("ParseLayoutRef(%q) = %+v, %v, %v; want an error", ref, got, ok, err)
		}
	}
}

func TestSplitName(t *testing.T) {
	for _, test := range []struct{ name, repository, tag string }{
		{"python:3.13", "python", "3.13"},
		{"localhost:5000/app:v1", "localhost:5000/app", "v1"},
		{"localhost:5000/app", "localhost:5000/app", ""},
		{"app@sha256:12", "app", "sha256:12"},
	} {
		if repository, tag := SplitName(test.name); repository != test.repository || tag != test.tag {
			t.Errorf("SplitName(%q) = %q, %q", test.name, repository, tag)
		}
	}
}
