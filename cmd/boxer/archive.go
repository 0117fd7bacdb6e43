package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"boxer.dev/oci"
)

func saveCommand(a *app) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "save [OPTIONS] BOX [BOX...]",
		Short: "Write boxes to a tar archive (an OCI image layout)",
		Args:  arguments(cobra.MinimumNArgs(1)),

		ValidArgsFunction: a.completeBoxes(-1, 0),

		RunE: func(command *cobra.Command, args []string) error { return a.save(command.Context(), output, args) },
	}
	command.Flags().StringVarP(&output, "output", "o", "", "write to a `file` instead of standard output")
	return command
}

func (a *app) save(ctx context.Context, output string, refs []string) error {
	images, err := a.namedImages(ctx, refs)
	if err != nil {
		return err
	}
	if output == "" {
		if _, ok := descriptor(a.stdout); ok {
			return withHint(errors.New("an archive does not belong on a terminal"), "name a file with -o, or redirect the output")
		}
		return oci.Save(a.stdout, images...)
	}
	file, err := os.Create(output)
	if err != nil {
		return err
	}
	if err := errors.Join(oci.Save(file, images...), file.Close()); err != nil {
		os.Remove(output)
		return err
	}
	return nil
}

// namedImages finds images to be saved; one given by its digest is saved without a name.
func (a *app) namedImages(ctx context.Context, refs []string) ([]oci.NamedImage, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	var images []oci.NamedImage
	for _, ref := range refs {
		img, err := a.image(ctx, store, ref)
		if err != nil {
			return nil, err
		}
		digest, err := img.Digest()
		if err != nil {
			return nil, err
		}
		named := oci.NamedImage{Image: img}
		if !strings.Contains(digest.String(), ref) {
			named.Name, err = oci.Normalize(ref)
		}
		if err != nil {
			return nil, err
		}
		images = append(images, named)
	}
	return images, nil
}

func loadCommand(a *app) *cobra.Command {
	var input string
	var quiet bool
	command := &cobra.Command{
		Use:   "load [OPTIONS]",
		Short: "Read boxes from a tar archive (an OCI image layout, or docker save's)",
		Args:  arguments(cobra.NoArgs),
		RunE:  func(*cobra.Command, []string) error { return a.load(input, quiet) },
	}
	command.Flags().StringVarP(&input, "input", "i", "", "read from a `file` instead of standard input")
	command.Flags().BoolVarP(&quiet, "quiet", "q", false, "do not list what was loaded")
	return command
}

func (a *app) load(input string, quiet bool) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	var archive io.Reader = a.stdin
	if input != "" {
		file, err := os.Open(input)
		if err != nil {
			return err
		}
		defer file.Close()
		archive = file
	} else if _, ok := descriptor(a.stdin); ok {
		return withHint(errors.New("an archive does not come from a terminal"), "name a file with -i, or redirect the input")
	}
	loaded, err := store.Load(archive)
	for _, image := range loaded {
		if quiet {
			break
		}
		if image.Name == "" {
			fmt.Fprintf(a.stdout, "Loaded image ID: %s\n", image.Digest)
		} else {
			fmt.Fprintf(a.stdout, "Loaded image: %s\n", oci.Familiar(image.Name))
		}
	}
	return err
}
