package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/vfs"
)

// capture writes a memory image of the image's program into folder, as a layer has it. The clock stands at the epoch and
// entropy is a fixed stream, so that equal programs give equal images: what initialisation draws is no secret.
func capture(img v1.Image, program, folder, scratch string) (taken *runtime.Capture, err error) {
	store, err := oci.Open(filepath.Join(scratch, "store"))
	if err != nil {
		return nil, err
	}
	root, err := store.Rootfs(img)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	ctx := context.Background()
	engine, err := runtime.New(ctx, runtime.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	box, err := engine.Load(root)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(folder, vfs.Reserved)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(dir, "image"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	taken, err = box.Capture(ctx, &runtime.Cmd{
		Args: []string{program}, Stderr: os.Stderr,
		Now: func() time.Time { return epoch }, Random: rand.NewChaCha8([32]byte{}),
	}, file)
	if err != nil {
		return nil, err
	}
	return taken, os.Rename(file.Name(), filepath.Join(dir, runtime.ImageName(taken.Module)))
}

// addCapture adds a layer with a memory image of the program.
func addCapture(img v1.Image, program, scratch string) (v1.Image, error) {
	folder := filepath.Join(scratch, "capture")
	taken, err := capture(img, program, folder, scratch)
	if err != nil {
		return nil, fmt.Errorf("capturing %s: %w", program, err)
	}
	fmt.Printf("memory image of %s: %d pages, %d bytes of entropy, initialised in %v\n",
		program, taken.Pages, taken.Entropy, taken.Elapsed)
	file := filepath.Join(scratch, "capture.tar.zst")
	if err := writeLayer(file, folder); err != nil {
		return nil, fmt.Errorf("packing the memory image: %w", err)
	}
	return appendLayer(img, file, "memory image of "+program)
}
