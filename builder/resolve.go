package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
)

// Images finds what FROM and `boxer run` name. Its Resolve is an Options.Resolve.
type Images struct {
	// BuiltIn returns PythonBase or RootBase.
	BuiltIn func(base string) (v1.Image, error)
	// Store is where all other names are looked up; nil: there are none.
	Store *oci.Store
	// Pull brings what Store lacks into it from its registry, and tells so in a line; nil: nothing is brought.
	Pull func(ctx context.Context, ref string) (note string, err error)
	// PullAlways asks Pull for what Store has, too: there may be a newer one.
	PullAlways bool
}

// Resolve returns the image that ref stands for:
//
//   - an image in an OCI layout on the host: "oci-layout:PATH[:TAG]", relative to the working directory;
//   - a built-in base for the well-known images of Substitute, and a line that says so;
//   - else an image of the store, where Pull may bring it.
func (i Images) Resolve(ctx context.Context, ref string) (v1.Image, string, error) {
	if layout, ok, err := oci.ParseLayoutRef(ref); ok {
		if err != nil {
			return nil, "", err
		}
		img, err := oci.OpenLayoutRef(layout)
		return img, "", err
	}
	img, note, ok, err := i.substitute(ref)
	if ok || err != nil {
		return img, note, err
	}
	full, err := oci.Normalize(ref)
	if err != nil {
		return nil, "", err
	}
	if i.Store == nil {
		return nil, "", i.notFound(ref, full, nil)
	}
	if !i.PullAlways || i.Pull == nil {
		img, err := i.Store.Image(ref)
		if !errors.Is(err, oci.ErrNotFound) {
			return img, "", err
		}
	}
	if i.Pull == nil {
		return nil, "", i.notFound(ref, full, nil)
	}
	if note, err = i.Pull(ctx, ref); err != nil {
		return nil, "", i.notFound(ref, full, err)
	}
	img, err = i.Store.Image(ref)
	return img, note, err
}

func (i Images) substitute(ref string) (v1.Image, string, bool, error) {
	var version string
	var python v1.Image
	if IsPython(ref) {
		var err error
		if python, err = i.BuiltIn(PythonBase); err != nil {
			return nil, "", true, err
		}
		if version, err = PythonVersion(python); err != nil {
			return nil, "", true, err
		}
	}
	sub, ok, err := Substitute(ref, version)
	if err != nil || !ok {
		return nil, "", ok, err
	}
	if sub.Base == PythonBase {
		return python, sub.Note, true, nil
	}
	img, err := i.BuiltIn(sub.Base)
	return img, sub.Note, true, err
}

// PythonVersion is the version of Python in a base, which it tells in PYTHON_VERSION as the official image does.
func PythonVersion(img v1.Image) (string, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return "", fmt.Errorf("reading the Python base: %w", err)
	}
	version, ok := environment(file.Config.Env).Get("PYTHON_VERSION")
	if !ok || version == "" {
		return "", errors.New("reading the Python base: it does not tell its version")
	}
	return version, nil
}

// notFound says what could not be had. What a registry answered, if one was asked, explains itself when the name says which.
func (i Images) notFound(ref, full string, pulling error) error {
	familiar := oci.Familiar(full)
	if pulling != nil && (familiar == full || strings.Contains(familiar, "/")) {
		return pulling
	}
	missing := fmt.Errorf("%w: %s", oci.ErrNotFound, quote(ref))
	if pulling != nil {
		missing = fmt.Errorf("%w: %s is not in the local store, and %w", oci.ErrNotFound, quote(ref), pulling)
	}
	if name, _ := oci.SplitName(familiar); name == "python" || slices.Contains(rootNames, name) {
		return withHint(missing, "a full name means the image itself, in the local store or a registry; the short name, %s, means what boxer offers in its place", name)
	}
	return withHint(missing, "boxer has python, ubuntu, debian, alpine, busybox and scratch built in; all else is in the local store (`boxer images`) or in a registry, under its full name: build it, `boxer load` it, or name the registry")
}
