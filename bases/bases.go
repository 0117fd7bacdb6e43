// Package bases carries the images that boxer has built in: the Python base and the minimal root.
//
// They are OCI image layouts (https://github.com/opencontainers/image-spec/blob/main/image-layout.md) made from source by
// bases/build.sh and embedded when boxer is compiled. A tree in which they have not been built compiles too; it then
// answers ErrNotBuilt.
package bases

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

// A Name is a base's folder.
type Name string

const (
	// Python is CPython with its standard library and pip, on top of Root: python:3.13.
	Python Name = "python"
	// Root is what programs expect of any system: users, CA certificates, time zones, /tmp.
	Root Name = "root"
)

// Names are all bases, in the order in which they build on each other.
var Names = []Name{Root, Python}

// ErrNotBuilt is reported for a base that was not there when boxer was compiled.
var ErrNotBuilt = errors.New("the base has not been built")

// NotBuiltHint says what to do about ErrNotBuilt.
const NotBuiltHint = "run: make base, then compile again"

//go:embed all:python/layout all:root/layout
var layouts embed.FS

// Layout returns a base's OCI image layout: oci-layout, index.json with one image, blobs/sha256. The error is ErrNotBuilt
// where there is only the placeholder that keeps the folder in version control.
func Layout(name Name) (fs.FS, error) {
	layout, err := fs.Sub(layouts, string(name)+"/layout")
	if err != nil {
		return nil, fmt.Errorf("opening base %s: %w", name, err)
	}
	if _, err := fs.Stat(layout, "index.json"); err != nil {
		return nil, fmt.Errorf("opening base %s: %w", name, ErrNotBuilt)
	}
	return layout, nil
}
