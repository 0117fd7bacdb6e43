package builder

import (
	"fmt"
	"slices"
	"strings"
)

// Bases that boxer has built in, as Substitution.Base names them.
const (
	PythonBase = "python"
	RootBase   = "root"
)

// Substitution is what stands in for a Linux image that everybody starts from.
type Substitution struct {
	Base string // PythonBase or RootBase
	Note string // one line that says so
}

// rootNames are images that are started from for being a system, with nothing special in it.
var rootNames = []string{"ubuntu", "debian", "alpine", "busybox"}

// BuiltInNames are the shortest names of what boxer has built in.
func BuiltInNames() []string { return append([]string{"python"}, rootNames...) }

// IsBuiltIn tells whether FROM takes a name for what boxer has built in, whatever the tag.
func IsBuiltIn(ref string) bool {
	name, _, _ := strings.Cut(ref, ":")
	return name == "scratch" || name == "python" || slices.Contains(rootNames, name)
}

// debianSuites are those that official images have in their tags, old ones included.
var debianSuites = strings.Fields("stretch buster bullseye bookworm trixie forky duke sid")

// Substitute returns what boxer offers in place of a well-known image. python is the version of its Python base, such as
// "3.13.5". ok is false if ref is none of these images: a full name ("docker.io/library/python"), or one with a digest, always
// means the image itself. The error is about a well-known image in a version that there is not.
func Substitute(ref, python string) (sub Substitution, ok bool, err error) {
	if strings.ContainsAny(ref, "/@") {
		return Substitution{}, false, nil
	}
	name, tag, _ := strings.Cut(ref, ":")
	if slices.Contains(rootNames, name) {
		note := fmt.Sprintf("%s stands for boxer's minimal root: users, CA certificates, time zones; none of its Linux programs", ref)
		return Substitution{Base: RootBase, Note: note}, true, nil
	}
	if name != "python" {
		return Substitution{}, false, nil
	}
	if err := checkPythonTag(ref, tag, python); err != nil {
		return Substitution{}, true, err
	}
	return Substitution{Base: PythonBase, Note: fmt.Sprintf("%s stands for boxer's own Python %s, compiled to WebAssembly", ref, python)}, true, nil
}

// IsPython tells whether ref is one that Substitute needs the Python base's version for.
func IsPython(ref string) bool {
	return ref == "python" || strings.HasPrefix(ref, "python:")
}

// checkPythonTag accepts [VERSION|latest][-VARIANT], as the official image has them.
func checkPythonTag(ref, tag, python string) error {
	version, rest := leadingVersion(tag)
	if version == "" {
		if rest == "latest" || strings.HasPrefix(rest, "latest-") {
			rest = strings.TrimPrefix(rest, "latest")
		} else if rest != "" {
			rest = "-" + rest
		}
	}
	variant, isVariant := strings.CutPrefix(rest, "-")
	if rest != "" && !isVariant || version != "" && python != version && !strings.HasPrefix(python, version+".") {
		return withHint(fmt.Errorf("%s: boxer has no Python of that version", quote(ref)), "%s", supportedPython(python))
	}
	if isVariant && !isPythonVariant(variant) {
		return withHint(fmt.Errorf("%s: boxer has no such variant", quote(ref)), "%s", supportedPython(python))
	}
	return nil
}

// leadingVersion splits off the numbers, joined by dots, that s begins with.
func leadingVersion(s string) (version, rest string) {
	end := 0
	for i := range len(s) {
		if c := s[i]; '0' <= c && c <= '9' {
			end = i + 1
		} else if c != '.' || end != i || i == 0 {
			break
		}
	}
	return s[:end], s[end:]
}

func isPythonVariant(s string) bool {
	if release, ok := strings.CutPrefix(s, "alpine"); ok {
		version, rest := leadingVersion(release)
		return rest == "" && (version == "" || strings.Count(version, ".") == 1)
	}
	if s == "slim" {
		return true
	}
	return slices.Contains(debianSuites, strings.TrimPrefix(s, "slim-"))
}

func supportedPython(python string) string {
	tags := []string{"python", "python:3"}
	parts := strings.Split(python, ".")
	for n := 2; n <= len(parts); n++ {
		tags = append(tags, "python:"+strings.Join(parts[:n], "."))
	}
	return "there is Python " + python + ": " + strings.Join(tags, ", ") + ", each also with -slim, -alpine or a Debian suite"
}
