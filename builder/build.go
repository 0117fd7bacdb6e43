package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/linter"

	"boxer.dev/oci"
)

// build is one run of Build.
type build struct {
	opts    Options
	file    *Boxfile
	program *program
	epoch   time.Time
	temp    string // directory of the build's own

	checking     bool // nothing is built
	lintConfig   *linter.Config
	fileWarnings []Warning

	global   environment
	sources  *contextTree // nil: no context
	nodes    []*node      // the stages, as in program
	running  sync.WaitGroup
	slots    slots
	underWay keyLocks
	layers   atomic.Int64 // files of layers so far
	expanded atomic.Int64 // bytes put in for variables

	lock     sync.Mutex // guards what follows
	argsUsed map[string]bool
	images   map[string]func() (*stage, error)
	warnings []Warning // of no stage
	noted    map[string]bool
	records  []*oci.CacheRecord
	opened   []func() error
}

// Build makes the image that a Boxfile describes. Errors about the Boxfile are of type *Error, with a *RunError inside where a
// command failed.
func Build(ctx context.Context, opts Options) (*Result, error) {
	if opts.Progress == nil {
		opts.Progress = noProgress{}
	}
	for {
		res, err := buildOnce(ctx, opts)
		if err == nil || !discardStale(opts, err) {
			return res, err
		}
	}
}

