package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"boxer.dev/internal/volume"
)

func volumeCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "volume",
		Short: "Manage named volumes: directories that outlive the boxes that mount them",
		Args:  arguments(cobra.NoArgs),
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(volumeCreateCommand(a), volumeListCommand(a), volumeInspectCommand(a), volumeRemoveCommand(a), volumePruneCommand(a))
	return command
}

func volumeCreateCommand(a *app) *cobra.Command {
	var labels []string
	command := &cobra.Command{
		Use:   "create [OPTIONS] [NAME]",
		Short: "Create a volume",
		Args:  arguments(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withVolumes(func(volumes *volume.Store) error {
				created, err := volumes.Create(strings.Join(args, ""), keyValues(labels))
				if err == nil {
					fmt.Fprintln(a.stdout, created.Name)
				}
				return err
			})
		},
	}
	command.Flags().StringArrayVar(&labels, "label", nil, "`KEY=value` to keep with the volume")
	return command
}

func keyValues(pairs []string) map[string]string {
	values := map[string]string{}
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		values[key] = value
	}
	return values
}

func volumeListCommand(a *app) *cobra.Command {
	var quiet bool
	var format string
	command := &cobra.Command{
		Use:     "ls [OPTIONS]",
		Aliases: []string{"list"},
		Short:   "List volumes",
		Args:    arguments(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return a.withVolumes(func(volumes *volume.Store) error { return a.listVolumes(volumes, quiet, format) })
		},
	}
	command.Flags().BoolVarP(&quiet, "quiet", "q", false, "print names only")
	command.Flags().StringVar(&format, "format", "", "print each volume by a Go `template`, or json")
	return command
}

func (a *app) listVolumes(volumes *volume.Store, quiet bool, format string) error {
	list, err := volumes.List()
	if err != nil {
		return err
	}
	if quiet {
		format = "{{.Name}}"
	}
	if format != "" {
		return printEach(a.stdout, format, list)
	}
	table := newTable(a.stdout)
	fmt.Fprintln(table, "VOLUME NAME\tCREATED\tMOUNTPOINT")
	for _, v := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\n", v.Name, since(v.CreatedAt), v.Mountpoint)
	}
	return table.Flush()
}

func volumeInspectCommand(a *app) *cobra.Command {
	var format string
	command := &cobra.Command{
		Use:   "inspect [OPTIONS] VOLUME [VOLUME...]",
		Short: "Show volumes",
		Args:  arguments(cobra.MinimumNArgs(1)),

		ValidArgsFunction: a.completeVolumes,

		RunE: func(_ *cobra.Command, names []string) error {
			return a.withVolumes(func(volumes *volume.Store) error { return a.inspectVolumes(volumes, format, names) })
		},
	}
	command.Flags().StringVarP(&format, "format", "f", "", "print each volume by a Go `template`, or json")
	return command
}

func (a *app) inspectVolumes(volumes *volume.Store, format string, names []string) error {
	var all []volume.Volume
	for _, name := range names {
		v, err := volumes.Get(name)
		if err != nil {
			return err
		}
		all = append(all, v)
	}
	if format != "" {
		return printEach(a.stdout, format, all)
	}
	encoder := json.NewEncoder(a.stdout)
	encoder.SetIndent("", "    ")
	return encoder.Encode(all)
}

func volumeRemoveCommand(a *app) *cobra.Command {
	var force bool
	command := &cobra.Command{
		Use:     "rm [OPTIONS] VOLUME [VOLUME...]",
		Aliases: []string{"remove"},
		Short:   "Remove volumes and the files in them",
		Args:    arguments(cobra.MinimumNArgs(1)),

		ValidArgsFunction: a.completeVolumes,

		RunE: func(_ *cobra.Command, names []string) error {
			return a.withVolumes(func(volumes *volume.Store) error { return a.removeVolumes(volumes, force, names) })
		},
	}
	command.Flags().BoolVarP(&force, "force", "f", false, "do not mind a volume that is not there")
	return command
}

func (a *app) removeVolumes(volumes *volume.Store, force bool, names []string) error {
	var failures []error
	for _, name := range names {
		switch err := volumes.Remove(name); {
		case err == nil:
			fmt.Fprintln(a.stdout, name)
		case !force || !errors.Is(err, volume.ErrNotFound):
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

func volumePruneCommand(a *app) *cobra.Command {
	var all, force bool
	command := &cobra.Command{
		Use:   "prune [OPTIONS]",
		Short: "Remove the volumes that no running box uses: those without a name, or all",
		Args:  arguments(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if !force {
				return withHint(errors.New("this removes files for good"), "say --force to do it")
			}
			return a.withVolumes(func(volumes *volume.Store) error {
				pruned, err := volumes.Prune(func(v volume.Volume) bool { return all || v.Anonymous })
				for _, name := range pruned.Volumes {
					fmt.Fprintln(a.stdout, name)
				}
				fmt.Fprintf(a.stdout, "Total reclaimed space: %s\n", size(pruned.Bytes))
				return err
			})
		},
	}
	command.Flags().BoolVarP(&all, "all", "a", false, "named volumes too")
	command.Flags().BoolVarP(&force, "force", "f", false, "do it")
	return command
}

func (a *app) withVolumes(use func(*volume.Store) error) error {
	volumes, err := a.volumes()
	if err != nil {
		return err
	}
	return use(volumes)
}
