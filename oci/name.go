package oci

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	defaultRegistry = "docker.io"
	officialPrefix  = defaultRegistry + "/library/"
	latestSuffix    = ":latest"
)

// Normalize returns the full form of an image's name, as docker has it: "python" is "docker.io/library/python:latest".
// A name with a digest keeps it and loses its tag: the digest alone decides.
func Normalize(ref string) (string, error) {
	if len(ref) == 64 && isHex(ref) {
		return "", fmt.Errorf("invalid image name %q: 64 hexadecimal digits are taken for a digest", ref)
	}
	parsed, err := name.ParseReference(ref, name.WithDefaultTag("latest"))
	if err != nil {
		return "", fmt.Errorf("invalid image name %q: it takes [REGISTRY/]NAME[:TAG], the name in lower case", ref)
	}
	repository := parsed.Context()
	if !isRepository(repository.RepositoryStr()) {
		return "", fmt.Errorf("invalid image name %q: a repository is lower-case words joined by single separators", ref)
	}
	registry := repository.RegistryStr()
	if !isRegistry(registry) {
		return "", fmt.Errorf("invalid image name %q: bad registry %q", ref, registry)
	}
	if registry == name.DefaultRegistry {
		registry = defaultRegistry
	}
	full := registry + "/" + repository.RepositoryStr()
	if _, ok := parsed.(name.Digest); ok {
		return full + "@" + parsed.Identifier(), nil
	}
	if !isTag(parsed.Identifier()) {
		return "", fmt.Errorf("invalid image name %q: bad tag %q", ref, parsed.Identifier())
	}
	return full + ":" + parsed.Identifier(), nil
}

// Familiar returns the shortest name that Normalize turns back into ref, but with its tag, as docker shows names.
func Familiar(ref string) string {
	full, err := Normalize(ref)
	if err != nil {
		return ref
	}
	short := strings.TrimPrefix(full, defaultRegistry+"/")
	if rest, ok := strings.CutPrefix(full, officialPrefix); ok && !strings.Contains(rest, "/") {
		short = rest
	}
	if again, err := Normalize(short); err != nil || again != full {
		return full
	}
	return short
}

// Taggable is Normalize for names that an image is to be stored under: those without a digest.
func Taggable(ref string) (string, error) {
	full, err := Normalize(ref)
	if err != nil {
		return "", err
	}
	if strings.Contains(full, "@") {
		return "", fmt.Errorf("invalid image name %q: a digest cannot be given to an image", ref)
	}
	return full, nil
}

// SplitName splits a normalized or familiar name into repository and tag (or digest).
func SplitName(ref string) (repository, tag string) {
	if repository, digest, ok := strings.Cut(ref, "@"); ok {
		return repository, digest
	}
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i], ref[i+1:]
	}
	return ref, ""
}

// digestQuery understands "sha256:HEX" and "HEX", whole or abbreviated, as a prefix of digests. bare says that the prefix
// could also be a name.
func digestQuery(ref string) (prefix string, bare, ok bool) {
	hex, explicit := strings.CutPrefix(ref, "sha256:")
	if len(hex) > 64 || !isHex(hex) || (!explicit && len(hex) < 4) {
		return "", false, false
	}
	return hex, !explicit && len(hex) < 64, true
}

// LayoutRef names an image in an OCI layout on the host: Path[:Tag] or Path[@Digest].
type LayoutRef struct {
	Path   string
	Tag    string  // empty: any
	Digest v1.Hash // zero: any
}

// ParseLayoutRef reads references such as "oci-layout:///srv/app:v1" and "oci-layout:app@sha256:…". ok is false if ref has no
// oci-layout: prefix.
func ParseLayoutRef(ref string) (l LayoutRef, ok bool, err error) {
	rest, ok := strings.CutPrefix(ref, "oci-layout:")
	if !ok {
		return LayoutRef{}, false, nil
	}
	l.Path = strings.TrimPrefix(rest, "//")
	if dir, digest, found := strings.Cut(l.Path, "@"); found {
		l.Path = dir
		if l.Digest, err = v1.NewHash(digest); err != nil {
			return LayoutRef{}, true, fmt.Errorf("invalid reference %q: %w", ref, err)
		}
	}
	// What follows the colon of a Windows drive has a separator.
	if i := strings.LastIndexByte(l.Path, ':'); i > 0 && !strings.ContainsAny(l.Path[i:], `/\`) {
		l.Path, l.Tag = l.Path[:i], l.Path[i+1:]
	}
	if l.Path == "" {
		return LayoutRef{}, true, fmt.Errorf("invalid reference %q: no path", ref)
	}
	return l, true, nil
}
