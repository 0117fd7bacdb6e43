package main

import (
	"slices"

	"github.com/spf13/cobra"

	"boxer.dev/builder"
	"boxer.dev/internal/volume"
	"boxer.dev/oci"
)

// What Tab offers in a shell that has loaded `boxer completion`. Whatever goes wrong, it offers nothing.

// completeBoxes offers the boxes of the store and the bases that boxer has, for the first n arguments; n < 0: for all of them.
func (a *app) completeBoxes(n int, beyond cobra.ShellCompDirective) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if n >= 0 && len(args) >= n {
			return nil, beyond
		}
		return without(append(a.boxes(), builder.BuiltInNames()...), args), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeStored offers the boxes of the store.
func (a *app) completeStored(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return without(a.boxes(), args), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeVolumes(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []string
	a.withVolumes(func(volumes *volume.Store) error {
		list, err := volumes.List()
		for _, v := range list {
			names = append(names, v.Name)
		}
		return err
	})
	return without(names, args), cobra.ShellCompDirectiveNoFileComp
}

func completeDirectories(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func (a *app) boxes() []string {
	store, err := a.store()
	if err != nil {
		return nil
	}
	list, err := store.List()
	if err != nil {
		return nil
	}
	var names []string
	for _, image := range list {
		if image.Name != "" {
			names = append(names, oci.Familiar(image.Name))
		}
	}
	return names
}

func without(names, args []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) })
}
