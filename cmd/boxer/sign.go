package main

import (
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/spf13/cobra"

	"boxer.dev/internal/intoto"
	"boxer.dev/internal/signature"
	"boxer.dev/oci"
)

// maxAttachedDocument bounds a document that is attached to a box and read whole, in bytes.
const maxAttachedDocument = 16 << 20

func signCommand(a *app) *cobra.Command {
	var key string
	command := &cobra.Command{
		Use:   "sign --key FILE BOX",
		Short: "Sign a box",
		Long: `Sign a box of the local store, and what is attached to it: the list of what is in it, and how it
was built. Nothing is sent; ` + "`boxer push`" + ` takes signatures along. Signing again changes nothing.

The key is one that ` + "`boxer keygen`" + ` or cosign made; cosign can check the signature.`,
		Example: `  boxer keygen
  boxer sign --key boxer.key ghcr.io/me/app:1
  boxer push ghcr.io/me/app:1`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeStored,
		RunE: func(_ *cobra.Command, args []string) error {
			if key == "" {
				return withHint(&usageError{err: errors.New("there is no key to sign with")}, "--key FILE names one; `boxer keygen` makes one")
			}
			return a.sign(key, args[0])
		},
	}
	command.Flags().StringVar(&key, "key", "", "sign with the private key in `FILE`")
	return command
}

func (a *app) sign(keyFile, ref string) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	img, err := store.Image(ref)
	if errors.Is(err, oci.ErrNotFound) {
		return withHint(err, "only boxes of the local store are signed: `boxer pull` it first")
	}
	if err != nil {
		return err
	}
	subject, err := descriptorOf(img)
	if err != nil {
		return err
	}
	key, err := a.privateKey(keyFile)
	if err != nil {
		return err
	}
	signed, err := signAll(store, key, subject, repositoryOf(ref))
	if err != nil {
		return err
	}
	if err := store.Attach(signed...); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, subject.Digest)
	return err
}

// descriptorOf is how artifacts name an image.
func descriptorOf(img v1.Image) (v1.Descriptor, error) {
	d, err := partial.Descriptor(img)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest}, nil
}

// repositoryOf is the repository of a name as cosign writes it into signatures, empty for what is no name.
func repositoryOf(ref string) string {
	full, err := oci.Normalize(ref)
	if err != nil {
		return ""
	}
	parsed, err := name.ParseReference(full)
	if err != nil {
		return ""
	}
	return parsed.Context().Name()
}

// signAll signs an image, and the documents that are attached to it.
func signAll(store *oci.Store, key *signature.PrivateKey, subject v1.Descriptor, repository string) ([]*oci.Artifact, error) {
	signed, err := key.Sign(subject, repository)
	if err != nil {
		return nil, err
	}
	artifacts, err := store.Artifacts(subject.Digest)
	if err != nil {
		return nil, err
	}
	for _, a := range artifacts {
		statement, err := statementOf(a)
		if err != nil {
			return nil, err
		}
		if statement == nil {
			continue
		}
		sealed, err := key.Attest(subject, statement)
		if err != nil {
			return nil, err
		}
		signed = append(signed, sealed)
	}
	return signed, nil
}

// statementOf is what an artifact that is not signed states: provenance, or what is in the box; else nil.
func statementOf(a *oci.Artifact) (*intoto.Statement, error) {
	if a.Type() == intoto.MediaType {
		raw, err := a.Content(0, maxAttachedDocument)
		if err != nil {
			return nil, err
		}
		statement, err := intoto.Parse(raw)
		if err != nil || !statement.About(a.Subject()) {
			return nil, errors.Join(fmt.Errorf("what is attached to the box, as %s, is not about it", a.Type()), err)
		}
		return statement, nil
	}
	for _, format := range sbomFormats {
		if a.Type() == format.mediaType {
			raw, err := a.Content(0, maxAttachedDocument)
			if err != nil {
				return nil, err
			}
			return intoto.New(a.Subject(), format.predicate, rawJSON(raw))
		}
	}
	return nil, nil
}
