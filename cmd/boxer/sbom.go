package main

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"boxer.dev/internal/sbom"
	"boxer.dev/oci"
)

// sbomFormat is a form in which the contents of a box are listed.
type sbomFormat struct {
	name      string
	mediaType string // of the document, and of the artifact that holds it
	predicate string // the type of a signed statement that has it, as cosign calls it
	encode    func(*sbom.Inventory, string) ([]byte, error)
}

var sbomFormats = []sbomFormat{
	{"spdx", "application/spdx+json", "https://spdx.dev/Document", (*sbom.Inventory).SPDX},
	{"cyclonedx", "application/vnd.cyclonedx+json", "https://cyclonedx.org/bom", (*sbom.Inventory).CycloneDX},
}

func sbomFormatNamed(name string) (sbomFormat, error) {
	for _, f := range sbomFormats {
		if f.name == name {
			return f, nil
		}
	}
	return sbomFormat{}, &usageError{err: fmt.Errorf("unknown format %q: spdx or cyclonedx", name)}
}

func sbomCommand(a *app) *cobra.Command {
	var format string
	command := &cobra.Command{
		Use:   "sbom [OPTIONS] BOX",
		Short: "List what a box consists of, for other tools to read",
		Long: `List what a box consists of (a software bill of materials): the sources that its base was built
from, the Python packages that are installed in it, its programs. The same box gives the same list.

` + "`boxer build --sbom`" + ` attaches the list to the box, so that it travels with it.`,
		Example: `  boxer sbom app > app.spdx.json
  boxer sbom --format cyclonedx app | grype`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeBoxes(1, 0),
		RunE: func(command *cobra.Command, args []string) error {
			chosen, err := sbomFormatNamed(format)
			if err != nil {
				return err
			}
			return a.sbom(command.Context(), chosen, args[0])
		},
	}
	command.Flags().StringVar(&format, "format", "spdx", "write it as `spdx|cyclonedx`, both as JSON")
	command.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"spdx", "cyclonedx"}, cobra.ShellCompDirectiveNoFileComp))
	return command
}

func (a *app) sbom(ctx context.Context, format sbomFormat, ref string) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	img, err := a.image(ctx, store, ref)
	if err != nil {
		return err
	}
	inventory, err := inventoryOf(store, img)
	if err != nil {
		return err
	}
	text, err := format.encode(inventory, tool())
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(text)
	return err
}

// tool is who makes lists: this boxer.
func tool() string { return "boxer-" + version }

func inventoryOf(store *oci.Store, img v1.Image) (*sbom.Inventory, error) {
	root, err := store.Rootfs(img)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return sbom.Collect(root.Digest, root.Config, root.FS().IOFS())
}
