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

// finish completes a stage that is going to be an image.
func (s *stage) finish(ctx context.Context) error {
	in := s.snapshot
	if in == nil {
		return nil
	}
	s.snapshot = nil
	c, ok := in.cmd.(*snapshotCommand)
	if !ok {
		return errors.New("unexpected form")
	}
	err := s.show(in, func() error {
		if c.none {
			return s.hideImages()
		}
		return s.capture(ctx, c)
	})
	if err != nil {
		return s.build.file.errorAt(in.line, in.name, err)
	}
	return nil
}

// hideImages takes away the memory images of the layers below.
func (s *stage) hideImages() error {
	present := map[string]bool{}
	for _, layer := range s.layers {
		err := layer.ReservedNames(func(name string, whiteout bool) { present[name] = !whiteout })
		if err != nil {
			return fmt.Errorf("looking for memory images: %w", err)
		}
	}
	var changes []vfs.Change
	for _, name := range slices.Sorted(maps.Keys(present)) {
		if present[name] && strings.HasSuffix(name, imageSuffix) {
			changes = append(changes, vfs.NewChange(vfs.Entry{Path: path.Join(vfs.Reserved, name), Whiteout: true}, nil))
		}
	}
	const createdBy = "SNAPSHOT none"
	if len(changes) == 0 {
		s.note(createdBy)
		return nil
	}
	return s.commitReserved(changes, createdBy)
}

// capture adds a layer with a memory image.
func (s *stage) capture(ctx context.Context, c *snapshotCommand) error {
	take := s.build.opts.Snapshot
	if take == nil {
		return withHint(errors.New("there is nothing to run programs with"), "this build can carry out all instructions but SNAPSHOT and RUN")
	}
	var args []string
	createdBy := "SNAPSHOT"
	if c.text != "" {
		args = []string{"-c", c.text}
		createdBy += " " + strings.TrimRight(c.text, "\n")
	}
	config := s.config.DeepCopy()
	s.seed = s.seed.with("snapshot", slices.Concat(args, config.Env, []string{config.User, config.WorkingDir})...)
	spool, err := os.CreateTemp(s.build.temp, "image-")
	if err != nil {
		return err
	}
	defer spool.Close()
	image := bufio.NewWriterSize(spool, 1<<20)
	clock := &clock{now: s.build.epoch}
	out := &output{build: s.build, step: s.step, tail: &tail{}}
	taken, err := take(ctx, SnapshotRequest{
		FS: s.tree(), Config: *config, Program: s.program(), Args: args,
		Stdout: out, Stderr: out, Now: clock.read, Random: s.seed.random(), Image: image,
	})
	if err := cmp.Or(ctx.Err(), err); err != nil {
		return orHint(err, "SNAPSHOT none leaves memory images out, and every start initialises the program anew")
	}
	if err := image.Flush(); err != nil {
		return fmt.Errorf("keeping the memory image: %w", err)
	}
	return s.commitImage(spool, taken, createdBy)
}

// commitImage makes a layer of a memory image.
func (s *stage) commitImage(stored *os.File, taken *Snapshot, createdBy string) error {
	if !strings.HasSuffix(taken.File, imageSuffix) || path.Base(taken.File) != taken.File {
		return fmt.Errorf("%s is no name of a memory image", quote(taken.File))
	}
	size, err := stored.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("keeping the memory image: %w", err)
	}
	entry := vfs.Entry{Path: path.Join(vfs.Reserved, taken.File), Mode: 0o644, ModTime: s.build.epoch, Size: size}
	open := func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(stored, 0, size)), nil }
	s.step.Snapshot = taken
	return s.commitReserved([]vfs.Change{vfs.NewChange(entry, open)}, createdBy)
}

// commitReserved makes a layer of what no tree shows.
func (s *stage) commitReserved(changes []vfs.Change, createdBy string) error {
	dir := vfs.Entry{Path: vfs.Reserved, Mode: fs.ModeDir | 0o755, ModTime: s.build.epoch}
	changes = append([]vfs.Change{vfs.NewChange(dir, nil)}, changes...)
	file := s.build.layerFile()
	if err := writeLayer(file, changes); err != nil {
		return fmt.Errorf("writing the new layer: %w", err)
	}
	layers, err := s.withLayer(file)
	if err != nil {
		return err
	}
	layer, err := s.pack(changes)
	if err != nil {
		return err
	}
	s.layers = layers
	s.record(createdBy, layer)
	return nil
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
