package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"boxer.dev/oci"
)

func historyCommand(a *app) *cobra.Command {
	var o imagesOptions
	command := &cobra.Command{
		Use:   "history [OPTIONS] BOX",
		Short: "Show the instructions that a box was made by",
		Args:  arguments(cobra.ExactArgs(1)),

		ValidArgsFunction: a.completeBoxes(1, cobra.ShellCompDirectiveNoFileComp),

		RunE: func(command *cobra.Command, args []string) error { return a.history(command.Context(), o, args[0]) },
	}
	flags := command.Flags()
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print the layers' digests only")
	flags.BoolVar(&o.noTrunc, "no-trunc", false, "print instructions and digests whole")
	flags.StringVar(&o.format, "format", "", "print each entry by a Go `template`, or json")
	return command
}

// historyRow is what a template of `boxer history --format` sees; names are docker's.
type historyRow struct {
	ID, CreatedAt, CreatedSince, CreatedBy, Size, Comment string
}

// historyHeading is above the columns of historyRow.
var historyHeading = historyRow{
	ID: "LAYER", CreatedAt: "CREATED AT", CreatedSince: "CREATED", CreatedBy: "CREATED BY", Size: "SIZE", Comment: "COMMENT",
}

func (a *app) history(ctx context.Context, o imagesOptions, ref string) error {
	rows, err := a.historyRows(ctx, o, ref)
	if err != nil {
		return err
	}
	switch {
	case o.quiet:
		return printEach(a.stdout, "{{.ID}}", rows)
	case o.format != "":
		return printRows(a.stdout, o.format, historyHeading, rows)
	}
	table := newTable(a.stdout)
	for _, r := range append([]historyRow{historyHeading}, rows...) {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.ID, r.CreatedSince, cell(r.CreatedBy), r.Size, cell(r.Comment))
	}
	return table.Flush()
}

// historyRows lists the instructions of an image, the latest first.
func (a *app) historyRows(ctx context.Context, o imagesOptions, ref string) ([]historyRow, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	img, err := a.image(ctx, store, ref)
	if err != nil {
		return nil, err
	}
	steps, err := oci.History(img)
	if err != nil {
		return nil, err
	}
	var rows []historyRow
	for _, step := range slices.Backward(steps) {
		row := historyRow{
			ID: "<none>", CreatedAt: step.Created.UTC().Format(time.RFC3339), CreatedSince: since(step.Created),
			CreatedBy: shortened(step.CreatedBy, o.noTrunc), Size: size(step.Size), Comment: step.Comment,
		}
		if !step.Empty {
			row.ID = imageID(step.Layer, o.noTrunc)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// cell is a text that may hold here-documents as it fits into a table.
func cell(text string) string {
	return printable(strings.NewReplacer("\n", " ", "\t", " ").Replace(text))
}

func shortened(text string, whole bool) string {
	const limit = 60
	if runes := []rune(text); !whole && len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}
