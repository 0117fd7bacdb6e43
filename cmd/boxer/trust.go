package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/builder"
	"boxer.dev/internal/registry"
	"boxer.dev/internal/signature"
	"boxer.dev/oci"
)

// trust is the key of those whose boxes are used: --verify-key.
type trust struct {
	file string
	key  *signature.PublicKey
	// found are signatures of what was admitted, by the digest of what they are about.
	found map[v1.Hash][]*oci.Artifact
}

// newTrust reads the key; none is nil, which admits everything.
func newTrust(file string) (*trust, error) {
	if file == "" {
		return nil, nil
	}
	key, err := publicKey(file)
	if err != nil {
		return nil, fmt.Errorf("--verify-key: %w", err)
	}
	return &trust{file: file, key: key, found: map[v1.Hash][]*oci.Artifact{}}, nil
}

// refusal is a box that is not signed as it has to be. Exit status 2 tells it from other failures, but for `boxer run`, where it
// is 125.
func (t *trust) refusal(err error, what string) error {
	if !errors.Is(err, signature.ErrUnsigned) && !errors.Is(err, signature.ErrSignature) {
		return err
	}
	err = fmt.Errorf("%s is refused: %w (%s)", what, err, t.file)
	if errors.Is(err, signature.ErrUnsigned) {
		return withHint(err, "whoever has the private key can sign it: `boxer sign`, then `boxer push`, which takes the signature along")
	}
	return withHint(err, "whoever gave you the box has to give you their public key, too")
}

// admit is a registry.Options.Admit: the image, or an index that leads to it, must be signed.
func (t *trust) admit(ctx context.Context, c *registry.Candidate) error {
	var last error
	for i := range c.Documents {
		document := c.Documents[len(c.Documents)-1-i]
		artifacts, err := c.Artifacts(ctx, document, signature.Types...)
		if err != nil {
			return err
		}
		if _, err := t.key.Check(document.Digest, artifacts); err == nil {
			t.found[document.Digest] = artifacts
			return nil
		} else if last == nil || errors.Is(err, signature.ErrSignature) {
			last = err
		}
	}
	return t.refusal(last, "the image")
}

// keep attaches the signatures by which an image was admitted, so that it can be run without its registry.
func (t *trust) keep(store *oci.Store, digest v1.Hash) error {
	if t == nil {
		return nil
	}
	return store.Attach(t.found[digest]...)
}

// check wants an image of the store to be signed: as is known there, else as its registry knows.
func (t *trust) check(ctx context.Context, client *registry.Client, store *oci.Store, img v1.Image, ref string) error {
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	artifacts, err := store.Artifacts(digest, signature.Types...)
	if err != nil {
		return err
	}
	_, err = t.key.Check(digest, artifacts)
	if err == nil || !namesRegistry(ref) {
		return t.refusal(err, ref)
	}
	found, findErr := client.Find(ctx, ref)
	if findErr != nil {
		return withHint(t.refusal(err, ref), "its registry could not be asked for signatures: %v", findErr)
	}
	if found.Image().Digest != digest {
		return withHint(t.refusal(err, ref), "its registry has another one under this name: `boxer pull --verify-key %s %s` brings it", t.file, ref)
	}
	if err := t.admit(ctx, found); err != nil {
		return fmt.Errorf("%s: %w", ref, err)
	}
	return t.keep(store, digest)
}

// namesRegistry tells whether a name says where it is from; what is called just app may be anything of docker.io.
func namesRegistry(ref string) bool {
	host, _, ok := strings.Cut(ref, "/")
	return ok && (strings.ContainsAny(host, ".:") || host == "localhost")
}

// errCarried says why the bases that boxer has cannot be checked.
var errCarried = errors.New("it is part of boxer, and as good as your boxer: there is no signature of it")

// trusted finds what a command line names, and wants it to be signed.
func (a *app) trusted(ctx context.Context, store *oci.Store, ref string, pull pullOptions, t *trust) (v1.Image, error) {
	client := a.client(remoteOptions{insecure: pull.insecure, trust: t}, &registry.Stats{})
	img, err := store.Image(ref)
	switch {
	case err == nil && pull.policy != pullAlways:
		return img, t.check(ctx, client, store, img, ref)
	case err != nil && !errors.Is(err, oci.ErrNotFound):
		return nil, err
	case builder.IsBuiltIn(ref) && !strings.Contains(ref, "/"):
		return nil, withHint(fmt.Errorf("%s: %w", ref, errCarried), "leave --verify-key out")
	case pull.policy == pullNever:
		return nil, err
	}
	digest, err := client.Pull(ctx, store, ref)
	if err != nil {
		return nil, err
	}
	if err := t.keep(store, digest); err != nil {
		return nil, err
	}
	return store.Image(digest.String())
}
