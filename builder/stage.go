package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// stage is a stage as far as it has been built: what an image consists of, and what instructions hand to later ones.
type stage struct {
	build *build
	node  *node
	name  string // empty if it is the only one

	base   v1.Image
	config v1.Config
	author string
	// startInterval belongs to config.Healthcheck, whose type does not have it.
	startInterval time.Duration
	files         []openLayers      // of the base, and those made here, lowest first
	ids           []string          // diff ids of the base's layers and of those made here
	added         []mutate.Addendum // on top of the base

	env    environment // what variables expand to: the image's, and those of ARG
	args   environment // build arguments that RUN sees and the history shows
	cmdSet bool        // by this stage
	seed   seed        // follows from all that went into the stage

	records []*oci.CacheRecord // that the stage was made with
	unsure  bool               // what the step leaves may not be what its key in the cache says

	linter     *linter.Linter
	current    *instruction            // being carried out, or nil
	once       map[string]*instruction // the last of each kind of which one counts
	workdirSet bool                    // in this Boxfile

	triggers []*instruction // those of ONBUILD in what the stage starts from
	snapshot *instruction   // the last SNAPSHOT, to be carried out by finish; nil: none

	index, total int
	step         *Step // being carried out, or nil
}

// openLayers opens layers when somebody looks at the files in them, and not again: a stage that comes from the cache as a whole
// needs none.
type openLayers func() ([]*vfs.Layer, error)

func newStage(b *build, n *node) *stage {
	s := &stage{build: b, node: n, base: empty.Image}
	s.linter = b.newLinter(s.tell)
	return s
}

// warn warns about the instruction being carried out.
func (s *stage) warn(text string) {
	w := Warning{Text: text}
	if s.step != nil {
		w.Line = s.step.Line
	}
	s.tell(w)
}

// tell tells of a warning.
func (s *stage) tell(w Warning) {
	s.build.lock.Lock()
	s.node.warnings = append(s.node.warnings, w)
	s.build.lock.Unlock()
	s.build.opts.Progress.Warn(w)
}

func (s *stage) inherit(parent *stage) {
	s.base, s.author, s.startInterval = parent.base, parent.author, parent.startInterval
	s.config = *parent.config.DeepCopy()
	s.files = slices.Clone(parent.files)
	s.ids, s.added, s.records = slices.Clone(parent.ids), slices.Clone(parent.added), slices.Clone(parent.records)
	s.env, s.args, s.seed = parent.env, parent.args, parent.seed
	s.workdirSet = parent.workdirSet
}

// fromImage begins the stage with an image.
func (s *stage) fromImage(ctx context.Context, ref string) error {
	b := s.build
	if b.opts.Resolve == nil || b.opts.Rootfs == nil {
		return withHint(fmt.Errorf("%s: there are no images to start from", quote(ref)), "FROM scratch needs none")
	}
	img, note, err := b.opts.Resolve(ctx, ref)
	if err != nil {
		return err
	}
	b.note(note)
	file, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("reading the configuration of %s: %w", quote(ref), err)
	}
	if err := checkBasePlatform(ref, file); err != nil {
		return err
	}
	s.startInterval = startIntervalOf(img)
	s.base, s.author, s.files = img, file.Author, []openLayers{b.rootfs(ref, img)}
	for _, id := range file.RootFS.DiffIDs {
		s.ids = append(s.ids, id.String())
	}
	s.config = *file.Config.DeepCopy()
	s.env = environment(slices.Clone(s.config.Env))
	return nil
}

// rootfs opens an image's files.
func (b *build) rootfs(ref string, img v1.Image) openLayers {
	return sync.OnceValues(func() ([]*vfs.Layer, error) {
		root, err := b.opts.Rootfs(img)
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", quote(ref), err)
		}
		b.closeLater(root.Close)
		return root.Layers, nil
	})
}

