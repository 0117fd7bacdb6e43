package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"boxer.dev/internal/export"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

func exportCommand(a *app) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "export [OPTIONS] BOX",
		Short: "Write a box's files to a tar archive, or the box in another form",
		Long: `Write all files of a box to a tar archive, without its configuration and its layers; ` + "`boxer save`" + `
keeps both. With --output type=… the box is written in any form that ` + "`boxer build --output`" + ` has,
without building it again.`,
		Example: `  boxer export app > files.tar
  boxer export -o files.tar app
  boxer export -o type=local,dest=./files app
  boxer export -o type=exe,dest=./app app`,
		Args: arguments(cobra.ExactArgs(1)),

		ValidArgsFunction: a.completeBoxes(1, cobra.ShellCompDirectiveNoFileComp),

		RunE: func(command *cobra.Command, args []string) error { return a.export(command.Context(), output, args[0]) },
	}
	command.Flags().StringVarP(&output, "output", "o", "", "write to a `FILE` instead, or as type=local|oci|exe|wasm|…,dest=F")
	return command
}

func (a *app) export(ctx context.Context, spec, ref string) error {
	output, err := exported(spec)
	if err != nil {
		return err
	}
	named, err := a.namedImages(ctx, []string{ref})
	if err != nil {
		return err
	}
	results := &results{outputs: []export.Output{output}, stdout: a.stdout}
	engine := &lazyEngine{sync.OnceValues(func() (*runtime.Engine, error) { return a.engine(ctx, a.compiling, a.warn) })}
	results.module = func(root *oci.Rootfs) ([]byte, error) { return standaloneModule(engine.start, root, a.warn) }
	if err := results.check(); err != nil {
		return err
	}
	if output.Type == export.OCI && named[0].Name != "" {
		results.tags = []string{named[0].Name}
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	root, err := store.Rootfs(named[0].Image)
	if err != nil {
		return err
	}
	defer root.Close()
	return results.deliver(store, named[0].Image, root)
}

// exported reads --output: a file, as docker export has it, or what `boxer build` takes.
func exported(spec string) (export.Output, error) {
	switch {
	case spec == "" || spec == export.Stdout:
		return export.Output{Type: export.Tar, Dest: export.Stdout}, nil
	case !strings.Contains(spec, "="):
		return export.Output{Type: export.Tar, Dest: spec}, nil
	}
	output, err := export.Parse(spec)
	if err == nil && (output.Type == export.Image || output.Type == export.CacheOnly) {
		err = withHint(fmt.Errorf("--output %q: a box is in the store already", spec), "`boxer tag` gives it another name")
	}
	if err != nil {
		return export.Output{}, err
	}
	return output, nil
}