func buildOnce(ctx context.Context, opts Options) (*Result, error) {
	b, err := newBuild(opts)
	if err != nil {
		return nil, err
	}
	res, err := b.run(ctx)
	if err := errors.Join(err, closeAll(b.opened)); err != nil {
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
	b := &build{opts: opts, file: opts.Boxfile, slots: newSlots(), argsUsed: map[string]bool{}, images: map[string]func() (*stage, error){}, noted: map[string]bool{}}
	var err error
	if b.program, err = b.file.program(); err != nil {
		return nil, err
	}
	if err := b.readLintConfig(); err != nil {
		return nil, err
	}
	if err := b.setGlobalArgs(); err != nil {
		return nil, err
	}
	return b, b.setEpoch()
}

// setEpoch takes the time of the build from --build-arg or an ARG before FROM, as BuildKit does, or else from the options.
func (b *build) setEpoch() error {
	b.epoch = b.opts.Epoch
	if b.epoch.IsZero() {
		b.epoch = DefaultEpoch
	}
	s, given := b.opts.Args[epochArg]
	if !given {
		s, _ = b.global.Get(epochArg)
	}
	if given || s != "" {
		t, err := parseEpoch(s)
		if err != nil {
			return err
		}
		b.epoch = t
	}
	b.epoch = b.epoch.UTC().Truncate(time.Second)
	return nil
}

func (b *build) run(ctx context.Context) (*Result, error) {
	temp, err := os.MkdirTemp(b.opts.TempDir, "boxer-build-")
	if err != nil {
		return nil, fmt.Errorf("preparing the build: %w", err)
	}
	b.temp = temp
	b.opened = append(b.opened, func() error { return os.RemoveAll(temp) })
	if err := b.enforceChecks(ctx); err != nil {
		return nil, err
	}
	b.note(b.file.syntaxNote())
	b.lintFile()
	if err := b.openSources(); err != nil {
		return nil, err
	}
	s, err := b.targetStage(ctx)
	if err != nil {
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
	return &Result{
		Image: img, Digest: digest, Steps: b.allSteps(), Warnings: b.allWarnings(), Records: b.records, TargetRecords: s.records,
	}, nil
}

// openSources opens the build's own context.
func (b *build) openSources() (err error) {
	if b.opts.Context != nil {
		b.sources, err = b.openContext(b.opts.Context)
	}
	return err
}

// openContext opens a build context, with what is remembered of its files.
func (b *build) openContext(root *os.Root) (*contextTree, error) {
	tree, err := openContext(root, b.epoch)
	if err != nil {
		return nil, err
	}
	b.closeLater(tree.dirs.close)
	if b.opts.Cache == nil {
		return tree, nil
	}
	tree.digests = openDigests(b.opts.DigestDir, root)
	b.closeLater(func() error {
		_ = tree.digests.save() // files that are not remembered are read again
		return nil
	})
	return tree, nil
}

// targetStage builds the stages that the target needs.
func (b *build) targetStage(ctx context.Context) (*stage, error) {
	target, err := b.target()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer b.running.Wait()
	defer cancel()
	b.plan(ctx, cancel)
	s, err := b.nodes[target].finished()
	if err != nil {
		return nil, b.firstError(err)
	}
	return s, nil
}

// note tells a fact, once.
func (b *build) note(text string) {
	b.lock.Lock()
	told := b.noted[text]
	b.noted[text] = true
	b.lock.Unlock()
	if text != "" && !told {
		b.opts.Progress.Note(text)
	}
}

// warn warns of something that is in no stage.
func (b *build) warn(w Warning) {
	b.warnings = append(b.warnings, w)
	b.opts.Progress.Warn(w)
}

func (b *build) allSteps() (steps []Step) {
	for _, n := range b.nodes {
		steps = append(steps, n.steps...)
	}
	return steps
}

func (b *build) allWarnings() (warnings []Warning) {
	for _, n := range b.nodes {
		warnings = append(warnings, n.warnings...)
	}
	return slices.Concat(b.fileWarnings, warnings, b.warnings)
}

// closeLater lets go of something when the build is over.
func (b *build) closeLater(closer func() error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.opened = append(b.opened, closer)
}

// target is the index of the stage to build.
func (b *build) target() (int, error) {
	if b.opts.Target == "" {
		return len(b.program.stages) - 1, nil
	}
	if i, ok := b.find(b.opts.Target, len(b.program.stages)); ok {
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

// begin makes the stage that FROM describes: an earlier one carried on, nothing at all, or an image.
func (b *build) begin(ctx context.Context, n *node, base string) (*stage, error) {
	platform, _, err := b.words().one(n.src.Platform, b.global)
	if err != nil {
		return nil, err
	}
	if err := checkPlatform(platform); err != nil {
		return nil, err
	}
	s := newStage(b, n)
	if len(b.program.stages) > 1 {
		s.name = n.src.Name
		if s.name == "" {
			s.name = "stage-" + strconv.Itoa(n.index) // as docker build calls them
		}
	}
	return s, s.from(ctx, base)
}

func checkPlatform(platform string) error {
	switch strings.ToLower(platform) {
	case "", oci.Platform.OS + "/" + oci.Platform.Architecture, oci.Platform.OS, oci.Platform.Architecture, "wasi/wasm", "wasi/wasm32":
		return nil
	}
	return withHint(fmt.Errorf("platform %s: boxes are of %s/%s only", quote(platform), oci.Platform.OS, oci.Platform.Architecture), "leave --platform out")
}

// source is what COPY --from names: a stage before the given one, or an image.
func (b *build) source(ctx context.Context, name string, before *stage) (*stage, error) {
	n := before.node.index
	if i, ok := b.find(name, n); ok {
		return b.nodes[i].built()
	}
	switch i, ok := b.find(name, len(b.program.stages)); {
	case ok && i == n:
		return nil, errors.New("a stage cannot copy from itself")
	case ok:
		return nil, fmt.Errorf("stage %s does not come before this one", quote(name))
	}
	return b.imageSource(ctx, name, before.node)
}

// imageSource opens an image or a named context, once in a build.
func (b *build) imageSource(ctx context.Context, name string, n *node) (*stage, error) {
	key := strings.ToLower(name)
	b.lock.Lock()
	opened, ok := b.images[key]
	if !ok {
		opened = sync.OnceValues(func() (*stage, error) {
			s := newStage(b, n)
			if _, ok := b.namedContext(name); ok {
				return s, s.fromContext(ctx, name)
			}
			return s, s.fromImage(ctx, name)
		})
		b.images[key] = opened
	}
	b.lock.Unlock()
	return opened()
}
