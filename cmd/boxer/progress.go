package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/term"

	"boxer.dev/builder"
	"boxer.dev/internal/progress"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

var progressModes = []string{"auto", "plain", "tty", "json", "quiet"}

// display makes what shows a build on standard error. auto is tty on a terminal that can draw, and else plain.
func (a *app) display(mode string) (progress.Display, error) {
	fd, isTerminal := descriptor(a.stderr)
	draws := isTerminal && os.Getenv("TERM") != "dumb" && drawsEscapes(fd)
	switch mode {
	case "tty":
		if !draws {
			return nil, withHint(errors.New("--progress tty: standard error is no terminal that can draw"), "leave it out, or use plain")
		}
		return a.drawing(fd), nil
	case "auto":
		if draws {
			return a.drawing(fd), nil
		}
		return &progress.Plain{Out: a.stderr}, nil
	case "plain":
		return &progress.Plain{Out: a.stderr}, nil
	case "json":
		return &progress.JSON{Out: a.stderr}, nil
	case "quiet":
		return progress.Quiet{Out: a.stderr}, nil
	}
	return nil, &usageError{err: fmt.Errorf("unknown --progress %q: %s", mode, strings.Join(progressModes, ", "))}
}

func (a *app) drawing(fd int) progress.Display {
	t := &progress.Terminal{
		Out: a.stderr,
		Size: func() (columns, rows int) {
			columns, rows, _ = term.GetSize(fd)
			return columns, rows
		},
		Color: os.Getenv("NO_COLOR") == "", // no-color.org
		ASCII: !showsUnicode(),
	}
	t.Open()
	return t
}

// built describes what was built.
func built(img v1.Image, root *oci.Rootfs, steps []builder.Step, names []string) (*progress.Built, error) {
	described, err := oci.Inspect(img)
	if err != nil {
		return nil, err
	}
	b := &progress.Built{Digest: root.Digest, Names: names, Size: described.Size, Steps: steps}
	if b.Config, err = img.ConfigName(); err != nil {
		return nil, err
	}
	own := map[v1.Hash]bool{}
	for _, step := range steps {
		own[step.Layer] = true
	}
	for i, layer := range described.Layers {
		b.Layers = append(b.Layers, progress.Layer{
			Digest: layer.Digest, Size: layer.Size, Unpacked: root.Layers[i].ContentSize(), Base: !own[layer.Digest],
		})
	}
	return b, nil
}

// reportedError has been shown to the user already.
type reportedError struct {
	err    error
	status int // to exit with
}

func (e *reportedError) Error() string { return e.err.Error() }
func (e *reportedError) Unwrap() error { return e.err }

// compilingFor tells by a build's display why nothing seems to happen.
func compilingFor(display progress.Display) func(runtime.Progress) {
	return func(p runtime.Progress) {
		if !p.Done {
			display.Note(fmt.Sprintf("compiling %s, once on this machine", p.Program))
		}
	}
}