// checkBasePlatform refuses images that no program of a box could live in.
func checkBasePlatform(ref string, file *v1.ConfigFile) error {
	platform := file.OS + "/" + file.Architecture
	switch platform {
	case oci.Platform.OS + "/" + oci.Platform.Architecture, "wasi/wasm", "wasi/wasm32", "/":
		return nil
	}
	return withHint(fmt.Errorf("%s is an image for %s, not for %s/%s", quote(ref), printable(platform), oci.Platform.OS, oci.Platform.Architecture),
		"the programs in it are not WebAssembly; `FROM python`, `FROM ubuntu` and their like stand for boxes that are")
}

// layers opens the stage's layers.
func (s *stage) layers() ([]*vfs.Layer, error) {
	var all []*vfs.Layer
	for _, open := range s.files {
		opened, err := open()
		if err != nil {
			return nil, err
		}
		all = append(all, opened...)
	}
	return all, nil
}

// tree returns a tree of its own over the stage's files.
func (s *stage) tree() (*vfs.FS, error) {
	layers, err := s.layers()
	if err != nil {
		return nil, err
	}
	return vfs.New(layers...), nil
}

// do carries out one instruction and tells of it.
func (s *stage) do(ctx context.Context, in *instruction) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !handlers[strings.ToLower(in.name)].step {
		return s.dispatch(ctx, in)
	}
	return s.show(in, func() error { return s.dispatch(ctx, in) })
}

// show carries out an instruction as a step that is told of.
func (s *stage) show(in *instruction, carryOut func() error) error {
	s.index++
	s.step = &Step{Stage: s.name, Index: s.index, Total: s.total, Line: in.line, Instruction: in.text}
	progress := s.build.opts.Progress
	progress.Start(s.step)
	began := time.Now()
	err := carryOut()
	s.step.Duration = time.Since(began)
	progress.Done(s.step, err)
	s.build.lock.Lock()
	s.node.steps = append(s.node.steps, *s.step)
	s.build.lock.Unlock()
	s.step = nil
	return err
}

// setEnv sets a variable of the image.
func (s *stage) setEnv(key, value string) {
	s.env = s.env.with(key, value)
	s.config.Env = environment(s.config.Env).with(key, value)
}

// defaultPath is what PATH expands to where an image has none, as in docker. The runtime looks there for its programs.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// variables are what words expand with.
func (s *stage) variables() environment {
	if _, ok := s.env.Get("PATH"); ok {
		return s.env
	}
	return s.env.with("PATH", defaultPath)
}

func (s *stage) expandWord(word string) (string, error) {
	env := s.variables()
	expanded, unmatched, err := s.build.words().one(word, env)
	s.lintUndefined(unmatched, env)
	return expanded, err
}

// expandWords is expandWord with the result split at blanks outside of quotes.
func (s *stage) expandWords(word string) ([]string, error) {
	return s.build.words().several(word, s.variables())
}

// expandRaw replaces variables and leaves quotes alone, as in the text of a here-document.
func (s *stage) expandRaw(word string) (string, error) {
	words := words{shell.NewLex('\\'), &s.build.expanded}
	words.SkipProcessQuotes = true
	env := s.variables()
	expanded, unmatched, err := words.one(word, env)
	s.lintUndefined(unmatched, env)
	return expanded, err
}

// user looks up "user", "user:group" and their numbers in the box. A group left out is the user's.
func (s *stage) lookUpUser(tree *vfs.FS, spec string) (uid, gid uint32, err error) {
	if spec == "" {
		return 0, 0, nil
	}
	name, group, hasGroup := strings.Cut(spec, ":")
	if name == "" && !hasGroup {
		return 0, 0, errors.New("no user is named")
	}
	if name != "" {
		if uid, gid, err = findUser(tree, name); err != nil {
			return 0, 0, err
		}
	}
	if hasGroup && group != "" {
		gid, err = findGroup(tree, group)
	}
	return uid, gid, err
}
