package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"boxer.dev/builder"
	"boxer.dev/internal/registry"
	"boxer.dev/oci"
)

func pushCommand(a *app) *cobra.Command {
	var o remoteOptions
	var all bool
	var code codeOptions
	var as string
	command := &cobra.Command{
		Use:   "push [OPTIONS] NAME[:TAG]",
		Short: "Send a box to a registry",
		Long: `Send a box of the local store to the registry that its name says.

Layers that the registry has are not sent again; those that were seen in another repository of it
are taken over there. What breaks off goes on where it stopped. What is attached to the box (its
signatures, what is in it, how it was built) goes with it. Printed is the box's name by digest.

With --as wasm, one WebAssembly module of the box is sent, as a Wasm OCI artifact for other
runtimes.`,
		Example: `  boxer tag app ghcr.io/me/app:1
  boxer push ghcr.io/me/app:1
  boxer push --as wasm ghcr.io/me/app:1-wasm`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeStored,
		RunE: func(command *cobra.Command, args []string) (err error) {
			if o.codeKey, err = a.codeKey(code); err != nil {
				return err
			}
			switch {
			case as == asWasm && all:
				return &usageError{err: errors.New("--as wasm is for one box at a time")}
			case as == asWasm:
				return a.pushModule(command.Context(), o, args[0])
			case as != asBox:
				return &usageError{err: fmt.Errorf("unknown --as %q: box or wasm", as)}
			case all:
				return a.pushAll(command.Context(), o, args[0])
			}
			return a.push(command.Context(), o, args[0])
		},
	}
	o.bind(command.Flags())
	o.bindReferrers(command.Flags())
	code.bind(command.Flags())
	command.Flags().StringVar(&as, "as", asBox, "what is sent: `box|wasm`")
	command.RegisterFlagCompletionFunc("as", cobra.FixedCompletions([]string{asBox, asWasm}, cobra.ShellCompDirectiveNoFileComp))
	command.Flags().BoolVarP(&all, "all-tags", "a", false, "push every tag that NAME has in the local store")
	return command
}

