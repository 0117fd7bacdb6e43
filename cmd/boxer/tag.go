package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"boxer.dev/builder"
	"boxer.dev/oci"
)

func tagCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "tag BOX NAME[:TAG]",
		Short: "Give a box another name",
		Args:  arguments(cobra.ExactArgs(2)),

		ValidArgsFunction: a.completeBoxes(1, cobra.ShellCompDirectiveNoFileComp),

		RunE: func(command *cobra.Command, args []string) error {
			if err := taggable(args[1]); err != nil {
				return err
			}
			store, err := a.store()
			if err != nil {
				return err
			}
			err = store.Tag(args[0], args[1])
			if !errors.Is(err, oci.ErrNotFound) {
				return err
			}
			img, err := a.image(command.Context(), store, args[0])
			if err != nil {
				return err
			}
			_, err = store.Put(img, args[1])
			return err
		},
	}
}

// taggable refuses names that would not lead to the box: FROM takes them for what boxer has built in.
func taggable(name string) error {
	if _, err := oci.Taggable(name); err != nil {
		return err
	}
	if builder.IsBuiltIn(name) {
		return withHint(fmt.Errorf("%s is a name that boxer has built in", name), "give the box a name of its own")
	}
	return nil
}

func removeCommand(a *app) *cobra.Command {
	var o oci.RemoveOptions
	command := &cobra.Command{
		Use:     "rm [OPTIONS] BOX [BOX...]",
		Aliases: []string{"rmi"},
		Short:   "Remove boxes from the local store",
		Long: `Remove names from the local store, and with its last name the box. By its id a box is
removed with all its names, with --force if there are several.`,
		Args:              arguments(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeStored,
		RunE:              func(_ *cobra.Command, args []string) error { return a.remove(o, args) },
	}
	command.Flags().BoolVarP(&o.Force, "force", "f", false, "remove a box that has several names; do not mind one that is not there")
	return command
}

func (a *app) remove(o oci.RemoveOptions, refs []string) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	var failures []error
	for _, ref := range refs {
		removed, err := store.Remove(ref, o)
		if err != nil && !(o.Force && errors.Is(err, oci.ErrNotFound)) {
			failures = append(failures, err)
			continue
		}
		for _, name := range removed.Untagged {
			fmt.Fprintf(a.stdout, "Untagged: %s\n", oci.Familiar(name))
		}
		if removed.Deleted.Hex != "" {
			fmt.Fprintf(a.stdout, "Deleted: %s\n", removed.Deleted)
		}
	}
	failures = append(failures, collectGarbage(store))
	return errors.Join(failures...)
}

// collectGarbage frees what no image needs. The bases' opened layers stay; while another process writes to the store
// everything does.
func collectGarbage(store *oci.Store) error {
	_, err := store.GC(builtInImages()...)
	if errors.Is(err, oci.ErrBusy) {
		return nil
	}
	return err
}
