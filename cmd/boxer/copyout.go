package main

import (
	"context"
	"errors"
	goruntime "runtime"
	"strings"

	"github.com/spf13/cobra"

	"boxer.dev/internal/export"
)

func copyOutCommand(a *app) *cobra.Command {
	var o export.Taking
	command := &cobra.Command{
		Use:   "cp [OPTIONS] BOX:/PATH DEST | -",
		Short: "Copy files out of a box",
		Long: `Copy a file, or a directory with all that is in it, out of a box: into the directory DEST if there
is one, else under the name DEST. Of BOX:/PATH/. the contents of the directory are copied. With - a
tar archive is written to standard output.

The files belong to you, and set-user-id bits are left out. Names and links of a box lead nothing
out of DEST.`,
		Example: `  boxer cp app:/etc/motd .
  boxer cp app:/data/. ./data
  boxer cp app:/usr/local/lib - | tar t`,
		Args: arguments(cobra.ExactArgs(2)),

		ValidArgsFunction: a.completeBoxes(1, cobra.ShellCompDirectiveDefault),

		RunE: func(command *cobra.Command, args []string) error {
			return a.copyOut(command.Context(), o, args[0], args[1])
		},
	}
	flags := command.Flags()
	flags.BoolVarP(&o.Follow, "follow-link", "L", false, "if PATH is a symbolic link, copy what it leads to")
	flags.BoolVarP(&o.Owners, "archive", "a", false, "keep the owners that files have in the box (as root)")
	flags.BoolP("quiet", "q", true, "")
	flags.Lookup("quiet").Hidden = true // nothing is printed anyway
	return command
}

func (a *app) copyOut(ctx context.Context, o export.Taking, source, dest string) error {
	ref, name, ok := inBox(source)
	if into, inside, isBox := inBox(dest); isBox {
		if ok {
			return withHint(errors.New("nothing is copied from one box to another"), "a Boxfile does it: FROM %s, COPY --from=%s %s %s", into, ref, name, inside)
		}
		return withHint(errors.New("a box does not change"),
			"`boxer run -v %s:%s %s` shows the box a file or a directory; a Boxfile with FROM %[3]s and COPY %[1]s %[2]s makes another box", source, inside, into)
	}
	if !ok {
		return &usageError{err: errors.New("`boxer cp` takes BOX:/PATH, the path with its slash, and a destination")}
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	img, err := a.image(ctx, store, ref)
	if err != nil {
		return err
	}
	root, err := store.Rootfs(img)
	if err != nil {
		return err
	}
	defer root.Close()
	if dest != export.Stdout {
		return export.Take(root.FS(), name, dest, o)
	}
	if err := a.archiveToStdout(); err != nil {
		return err
	}
	return export.TakeTar(a.stdout, root.FS(), name, o)
}

// archiveToStdout refuses to write an archive to a terminal.
func (a *app) archiveToStdout() error {
	if _, ok := descriptor(a.stdout); ok {
		return withHint(errors.New("an archive does not belong on a terminal"), "redirect the output")
	}
	return nil
}

// inBox splits BOX:/PATH. Names of boxes have no ":/" in them; what begins with a dot or a slash is a path of the host.
func inBox(arg string) (ref, name string, ok bool) {
	ref, name, ok = strings.Cut(arg, ":/")
	isPath := ref == "" || ref[0] == '.' || ref[0] == '/' || goruntime.GOOS == "windows" && len(ref) == 1
	if !ok || isPath {
		return "", "", false
	}
	return ref, "/" + name, true
}
