package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"boxer.dev/oci"
	"boxer.dev/runtime/capability"
)

func inspectCommand(a *app) *cobra.Command {
	var format, kind string
	command := &cobra.Command{
		Use:   "inspect [OPTIONS] BOX [BOX...]",
		Short: "Show what a box is made of and how it runs",
		Example: `  boxer inspect app
  boxer inspect --format '{{.Digest}}' app
  boxer inspect --format '{{.Requests}}' app`,
		Args:              arguments(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeBoxes(-1, 0),
		RunE: func(command *cobra.Command, args []string) error {
			if kind != "image" {
				return withHint(fmt.Errorf("there is nothing of type %q", kind), "boxes are of type image; volumes have `boxer volume inspect`")
			}
			return a.inspect(command.Context(), format, args)
		},
	}
	command.Flags().StringVarP(&format, "format", "f", "", "print each box by a Go `template`, or json")
	command.Flags().StringVar(&kind, "type", "image", "")
	command.Flags().Lookup("type").Hidden = true
	return command
}

func (a *app) inspect(ctx context.Context, format string, refs []string) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	var all []*inspection
	for _, ref := range refs {
		one, err := a.inspectOne(ctx, store, ref)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	if format != "" {
		return printEach(a.stdout, format, all)
	}
	encoder := json.NewEncoder(a.stdout)
	encoder.SetIndent("", "    ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(all)
}

// inspection adds to what every OCI image has what a box asks for.
type inspection struct {
	*oci.Inspection
	Requests capability.Requests
}

func (a *app) inspectOne(ctx context.Context, store *oci.Store, ref string) (*inspection, error) {
	img, err := a.image(ctx, store, ref)
	if err != nil {
		return nil, err
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	names, err := store.Names(digest)
	if err != nil {
		return nil, err
	}
	all, err := oci.Inspect(img, names...)
	if err != nil {
		return nil, err
	}
	requests, err := capability.FromLabels(all.Config.Labels)
	if err != nil {
		a.warn(err) // the labels are shown as they are
	}
	return &inspection{all, requests}, nil
}
