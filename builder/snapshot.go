package builder

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/repeatable"
	"boxer.dev/vfs"
)

// SNAPSHOT describes the image, as CMD does: the last one of a stage counts. It is carried out when the stage's files and
// configuration are final, and only if the stage becomes an image or another stage begins with it. The layer that it leaves
// changes no file that a program could see.

// imageSuffix ends the names of memory images below /.boxer of a layer.
const imageSuffix = ".image"

// SnapshotRequest asks for a memory image of a program of the box.
type SnapshotRequest struct {
	FS      *vfs.FS   // the box's files; changes made here are lost
	Config  v1.Config // of the image; says environment, directory and user
	Program string    // that ENTRYPOINT or CMD names; empty: neither does. If the box has an image already, its program goes before
	Args    []string  // that follow the program

	Stdout, Stderr io.Writer

	Now    func() time.Time // a clock that starts at the epoch and moves a little at each reading
	Random io.Reader        // never ends; follows from the build's inputs

	Image io.Writer // of what is to be stored
}

// Snapshot is an account of a memory image that a step took.
type Snapshot struct {
	File    string        // its name below /.boxer
	Program string        // as it was called
	Pages   int           // that are stored
	Elapsed time.Duration // of the initialisation that runs are spared
	Entropy int64         // bytes of it drawn by the initialisation
}

func runSnapshot(_ context.Context, s *stage, in *instruction, _ *snapshotCommand) error {
	s.snapshot = in
	return nil
}

// finish returns the stage with its SNAPSHOT carried out. The stage stays as it is, for others may be copying from it.
func (s *stage) finish(ctx context.Context) (*stage, error) {
	in := s.snapshot
	if in == nil {
		return s, nil
	}
	c, ok := in.cmd.(*snapshotCommand)
	if !ok {
		return nil, errors.New("unexpected form")
	}
	finished := *s
	finished.snapshot = nil
	err := finished.show(in, func() error {
		if c.none {
			return finished.hideImages(ctx)
		}
		return finished.capture(ctx, c)
	})
	if err != nil {
		return nil, s.build.file.errorAt(in.line, in.name, err)
	}
	return &finished, nil
}

// hideImages takes away the memory images of the layers below.
func (s *stage) hideImages(ctx context.Context) error {
	return s.change(ctx, s.seed.with("snapshot none"), "SNAPSHOT none", func() (*madeLayer, error) {
		changes, err := s.imagesHidden()
		if err != nil || len(changes) == 0 {
			return nil, err
		}
		return s.commitReserved(ctx, changes)
	})
}

func (s *stage) imagesHidden() ([]vfs.Change, error) {
	layers, err := s.layers()
	if err != nil {
		return nil, err
	}
	present := map[string]bool{}
	for _, layer := range layers {
		err := layer.ReservedNames(func(name string, whiteout bool) { present[name] = !whiteout })
		if err != nil {
			return nil, fmt.Errorf("looking for memory images: %w", err)
		}
	}
	var changes []vfs.Change
	for _, name := range slices.Sorted(maps.Keys(present)) {
		if present[name] && strings.HasSuffix(name, imageSuffix) {
			changes = append(changes, vfs.NewChange(vfs.Entry{Path: path.Join(vfs.Reserved, name), Whiteout: true}, nil))
		}
	}
	return changes, nil
}

// capture adds a layer with a memory image.
func (s *stage) capture(ctx context.Context, c *snapshotCommand) error {
	if s.build.opts.Snapshot == nil {
		return withHint(errors.New("there is nothing to run programs with"), "this build can carry out all instructions but SNAPSHOT and RUN")
	}
	var args []string
	createdBy := "SNAPSHOT"
	if c.text != "" {
		args = []string{"-c", c.text}
		createdBy += " " + strings.TrimRight(c.text, "\n")
	}
	env, user, dir := s.config.Env, s.config.User, s.config.WorkingDir
	s.seed = s.seed.with("snapshot", slices.Concat(args, env, []string{user, dir})...)
	return s.change(ctx, s.seed.with("program", s.program()).with("code", args...), createdBy, func() (*madeLayer, error) {
		return s.takeImage(ctx, args)
	})
}

// takeImage makes a layer of the memory image of the program after it has been initialised.
func (s *stage) takeImage(ctx context.Context, args []string) (*madeLayer, error) {
	tree, err := s.tree()
	if err != nil {
		return nil, err
	}
	spool, err := os.CreateTemp(s.build.temp, "image-")
	if err != nil {
		return nil, err
	}
	defer spool.Close()
	image := bufio.NewWriterSize(spool, 1<<20)
	clock := repeatable.Clock(s.build.epoch)
	out := &output{build: s.build, step: s.step, tail: &tail{}}
	release, err := s.build.slots.take(ctx)
	if err != nil {
		return nil, err
	}
	taken, err := s.build.opts.Snapshot(ctx, SnapshotRequest{
		FS: tree, Config: *s.config.DeepCopy(), Program: s.program(), Args: args,
		Stdout: out, Stderr: out, Now: clock, Random: s.seed.random(), Image: image,
	})
	release()
	if err := cmp.Or(ctx.Err(), err); err != nil {
		return nil, orHint(err, "SNAPSHOT none leaves memory images out, and every start initialises the program anew")
	}
	if err := image.Flush(); err != nil {
		return nil, fmt.Errorf("keeping the memory image: %w", err)
	}
	return s.commitImage(ctx, spool, taken)
}

// commitImage makes a layer of a memory image.
func (s *stage) commitImage(ctx context.Context, stored *os.File, taken *Snapshot) (*madeLayer, error) {
	if !strings.HasSuffix(taken.File, imageSuffix) || path.Base(taken.File) != taken.File {
		return nil, fmt.Errorf("%s is no name of a memory image", quote(taken.File))
	}
	size, err := stored.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("keeping the memory image: %w", err)
	}
	entry := vfs.Entry{Path: path.Join(vfs.Reserved, taken.File), Mode: 0o644, ModTime: s.build.epoch, Size: size}
	open := func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(stored, 0, size)), nil }
	s.step.Snapshot = taken
	return s.commitReserved(ctx, []vfs.Change{vfs.NewChange(entry, open)})
}

// commitReserved makes a layer of what no tree shows.
func (s *stage) commitReserved(ctx context.Context, changes []vfs.Change) (*madeLayer, error) {
	release, err := s.build.slots.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	dir := vfs.Entry{Path: vfs.Reserved, Mode: fs.ModeDir | 0o755, ModTime: s.build.epoch}
	changes = append([]vfs.Change{vfs.NewChange(dir, nil)}, changes...)
	file := s.build.layerFile()
	if err := writeLayer(file, changes); err != nil {
		return nil, fmt.Errorf("writing the new layer: %w", err)
	}
	opened, err := s.build.openLayer(file)
	if err != nil {
		return nil, err
	}
	return s.pack(changes, opened)
}

func writeLayer(file string, changes []vfs.Change) error {
	w, err := vfs.CreateLayer(file)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if err := addEntry(w, c.Entry, content{size: c.Size, open: c.Open}); err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	return w.Close()
}

// program is what ENTRYPOINT or CMD name.
func (s *stage) program() string {
	args := slices.Concat(s.config.Entrypoint, s.config.Cmd)
	if len(args) == 0 {
		return ""
	}
	shell := s.shell()
	if len(args) <= len(shell) || !slices.Equal(args[:len(shell)], shell) {
		return args[0]
	}
	for _, word := range strings.Fields(args[len(shell)]) {
		if word != "exec" && !strings.Contains(word, "=") {
			return strings.Trim(word, `'"`)
		}
	}
	return ""
}
