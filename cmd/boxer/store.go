package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/bases"
	"boxer.dev/builder"
	"boxer.dev/internal/volume"
	"boxer.dev/oci"
)

// store opens the images kept under boxer's home.
func (a *app) store() (*oci.Store, error) {
	home, err := homeDir()
	if err != nil {
		return nil, err
	}
	store, err := oci.Open(filepath.Join(home, "images"))
	return store, writableHome(err)
}

// volumes opens the named volumes kept under boxer's home.
func (a *app) volumes() (*volume.Store, error) {
	home, err := homeDir()
	if err != nil {
		return nil, err
	}
	volumes, err := volume.Open(filepath.Join(home, "volumes"))
	return volumes, writableHome(err)
}

// writableHome says what to do about a home that cannot be written to.
func writableHome(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return withHint(err, "set BOXER_HOME to a directory that you can write to")
	}
	return err
}

// fromImages finds what FROM names. The bases that boxer carries are opened where they are needed.
func (a *app) fromImages(store *oci.Store) builder.Images {
	return builder.Images{BuiltIn: builtIn, Store: store}
}

// builtIn opens a base that boxer carries.
func builtIn(base string) (v1.Image, error) {
	layout, err := bases.Layout(bases.Name(base))
	if err != nil {
		return nil, withHint(err, "%s", bases.NotBuiltHint)
	}
	index, err := oci.ReadLayout(layout)
	if err != nil {
		return nil, err
	}
	return index.Find("")
}

// image finds what a command line names: an image of the store, else what FROM would find.
func (a *app) image(ctx context.Context, store *oci.Store, ref string) (v1.Image, error) {
	img, err := store.Image(ref)
	if !errors.Is(err, oci.ErrNotFound) {
		return img, err
	}
	img, _, err = a.fromImages(store).Resolve(ctx, ref)
	return img, err
}
