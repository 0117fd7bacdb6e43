package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// build is one run of Build.
type build struct {
	opts    Options
	file    *Boxfile
	program *program
	epoch   time.Time
	temp    string // directory of the build's own

	global   environment
	argsUsed map[string]bool
	sources  *contextTree // nil: no context

	stages   []*stage // as in program; nil: not built (yet)
	images   map[string]*stage
	steps    []Step
	warnings []Warning
	noted    map[string]bool
	opened   []func() error
	layers   int // files of layers so far
}

// Build makes the image that a Boxfile describes. Errors about the Boxfile are of type *Error, with a *RunError inside where a
// command failed.
func Build(ctx context.Context, opts Options) (*Result, error) {
	b, err := newBuild(opts)
	if err != nil {
		return nil, err
	}
	res, err := b.run(ctx)
	if err := cmp.Or(err, closeAll(b.opened)); err != nil {
		return nil, err
	}
	return res, nil
}

func newBuild(opts Options) (*build, error) {
	if opts.Boxfile == nil {
		return nil, errors.New("no Boxfile to build")
	}
	if opts.Progress == nil {
		opts.Progress = noProgress{}
	}
	b := &build{opts: opts, file: opts.Boxfile, argsUsed: map[string]bool{}, images: map[string]*stage{}, noted: map[string]bool{}}
	b.epoch = opts.Epoch
	if b.epoch.IsZero() {
		b.epoch = DefaultEpoch
	}
	if s, ok := opts.Args[epochArg]; ok {
		t, err := parseEpoch(s)
		if err != nil {
			return nil, err
		}
		b.epoch = t
	}
	b.epoch = b.epoch.UTC().Truncate(time.Second)
	var err error
	if b.program, err = b.file.program(); err != nil {
		return nil, err
	}
	b.stages = make([]*stage, len(b.program.stages))
	return b, b.setGlobalArgs()
}

func (b *build) run(ctx context.Context) (*Result, error) {
	temp, err := os.MkdirTemp(b.opts.TempDir, "boxer-build-")
	if err != nil {
		return nil, fmt.Errorf("preparing the build: %w", err)
	}
	b.temp = temp
	b.opened = append(b.opened, func() error { return os.RemoveAll(temp) })
	for _, w := range b.file.Warnings {
		b.warn(w)
	}
	if b.opts.Context != nil {
		if b.sources, err = openContext(b.opts.Context, b.epoch); err != nil {
			return nil, err
		}
	}
	target, err := b.target()
	if err != nil {
		return nil, err
	}
	s, err := b.stage(ctx, target)
	if err != nil {
		return nil, err
	}
	if err := s.finish(ctx); err != nil {
		return nil, err
	}
	b.warnOfUnusedArgs()
	img, err := s.image()
	if err != nil {
		return nil, err
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, fmt.Errorf("computing the image's digest: %w", err)
	}
	return &Result{Image: img, Digest: digest, Steps: b.steps, Warnings: b.warnings}, nil
}

// note tells a fact, once.
func (b *build) note(text string) {
	if text != "" && !b.noted[text] {
		b.noted[text] = true
		b.opts.Progress.Note(text)
	}
}

func (b *build) warn(w Warning) {
	b.warnings = append(b.warnings, w)
	b.opts.Progress.Warn(w)
}

// target is the index of the stage to build.
func (b *build) target() (int, error) {
	if b.opts.Target == "" {
		return len(b.stages) - 1, nil
	}
	if i, ok := b.find(b.opts.Target, len(b.stages)); ok {
		return i, nil
	}
	var names []string
	for _, st := range b.program.stages {
		if st.Name != "" {
			names = append(names, st.Name)
		}
	}
	err := b.file.errorAt(0, "", fmt.Errorf("it has no stage %s", quote(b.opts.Target)))
	if len(names) == 0 {
		return 0, withHint(err, "stages get names by FROM … AS name")
	}
	return 0, withHint(err, "its stages are %s", strings.Join(names, ", "))
}

