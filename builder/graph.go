package builder

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"boxer.dev/vfs"
)

// The stages of a Boxfile are a graph: each needs the one that it begins with, and those that it takes files from. Stages that
// the target needs are built at once, each in a goroutine of its own; one waits for another before the instruction that
// needs it. A stage names only stages before it, so that nobody waits in a circle.

// node is a stage of the Boxfile in the graph. What it has to tell is kept apart from that of others, so that results come
// in the order of the Boxfile.
type node struct {
	index    int
	src      *stageSource
	built    func() (*stage, error)
	finished func() (*stage, error) // with its SNAPSHOT: what an image or another stage begins with

	err      error // guarded by build.lock, as are
	steps    []Step
	warnings []Warning
}

// plan makes the graph. Nothing is built yet. Once ctx is cancelled, whether by the caller or by the first stage that fails,
// all stages end.
func (b *build) plan(ctx context.Context, cancel context.CancelFunc) {
	for i, src := range b.program.stages {
		n := &node{index: i, src: src}
		n.built = sync.OnceValues(func() (*stage, error) {
			s, err := b.buildStage(ctx, n)
			return s, b.fail(ctx, cancel, n, err)
		})
		n.finished = sync.OnceValues(func() (*stage, error) {
			s, err := n.built()
			if err == nil {
				s, err = s.finish(ctx)
			}
			return s, b.fail(ctx, cancel, n, err)
		})
		b.nodes = append(b.nodes, n)
	}
}

// fail notes a stage's failure, and makes the other stages end. That a stage was made to end is no failure.
func (b *build) fail(ctx context.Context, cancel context.CancelFunc, n *node, err error) error {
	if err != nil && !(ctx.Err() != nil && errors.Is(err, ctx.Err())) {
		b.lock.Lock()
		defer b.lock.Unlock()
		if n.err == nil {
			n.err = err
		}
		cancel()
	}
	return err
}

// firstError is the error that a build of one stage after the other would have come to, as far as can be known: that of the
// first stage in the Boxfile which failed.
func (b *build) firstError(err error) error {
	b.lock.Lock()
	defer b.lock.Unlock()
	for _, n := range b.nodes {
		if n.err != nil {
			return n.err
		}
	}
	return err
}

// buildStage carries out a stage's instructions.
func (b *build) buildStage(ctx context.Context, n *node) (*stage, error) {
	if _, ok := b.namedContext(n.src.Name); ok && n.src.Name != "" {
		s := newStage(b, n)
		return s, b.placeFrom(n, s.fromContext(ctx, n.src.Name))
	}
	base, err := b.baseName(n.src)
	if err == nil {
		b.startNeeds(n, base, n.src.steps)
	}
	var s *stage
	if err == nil {
		s, err = b.begin(ctx, n, base)
	}
	if err != nil {
		return nil, b.placeFrom(n, err)
	}
	b.startNeeds(n, "", s.triggers)
	steps := slices.Concat(s.triggers, n.src.steps)
	s.total = countSteps(steps)
	for _, in := range steps {
		if err := b.await(n, in); err != nil {
			return nil, err
		}
		if err := s.do(ctx, in); err != nil {
			return nil, b.file.errorAt(in.line, in.name, err)
		}
	}
	return s, nil
}

// placeFrom makes err one of a stage's FROM.
func (b *build) placeFrom(n *node, err error) error {
	if err == nil {
		return nil
	}
	return b.file.errorAt(n.src.from.line, n.src.from.name, err)
}

// startNeeds begins to build what a stage is going to need.
func (b *build) startNeeds(n *node, base string, steps []*instruction) {
	start := func(name string, what func(*node) func() (*stage, error)) {
		if i, ok := b.find(name, n.index); ok {
			b.running.Go(func() { what(b.nodes[i])() }) // whoever needs it hears of its error
		}
	}
	if base != "" && !isNumber(base) {
		start(base, func(n *node) func() (*stage, error) { return n.finished })
	}
	for _, in := range steps {
		for _, name := range takesFrom(in.cmd) {
			start(name, func(n *node) func() (*stage, error) { return n.built })
		}
	}
}

// await waits for the stages that an instruction takes files from, before it counts as begun.
func (b *build) await(n *node, in *instruction) error {
	for _, name := range takesFrom(in.cmd) {
		if i, ok := b.find(name, n.index); ok {
			if _, err := b.nodes[i].built(); err != nil {
				return err
			}
		}
	}
	return nil
}

// takesFrom names the stages or images that an instruction takes files from.
func takesFrom(command instructions.Command) []string {
	var names []string
	switch c := command.(type) {
	case *instructions.CopyCommand:
		names = append(names, c.From)
	case *instructions.RunCommand:
		for _, mount := range instructions.GetMounts(c) {
			names = append(names, mount.From)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// baseName is what a stage begins with.
func (b *build) baseName(src *stageSource) (string, error) {
	base, _, err := b.words().one(src.BaseName, b.global)
	if err == nil && base == "" {
		err = withHint(errors.New(src.BaseName+" is empty here"), "give it a value: ARG … before the first FROM, or --build-arg")
	}
	return base, err
}

// slots bounds how many commands run, and layers are packed, at once.
type slots chan struct{}

func newSlots() slots { return make(slots, runtime.GOMAXPROCS(0)) }

// take waits for a slot; release gives it back.
func (s slots) take(ctx context.Context) (release func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// from begins a stage with what FROM names: an earlier stage goes before an image.
func (s *stage) from(ctx context.Context, base string) error {
	b := s.build
	if i, ok := b.find(base, s.node.index); ok && !isNumber(base) {
		parent, err := b.nodes[i].finished()
		if err != nil {
			return err
		}
		s.inherit(parent)
		return s.setTriggers(triggersOf(parent.node.src))
	}
	if _, ok := b.namedContext(base); ok {
		if err := s.fromContext(ctx, base); err != nil {
			return err
		}
	} else if base != "scratch" {
		if err := s.fromImage(ctx, base); err != nil {
			return err
		}
		s.files[0] = s.placed(s.files[0])
	}
	s.seed = s.seed.with("from", s.ids...)
	return s.setTriggers(s.config.OnBuild)
}

// placed makes errors of opening the base's layers errors of FROM, whichever instruction comes upon them.
func (s *stage) placed(open openLayers) openLayers {
	file, from := s.build.file, s.node.src.from
	return func() ([]*vfs.Layer, error) {
		layers, err := open()
		if err != nil {
			err = file.errorAt(from.line, from.name, err)
		}
		return layers, err
	}
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
