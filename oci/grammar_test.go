package oci

import (
	"regexp"
	"testing"
)

// FuzzGrammar compares the parts of names with the grammar as regular expressions.
func FuzzGrammar(f *testing.F) {
	oracles := []struct {
		what   string
		accept func(string) bool
		want   *regexp.Regexp
	}{
		{"registry", isRegistry, regexp.MustCompile(`^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$`)},
		{"repository", isRepository, regexp.MustCompile(`^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$`)},
		{"tag", isTag, regexp.MustCompile(`^\w[\w.-]{0,127}$`)},
		{"hex", isHex, regexp.MustCompile(`^[0-9a-f]+$`)},
	}
	for _, seed := range []string{
		"", "a", "docker.io", "localhost:5000", "a:", ":1", "[::1]", "[::1]:80", "[]", "[a", "a]", "[::1]x", "[g]", "a..b", "-a", "a-", "a-b.c", "A1.B2:0",
		"a:b", "library/python", "a/", "/a", "a//b", "a__b", "a___b", "a--b", "a._b", "a-_b", "_a", "a_", "a.b_c-d/e", "ä", "a b", "a\n", "1.0", ".1", "v1-_.",
		"0123456789abcdef", "ABCDEF",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, o := range oracles {
			if got, want := o.accept(s), o.want.MatchString(s); got != want {
				t.Errorf("%q as a %s: %v, want %v", s, o.what, got, want)
			}
		}
	})
}