// pushAll pushes every tag of a repository. One that fails does not keep the others.
func (a *app) pushAll(ctx context.Context, o remoteOptions, repository string) error {
	if _, tag := oci.SplitName(repository); tag != "" {
		return &usageError{err: fmt.Errorf("--all-tags: %s has the tag %s; name the box without one", repository, tag)}
	}
	if err := taggable(repository); err != nil {
		return err
	}
	full, err := oci.Normalize(repository)
	if err != nil {
		return err
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	stored, err := store.List()
	if err != nil {
		return err
	}
	var failures []error
	wanted, _ := oci.SplitName(full)
	for _, s := range stored {
		if name, _ := oci.SplitName(s.Name); name == wanted {
			failures = append(failures, a.push(ctx, o, oci.Familiar(s.Name)))
		}
	}
	if len(failures) == 0 {
		return withHint(fmt.Errorf("%w: %s has no tags", oci.ErrNotFound, repository), "`boxer tag BOX %s:TAG` gives a box this name", repository)
	}
	return errors.Join(failures...)
}

// stored finds what is to be pushed.
func (a *app) stored(ref string) (*oci.Store, v1.Image, error) {
	if err := taggable(ref); err != nil {
		return nil, nil, err
	}
	store, err := a.store()
	if err != nil {
		return nil, nil, err
	}
	img, err := store.Image(ref)
	if errors.Is(err, oci.ErrNotFound) {
		err = withHint(err, "`boxer tag BOX %s` gives a box this name; `boxer images` lists boxes", ref)
	}
	return store, img, err
}

func (a *app) push(ctx context.Context, o remoteOptions, ref string) error {
	store, img, err := a.stored(ref)
	if err != nil {
		return err
	}
	digest, err := a.transfer(o, "pushing", "pushed", ref, func(client *registry.Client) (v1.Hash, error) {
		if o.referrers {
			if err := pushAttached(ctx, client, store, img, ref); err != nil {
				return v1.Hash{}, err
			}
		}
		if o.codeKey != nil {
			if err := a.pushCode(ctx, client, store, img, ref, o.codeKey); err != nil {
				return v1.Hash{}, err
			}
		}
		return client.Push(ctx, store, img, ref)
	})
	if err != nil {
		return err
	}
	return a.printByDigest(ref, digest)
}

// printByDigest prints the name that will always mean this box.
func (a *app) printByDigest(ref string, digest v1.Hash) error {
	full, err := oci.Normalize(ref)
	if err != nil {
		return err
	}
	repository, _ := oci.SplitName(oci.Familiar(full))
	_, err = fmt.Fprintf(a.stdout, "%s@%s\n", repository, digest)
	return err
}

func pullCommand(a *app) *cobra.Command {
	var o remoteOptions
	var verifyKey string
	command := &cobra.Command{
		Use:   "pull [OPTIONS] NAME[:TAG|@DIGEST] [NAME...]",
		Short: "Bring boxes from a registry into the local store",
		Long: `Bring boxes from registries into the local store. Layers that the store has, or that boxer
carries, are not transferred; what a pull that broke off has got is used by the next one. What is
attached to a box (its signatures, what is in it, how it was built) comes with it. Printed is each
box's name by digest.`,
		Example: `  boxer pull ghcr.io/me/app:1
  boxer pull --insecure registry.lan:5000/app`,
		Args:              arguments(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeStored,
		RunE: func(command *cobra.Command, args []string) error {
			var err error
			if o.trust, err = newTrust(verifyKey); err != nil {
				return err
			}
			for _, ref := range args {
				if err := a.pull(command.Context(), o, ref); err != nil {
					return err
				}
			}
			return nil
		},
	}
	o.bind(command.Flags())
	o.bindReferrers(command.Flags())
	command.Flags().StringVar(&verifyKey, "verify-key", "", "pull boxes only if they are signed by the public key in `FILE`")
	refuseFlags(command, []refusedFlag{{"all-tags", "a", "name the tags"}, {"disable-content-trust", "", "what is pulled is checked by its digest; leave it out"}},
		[]refusedFlag{{"platform", "", onePlatform}})
	return command
}

func (a *app) pull(ctx context.Context, o remoteOptions, ref string) error {
	if builder.IsBuiltIn(ref) && !strings.Contains(ref, "/") {
		fmt.Fprintf(a.stderr, "%s is built in: there is nothing to pull\n", ref)
		return nil
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	digest, err := a.transfer(o, "pulling", "pulled", ref, func(client *registry.Client) (v1.Hash, error) {
		digest, err := client.Pull(ctx, store, ref)
		if err == nil {
			err = o.trust.keep(store, digest)
		}
		if err == nil && o.referrers {
			if err := pullAttached(ctx, client, store, ref, digest); err != nil {
				a.warn(err)
			}
		}
		if err == nil && o.trust != nil {
			if err := a.pullCode(ctx, client, store, ref, digest, o.trust); err != nil {
				a.warn(err)
			}
		}
		return digest, err
	})
	if err != nil {
		return err
	}
	return a.printByDigest(ref, digest)
}

func copyCommand(a *app) *cobra.Command {
	var o remoteOptions
	command := &cobra.Command{
		Use:   "copy [OPTIONS] SOURCE DESTINATION",
		Short: "Copy a box from one registry to another",
		Long: `Copy a box from one registry to another, or within one, without taking it apart: its digest
stays, and an image for several platforms is copied with all of them; so is what is attached to it
(signatures, what is in it, how it was built). Nothing is kept here.`,
		Example:           `  boxer copy ghcr.io/me/app:1 registry.example/app:1`,
		Args:              arguments(cobra.ExactArgs(2)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, args []string) error {
			digest, err := a.transfer(o, "copying", "copied", args[0], func(client *registry.Client) (v1.Hash, error) {
				return client.Copy(command.Context(), args[0], args[1])
			})
			if err != nil {
				return err
			}
			return a.printByDigest(args[1], digest)
		},
	}
	o.bind(command.Flags())
	o.bindReferrers(command.Flags())
	return command
}
