package main

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"boxer.dev/oci"
)

type imagesOptions struct {
	quiet, noTrunc, all, digests bool
	format                       string
	filters                      []string
}

func imagesCommand(a *app) *cobra.Command {
	var o imagesOptions
	command := &cobra.Command{
		Use:     "images [OPTIONS] [NAME]",
		Aliases: []string{"ls"},
		Short:   "List the boxes of the local store",
		Long: `List the boxes of the local store. SIZE is what a registry transfers: the compressed
layers, the configuration and the manifest; layers that boxes share are counted for each of them.`,
		Args:              arguments(cobra.MaximumNArgs(1)),
		ValidArgsFunction: a.completeStored,
		RunE:              func(_ *cobra.Command, args []string) error { return a.images(o, strings.Join(args, "")) },
	}
	flags := command.Flags()
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print the ids only")
	flags.BoolVar(&o.noTrunc, "no-trunc", false, "print ids whole")
	flags.BoolVar(&o.digests, "digests", false, "print digests")
	flags.BoolVarP(&o.all, "all", "a", false, "the same: boxer keeps no intermediate images")
	flags.StringArrayVarP(&o.filters, "filter", "f", nil, "list `reference=PATTERN`, or dangling=true: those without a name")
	flags.StringVar(&o.format, "format", "", "print each box by a Go `template`, or json")
	return command
}

// imageRow is what a template of `boxer images --format` sees; names are docker's.
type imageRow struct {
	Repository, Tag, ID, Digest, Platform, CreatedAt, CreatedSince, Size string
}

// imageHeading is above the columns of imageRow.
var imageHeading = imageRow{
	Repository: "REPOSITORY", Tag: "TAG", ID: "IMAGE ID", Digest: "DIGEST", Platform: "PLATFORM",
	CreatedAt: "CREATED AT", CreatedSince: "CREATED", Size: "SIZE",
}

func (a *app) images(o imagesOptions, name string) error {
	wanted, err := imageFilters(name, o.filters)
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
	var rows []imageRow
	for _, image := range stored {
		if wanted(image.Name) {
			if image.Err != nil {
				a.warn(fmt.Errorf("%s: %w", cmp.Or(oci.Familiar(image.Name), imageID(image.Digest, false)), image.Err))
			}
			rows = append(rows, newImageRow(image, o.noTrunc))
		}
	}
	switch {
	case o.quiet:
		return printEach(a.stdout, "{{.ID}}", rows)
	case o.format != "":
		return printRows(a.stdout, o.format, imageHeading, rows)
	}
	return a.imageTable(o, rows)
}

func (a *app) imageTable(o imagesOptions, rows []imageRow) error {
	table := newTable(a.stdout)
	line := func(r imageRow) {
		columns := []string{r.Repository, r.Tag, r.ID, r.CreatedSince, r.Size}
		if o.digests {
			columns = []string{r.Repository, r.Tag, r.Digest, r.ID, r.CreatedSince, r.Size}
		}
		fmt.Fprintln(table, strings.Join(columns, "\t"))
	}
	line(imageHeading)
	for _, row := range rows {
		line(row)
	}
	return table.Flush()
}

func newImageRow(image oci.Stored, whole bool) imageRow {
	repository, tag := "<none>", "<none>"
	if image.Name != "" {
		repository, tag = oci.SplitName(oci.Familiar(image.Name))
	}
	return imageRow{
		Repository: repository, Tag: tag, ID: imageID(image.Digest, whole), Digest: image.Digest.String(),
		Platform: image.Platform.String(), CreatedAt: image.Created.UTC().Format(time.RFC3339),
		CreatedSince: since(image.Created), Size: size(image.Size),
	}
}

// imageFilters makes one test of the names of images from a name and --filter. All filters must let an image pass, one of
// several patterns is enough.
func imageFilters(name string, filters []string) (func(name string) bool, error) {
	var patterns []string
	dangling := ""
	for _, filter := range filters {
		switch key, value, _ := strings.Cut(filter, "="); {
		case key == "reference" && value != "":
			patterns = append(patterns, value)
		case key == "dangling" && (value == "true" || value == "false"):
			dangling = value
		default:
			return nil, &usageError{err: fmt.Errorf("invalid --filter %q: it takes reference=PATTERN or dangling=true|false", filter)}
		}
	}
	return func(image string) bool {
		fits := func(pattern string) bool { return matches(pattern, image) }
		return fits(name) && (len(patterns) == 0 || slices.ContainsFunc(patterns, fits)) &&
			(dangling == "" || (image == "") == (dangling == "true"))
	}, nil
}

// matches tells whether a name, or its repository, is what the user typed; doublestar's patterns are not
// needed here, docker has path.Match's.
func matches(filter, name string) bool {
	if filter == "" {
		return true
	}
	if name == "" {
		return false
	}
	familiar := oci.Familiar(name)
	repository, _ := oci.SplitName(familiar)
	for _, candidate := range []string{familiar, repository, name} {
		if ok, err := path.Match(filter, candidate); ok && err == nil {
			return true
		}
	}
	full, err := oci.Normalize(filter)
	return err == nil && full == name
}

func imageID(digest v1.Hash, whole bool) string {
	if whole {
		return digest.String()
	}
	return digest.Hex[:12]
}

// since tells a time as people do. Builds are dated by SOURCE_DATE_EPOCH, so that the default, 1980, means undated.
func since(t time.Time) string {
	if t.IsZero() || t.Year() <= 1980 {
		return "undated"
	}
	return units.HumanDuration(time.Since(t)) + " ago"
}

// size tells a number of bytes as docker does, in decimal units.
func size(bytes int64) string { return units.HumanSize(float64(bytes)) }
