package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"boxer.dev/bases"
	"boxer.dev/internal/compare"
	"boxer.dev/oci"
)

type diffOptions struct {
	compare.Options
	json, exitCode, quiet, patch bool
}

func diffCommand(a *app) *cobra.Command {
	var o diffOptions
	command := &cobra.Command{
		Use:   "diff [OPTIONS] [BOX] BOX [/PATH...]",
		Short: "Show how a box differs from another, or from its base",
		Long: `Show how the second box differs from the first: files that were added (A), changed (C) or deleted
(D) with what changed of them, the configuration as lines of a Boxfile, and what the box asks of
the host. One that asks for more than the first is marked by an exclamation mark.

A single box is compared with its base: the image that has the most of its layers. With paths, only
files at or beneath them are compared. Extended attributes are not part of a box.`,
		Example: `  boxer diff app
  boxer diff app:1 app:2
  boxer diff --patch app:1 app:2 /app
  boxer diff --quiet app:1 app:2 || echo changed`,
		Args: arguments(cobra.MinimumNArgs(1)),

		ValidArgsFunction: a.completeBoxes(2, cobra.ShellCompDirectiveNoFileComp),

		RunE: func(command *cobra.Command, args []string) error {
			boxes, paths := splitPaths(args)
			if len(boxes) == 0 || len(boxes) > 2 || slices.ContainsFunc(paths, func(p string) bool { return !strings.HasPrefix(p, "/") }) {
				return &usageError{err: errors.New("`boxer diff` takes one or two boxes, then paths that begin with /")}
			}
			o.Paths = paths
			return a.diff(command.Context(), o, boxes)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&o.json, "json", false, "print everything as JSON")
	flags.BoolVarP(&o.patch, "patch", "p", false, "then show what changed in text files, as diff -u does")
	flags.BoolVar(&o.Times, "times", false, "also files that differ in their modification times only")
	flags.BoolVar(&o.exitCode, "exit-code", false, "exit with status 1 if there are differences, 2 if they cannot be told")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing; implies --exit-code")
	return command
}

// splitPaths tells boxes from the paths behind them.
func splitPaths(args []string) (boxes, paths []string) {
	for i, arg := range args {
		if strings.HasPrefix(arg, "/") {
			return args[:i], args[i:]
		}
	}
	return args, nil
}

func (a *app) diff(ctx context.Context, o diffOptions, refs []string) error {
	differs, err := a.showDiff(ctx, o, refs)
	switch {
	case !o.exitCode && !o.quiet:
		return err
	case err != nil:
		return &statusError{err, 2}
	case differs:
		return &reportedError{errors.New("there are differences"), 1}
	}
	return nil
}

func (a *app) showDiff(ctx context.Context, o diffOptions, refs []string) (differs bool, err error) {
	store, err := a.store()
	if err != nil {
		return false, err
	}
	from, to, err := a.openBoth(ctx, store, refs, o.quiet)
	if err != nil {
		return false, err
	}
	defer from.Close()
	defer to.Close()
	found, err := compare.Boxes(from, to, o.Options)
	if err != nil || o.quiet {
		return err == nil && !found.None(), err
	}
	if o.json {
		encoder := json.NewEncoder(a.stdout)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return !found.None(), encoder.Encode(found)
	}
	if err := found.Write(a.stdout); err != nil {
		return false, err
	}
	if found.TimesOnly > 0 {
		fmt.Fprintf(a.stderr, "%d files differ in their times only; --times lists them\n", found.TimesOnly)
	}
	if o.patch {
		err = found.WritePatch(ctx, a.stdout)
	}
	return !found.None(), err
}

// openBoth opens two boxes, or one and its base.
func (a *app) openBoth(ctx context.Context, store *oci.Store, refs []string, quiet bool) (from, to *oci.Rootfs, err error) {
	last := refs[len(refs)-1]
	img, err := a.image(ctx, store, last)
	if err != nil {
		return nil, nil, err
	}
	if to, err = store.Rootfs(img); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", last, err)
	}
	if len(refs) == 2 {
		if img, err = a.image(ctx, store, refs[0]); err == nil {
			from, err = store.Rootfs(img)
		}
	} else {
		var name string
		if from, name, err = openBase(store, to); err == nil && !quiet {
			fmt.Fprintf(a.stderr, "compared with its base, %s\n", name)
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, to.Close())
	}
	return from, to, nil
}

// openBase opens the base of a box: among the images that boxer carries and those of the store the one that has the most of
// the box's layers, and no other layers; with none, a base has no files.
func openBase(store *oci.Store, box *oci.Rootfs) (*oci.Rootfs, string, error) {
	var base v1.Image
	name, most := "scratch", 0
	consider := func(ref string, img v1.Image) {
		digest, err := img.Digest()
		config, err2 := img.ConfigFile()
		if err != nil || err2 != nil || digest == box.Digest {
			return
		}
		layers, all := config.RootFS.DiffIDs, box.Config.RootFS.DiffIDs
		if len(layers) > most && len(layers) <= len(all) && slices.Equal(layers, all[:len(layers)]) {
			base, name, most = img, ref, len(layers)
		}
	}
	for _, ref := range bases.Names {
		if img, err := builtIn(string(ref)); err == nil {
			consider(string(ref), img)
		}
	}
	stored, err := store.List()
	if err != nil {
		return nil, "", err
	}
	for _, s := range stored {
		if img, err := store.Image(s.Digest.String()); err == nil && s.Name != "" {
			consider(oci.Familiar(s.Name), img)
		}
	}
	if base == nil {
		return &oci.Rootfs{Config: &v1.ConfigFile{}}, name, nil
	}
	root, err := store.Rootfs(base)
	return root, name, err
}