// find returns the last of the first n stages that has the name, or the number, given.
func (b *build) find(name string, n int) (int, bool) {
	for i := n - 1; i >= 0; i-- {
		if st := b.program.stages[i]; st.Name != "" && strings.EqualFold(st.Name, name) {
			return i, true
		}
	}
	if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < n {
		return i, true
	}
	return 0, false
}

// stage returns a stage of the Boxfile, built at the first call.
func (b *build) stage(ctx context.Context, i int) (*stage, error) {
	if b.stages[i] != nil {
		return b.stages[i], nil
	}
	src := b.program.stages[i]
	if err := b.prepare(ctx, src, i); err != nil {
		return nil, err
	}
	s, err := b.begin(ctx, src, i)
	if err != nil {
		return nil, b.file.errorAt(src.from.line, src.from.name, err)
	}
	s.total = countSteps(src.steps)
	for _, in := range src.steps {
		if err := s.do(ctx, in); err != nil {
			return nil, b.file.errorAt(in.line, in.name, err)
		}
	}
	b.stages[i] = s
	return s, nil
}

// countSteps counts what is shown as a step. Of several SNAPSHOT that is one.
func countSteps(steps []*instruction) (n int) {
	snapshot := 0
	for _, in := range steps {
		if _, ok := in.cmd.(*snapshotCommand); ok {
			snapshot = 1
		} else if handlers[strings.ToLower(in.name)].step {
			n++
		}
	}
	return n + snapshot
}

// prepare builds the stages that a stage copies from, so that no stage is built in the middle of another.
func (b *build) prepare(ctx context.Context, src *stageSource, i int) error {
	for _, in := range src.steps {
		c, ok := in.cmd.(*instructions.CopyCommand)
		if !ok || c.From == "" {
			continue
		}
		if j, ok := b.find(c.From, i); ok {
			if _, err := b.stage(ctx, j); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin makes the stage that FROM describes: an earlier one carried on, nothing at all, or an image.
func (b *build) begin(ctx context.Context, src *stageSource, i int) (*stage, error) {
	lex := shell.NewLex(b.file.escape)
	base, _, err := lex.ProcessWord(src.BaseName, b.global)
	if err != nil {
		return nil, err
	}
	if base == "" {
		return nil, withHint(fmt.Errorf("%s is empty here", src.BaseName), "give it a value: ARG … before the first FROM, or --build-arg")
	}
	platform, _, err := lex.ProcessWord(src.Platform, b.global)
	if err != nil {
		return nil, err
	}
	if err := checkPlatform(platform); err != nil {
		return nil, err
	}
	s := newStage(b, src)
	if len(b.program.stages) > 1 {
		s.name = src.Name
		if s.name == "" {
			s.name = "stage-" + strconv.Itoa(i) // as docker build calls them
		}
	}
	return s, s.from(ctx, base, i)
}

func checkPlatform(platform string) error {
	switch strings.ToLower(platform) {
	case "", oci.Platform.OS + "/" + oci.Platform.Architecture, oci.Platform.OS, oci.Platform.Architecture, "wasi/wasm", "wasi/wasm32":
		return nil
	}
	return withHint(fmt.Errorf("platform %s: boxes are of %s/%s only", quote(platform), oci.Platform.OS, oci.Platform.Architecture), "leave --platform out")
}

// stageTree is the file tree that COPY --from names: a stage before the given one, or an image.
func (b *build) stageTree(ctx context.Context, name string, before *stage) (*vfs.FS, error) {
	n := 0
	for n < len(b.program.stages) && b.program.stages[n] != before.src {
		n++
	}
	if i, ok := b.find(name, n); ok {
		s, err := b.stage(ctx, i)
		if err != nil {
			return nil, err
		}
		return s.tree(), nil
	}
	switch i, ok := b.find(name, len(b.program.stages)); {
	case ok && i == n:
		return nil, errors.New("a stage cannot copy from itself")
	case ok:
		return nil, fmt.Errorf("stage %s does not come before this one", quote(name))
	}
	key := strings.ToLower(name)
	if s, ok := b.images[key]; ok {
		return s.tree(), nil
	}
	s := newStage(b, before.src)
	if err := s.fromImage(ctx, name); err != nil {
		return nil, err
	}
	b.images[key] = s
	return s.tree(), nil
}
