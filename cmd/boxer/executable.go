package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"
	"mvdan.cc/sh/v3/shell"

	"boxer.dev/bases"
	"boxer.dev/internal/export"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

// grantsVariable holds flags of `boxer run` for an executable that carries a box: all arguments are the program's.
const grantsVariable = "BOXER_RUN"

// writeExecutable writes a box together with boxer. Another boxer than this one is given all that the box consists of,
// because its bases may be others.
func writeExecutable(o export.Output, img v1.Image) error {
	name, has := o.Boxer, func(string) bool { return false }
	if name == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		name, has = self, inBases
	}
	boxer, err := os.Open(name)
	if err != nil {
		return err
	}
	defer boxer.Close()
	if carried, err := carriedBy(boxer); err != nil || carried != nil {
		return errors.Join(err, withHint(fmt.Errorf("%s carries a box already", name), "boxer=FILE names one that does not"))
	}
	info, err := boxer.Stat()
	if err != nil {
		return err
	}
	err = export.File(o.Dest, func(w io.Writer) error {
		return export.Executable(w, io.NewSectionReader(boxer, 0, info.Size()), has, oci.NamedImage{Name: "box:latest", Image: img})
	})
	if err != nil {
		return err
	}
	return os.Chmod(o.Dest, 0o755)
}

// inBases reports whether a file of an image layout is one of boxer's bases, too.
func inBases(name string) bool {
	_, err := fs.Stat(builtInBlobs{}, name)
	return err == nil && path.Dir(name) == "blobs/sha256"
}

// builtInBlobs is a file system with the blobs of all bases.
type builtInBlobs struct{}

func (builtInBlobs) Open(name string) (fs.File, error) {
	for _, base := range bases.Names {
		layout, err := bases.Layout(base)
		if err != nil {
			continue
		}
		if file, err := layout.Open(name); err == nil {
			return file, nil
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// carriedLayout is what an executable carries, completed by the bases.
type carriedLayout struct{ carried fs.FS }

func (l carriedLayout) Open(name string) (fs.File, error) {
	file, err := l.carried.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return builtInBlobs{}.Open(name)
	}
	return file, err
}

func carriedBy(executable *os.File) (fs.FS, error) {
	info, err := executable.Stat()
	if err != nil {
		return nil, err
	}
	return export.Carried(executable, info.Size())
}

// carriedBox is the command of an executable that carries a box; nil if this one does not.
func (a *app) carriedBox(args []string) (*cobra.Command, error) {
	name, err := os.Executable()
	if err != nil {
		return nil, nil // there is no telling, and nothing to read it from
	}
	executable, err := os.Open(name)
	if err != nil {
		return nil, nil
	}
	carried, err := carriedBy(executable)
	if carried == nil || err != nil {
		return nil, errors.Join(err, executable.Close())
	}
	var o runOptions
	command := &cobra.Command{
		Use: filepath.Base(name), SilenceErrors: true, SilenceUsage: true,
		RunE: func(command *cobra.Command, args []string) error {
			defer executable.Close()
			if o.pull.verifyKey != "" {
				return errors.New("--verify-key is for boxes from elsewhere: this one is part of the executable")
			}
			return a.reporting(o, func(stats *runtime.Stats) error {
				return a.run(command.Context(), o, stats, command.Name(), args, func(store *oci.Store) (*oci.Rootfs, error) {
					return openCarried(carriedLayout{carried}, store)
				})
			})
		},
	}
	runFlags(command, &o)
	grants, err := shell.Fields(os.Getenv(grantsVariable), nil)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", grantsVariable, err)
	}
	o.interactive = true
	_, isTerminal := descriptor(a.stdin)
	_, shown := descriptor(a.stdout)
	o.tty = isTerminal && shown
	command.SetArgs(append(append(grants, "--"), args...))
	return command, nil
}

// openCarried opens the only box of a layout.
func openCarried(layout fs.FS, store *oci.Store) (*oci.Rootfs, error) {
	index, err := oci.ReadLayout(layout)
	if err != nil {
		return nil, err
	}
	img, err := index.Find("")
	if err != nil {
		return nil, err
	}
	return store.Rootfs(img)
}
