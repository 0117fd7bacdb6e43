package sbom

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"strings"
)

// purl is a package's address (package-url specification): pkg:TYPE/NAME@VERSION.
func purl(kind, name, version, qualifiers string) string {
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	text := "pkg:" + kind + "/" + escape(name)
	if version != "" {
		text += "@" + escape(version)
	}
	if qualifiers != "" {
		text += "?" + qualifiers
	}
	return text
}

func (d Distribution) purl() string { return purl("pypi", normalName(d.Name), d.Version, "") }

func (s Source) purl() string { return purl("deb/debian", s.Name, s.Revision, "arch=source") }

// uuid is an identifier made of content: a version 8 UUID (RFC 9562, 5.8), so that the same document has the same.
func uuid(content []byte) string {
	sum := sha256.Sum256(content)
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// upstream is the part of a Debian version that its author gave (deb-version(7)): without epoch and revision.
func upstream(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	if i := strings.LastIndexByte(version, '-'); i > 0 {
		version = version[:i]
	}
	return version
}

// cpe names CPython as lists of vulnerabilities do (CPE 2.3), and nothing else: of the others no more than a guess would be possible.
func (s Source) cpe() string {
	if !strings.HasPrefix(s.Name, "python3") {
		return ""
	}
	return "cpe:2.3:a:python:python:" + upstream(s.Revision) + ":*:*:*:*:*:*:*"
}
