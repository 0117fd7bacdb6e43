package main

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/pflag"

	"boxer.dev/internal/compiled"
	"boxer.dev/internal/registry"
	"boxer.dev/internal/signature"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

// codeOptions are the flags of `boxer push` about machine code.
type codeOptions struct {
	with bool
	key  string
}

func (o *codeOptions) bind(flags *pflag.FlagSet) {
	flags.BoolVar(&o.with, "with-code", false, "send the machine code of its programs, too, signed by --key")
	flags.StringVar(&o.key, "key", "", "sign with the private key in `FILE`")
}

// codeKey is the key that machine code is signed by; nil if none is sent.
func (a *app) codeKey(o codeOptions) (*signature.PrivateKey, error) {
	switch {
	case o.with && o.key == "":
		return nil, withHint(&usageError{err: errors.New("machine code is sent with a signature only")}, "--key FILE names the key; `boxer keygen` makes one")
	case o.key != "" && !o.with:
		return nil, withHint(&usageError{err: errors.New("--key signs machine code, which --with-code sends")}, "`boxer sign` signs a box")
	case !o.with:
		return nil, nil
	}
	return a.privateKey(o.key)
}

// pushCode sends the machine code of a box's programs, signed.
func (a *app) pushCode(ctx context.Context, client *registry.Client, store *oci.Store, img v1.Image, ref string, key *signature.PrivateKey) error {
	box, err := descriptorOf(img)
	if err != nil {
		return err
	}
	root, err := store.Rootfs(img)
	if err != nil {
		return err
	}
	defer root.Close()
	engine, err := a.engine(ctx, a.compiling, a.warn)
	if err != nil {
		return err
	}
	defer engine.Close()
	codes, err := engine.ExportCode(ctx, root.FS())
	if err != nil {
		return err
	}
	artifact, err := compiled.Pack(key, box, engine.Machine(), codes)
	if err != nil {
		return err
	}
	return client.PushArtifacts(ctx, ref, artifact)
}

// pullCode takes machine code of a box that was just pulled, if the key signed it and it is for this machine and this engine.
// Otherwise programs are compiled when they are first run, as if there were none.
func (a *app) pullCode(ctx context.Context, client *registry.Client, store *oci.Store, ref string, digest v1.Hash, t *trust) error {
	img, err := store.Image(digest.String())
	if err != nil {
		return err
	}
	box, err := descriptorOf(img)
	if err != nil {
		return err
	}
	artifacts, err := client.Artifacts(ctx, ref, box, compiled.Type)
	if err != nil || len(artifacts) == 0 {
		return err
	}
	engine, err := a.engine(ctx, a.compiling, a.warn)
	if err != nil {
		return err
	}
	defer engine.Close()
	for _, artifact := range artifacts {
		codes, err := compiled.Unpack(t.key, digest, engine.Machine(), artifact, engine.HasCode)
		if err == nil {
			err = engine.ImportCode(engine.Machine(), codes...)
		}
		switch {
		case errors.Is(err, compiled.ErrOther):
		case errors.Is(err, signature.ErrSignature):
			a.warn(fmt.Errorf("machine code beside %s is not used: it is not signed by %s", ref, t.file))
		case err != nil:
			a.warn(fmt.Errorf("machine code beside %s is not used: %w", ref, err))
		case len(codes) > 0:
			fmt.Fprintf(a.stderr, "took the machine code of %s: %s\n", ref, size(bytesOf(codes)))
		}
	}
	return nil
}

func bytesOf(codes []runtime.Code) (n int64) {
	for _, code := range codes {
		n += int64(len(code.Data))
	}
	return n
}
