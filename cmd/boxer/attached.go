package main

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/compiled"
	"boxer.dev/internal/registry"
	"boxer.dev/oci"
)

// pushAttached sends what is attached to a box, before the box itself, so that nobody sees it without.
func pushAttached(ctx context.Context, client *registry.Client, store *oci.Store, img v1.Image, ref string) error {
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	artifacts, err := store.Artifacts(digest)
	if err != nil || len(artifacts) == 0 {
		return err
	}
	if err := client.PushArtifacts(ctx, ref, artifacts...); err != nil {
		return withHint(err, "--referrers=false pushes the box without what is attached to it")
	}
	return nil
}

// pullAttached brings what a registry has about a box that was just pulled, but for machine code.
func pullAttached(ctx context.Context, client *registry.Client, store *oci.Store, ref string, digest v1.Hash) error {
	img, err := store.Image(digest.String())
	if err != nil {
		return err
	}
	subject, err := descriptorOf(img)
	if err != nil {
		return err
	}
	return client.PullArtifacts(ctx, store, ref, subject, compiled.Type)
}
