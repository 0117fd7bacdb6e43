package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/patternmatcher"
)

// copying is a COPY or ADD under way. It finds its sources first, without a look at the box: what it makes may be known from
// an earlier build.
type copying struct {
	stage   *stage
	what    instructions.SourcesAndDest
	options copyFlags
	from    sourceTree // of sources that are neither fetched nor in the Boxfile
	origin  *stage     // whose files are copied; nil: none's. from is then set when they are looked at
	image   string     // the origin's name
	chmod   modeChange
	unpack  bool
	parents bool
	exclude *patternmatcher.PatternMatcher // nil: nothing
	remote  remoteOptions
	found   []match
	cleanup []func() error

	// What they are in, as far as it was digested; the digest that the cache expects of what was not; whether it was another.
	seen     []*seenTree
	expected string
	changed  bool

	// Known by begin.
	edit  *edit
	dest  string // absolute, links resolved
	isDir bool   // dest was written as one
	owner *owner // nil: the source's
}

type owner struct{ uid, gid uint32 }

// copyFlags are the flags that COPY and ADD have in common.
type copyFlags struct {
	chown, chmod string
	link         bool
	exclude      []string
}

// String shows the flags as the history does.
func (f copyFlags) String() string {
	return shownSwitch("link", f.link) + shownFlag("chown", f.chown) + shownFlag("chmod", f.chmod) + shownFlag("exclude", f.exclude...)
}

func (s *stage) copying(what instructions.SourcesAndDest, flags copyFlags) (*copying, error) {
	c := &copying{stage: s, what: what, options: flags}
	var err error
	if c.chmod, err = parseModeChange(flags.chmod); err != nil {
		return nil, err
	}
	if len(flags.exclude) > 0 {
		if c.exclude, err = patternmatcher.New(slashless(flags.exclude)); err != nil {
			return nil, fmt.Errorf("--exclude=%s: %w", strings.Join(flags.exclude, " --exclude="), err)
		}
	}
	return c, nil
}

// run copies, unless an earlier build has copied the same. flags are those that the copies depend on, besides --from.
func (c *copying) run(ctx context.Context, name, from, flags string) (err error) {
	defer func() { err = errors.Join(err, closeAll(c.cleanup)) }()
	text := describe(c.what)
	request := c.request(name + flags)
	contents, err := c.contents(ctx, request)
	if err != nil {
		return err
	}
	below := c.stage.seed
	if c.options.link {
		below = seed{}
	}
	key := below.with("copy", append(request, c.stage.config.WorkingDir, c.what.DestPath, contents)...)
	return c.stage.change(ctx, key, name+from+flags+text, func() (*madeLayer, error) { return c.carryOut(ctx) })
}

// request is what decides, besides the files that are there, what is copied. Nothing else gives the same list: names may hold
// what separates words in the history.
func (c *copying) request(flags string) []string {
	list := append([]string{flags, strconv.FormatBool(c.unpack), strconv.Itoa(len(c.options.exclude))}, c.options.exclude...)
	return append(append(list, strconv.Itoa(len(c.what.SourcePaths))), c.what.SourcePaths...)
}

// carryOut copies.
func (c *copying) carryOut(ctx context.Context) (*madeLayer, error) {
	if err := c.findAll(ctx); err != nil {
		return nil, err
	}
	if err := c.checkFetched(ctx); err != nil {
		return nil, err
	}
	if err := c.begin(); err != nil {
		return nil, err
	}
	if err := c.all(ctx); err != nil {
		return nil, errors.Join(err, c.edit.close())
	}
	layer, err := c.stage.commit(ctx, c.edit)
	c.stage.unsure = !c.unchanged()
	return layer, err
}

// begin looks at where the copies go.
func (c *copying) begin() (err error) {
	if c.options.link {
		c.edit = c.stage.editApart()
	} else if c.edit, err = c.stage.edit(); err != nil {
		return err
	}
	if c.owner, err = c.stage.copyOwner(c.edit, c.options); err != nil {
		return err
	}
	dest := c.what.DestPath
	c.isDir = endsAsDirectory(dest)
	c.dest, err = c.edit.resolve(c.stage.inWorkdir(dest))
	return err
}

// endsAsDirectory is whether a path says that it is one of a directory.
func endsAsDirectory(p string) bool {
	return p == "" || p == "." || p == ".." || strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")
}

// slashless makes patterns relative to what they are applied to, as names are.
func slashless(patterns []string) []string {
	relative := make([]string, len(patterns))
	for i, p := range patterns {
		not, rest, found := "", p, false
		if rest, found = strings.CutPrefix(p, "!"); found {
			not = "!"
		}
		relative[i] = not + strings.TrimPrefix(rest, "/")
	}
	return relative
}

func (s *stage) copyOwner(e *edit, flags copyFlags) (*owner, error) {
	if flags.chown == "" {
		return nil, nil
	}
	if flags.link {
		// There are no accounts where nothing of the box may be looked at; root is the same everywhere.
		flags.chown = rootByNumber(flags.chown)
		for part := range strings.SplitSeq(flags.chown, ":") {
			if _, ok := parseID(part); !ok {
				return nil, withHint(fmt.Errorf("--chown=%s: names are looked up in the box, which --link must not depend on", flags.chown), "give numbers: --chown=1000:1000")
			}
		}
	}
	uid, gid, err := s.lookUpUser(e.tree, flags.chown)
	if err != nil {
		return nil, fmt.Errorf("--chown=%s: %w", flags.chown, err)
	}
	return &owner{uid, gid}, nil
}

func rootByNumber(spec string) string {
	parts := strings.Split(spec, ":")
	for i, part := range parts {
		if part == "root" {
			parts[i] = "0"
		}
	}
	return strings.Join(parts, ":")
}

func (c *copying) useContext(sources []string) error {
	if c.stage.build.sources == nil {
		if len(sources) == 0 {
			return nil
		}
		return withHint(errors.New("there is no build context to copy from"), "give `boxer build` a directory")
	}
	c.from = c.stage.build.sources
	return nil
}

// useStage copies from another stage, an image or a named context.
func (c *copying) useStage(ctx context.Context, name string) error {
	if tree, ok, err := c.stage.build.namedTree(name); ok {
		c.from = tree
		return err
	}
	origin, err := c.stage.build.source(ctx, name, c.stage)
	c.origin, c.image = origin, name
	return err
}

// look opens the files that sources are looked up in.
func (c *copying) look() error {
	if c.origin == nil {
		return nil
	}
	tree, err := c.origin.tree()
	c.from = boxTree{fs: tree, name: quote(c.image)}
	return err
}

// match is one file or directory that a source stands for.
type match struct {
	from    sourceTree
	base    string // the name it was found under
	path    string // with links resolved
	file    sourceFile
	include *patternmatcher.PatternMatcher // of a directory only what this fits is meant; nil: all
	plain   bool                           // archives stay what they are
}

// findAll finds, and fetches where that is needed, all that is to be copied, unless it was found before.
func (c *copying) findAll(ctx context.Context) error {
	if c.found != nil {
		return nil
	}
	if err := c.look(); err != nil {
		return err
	}
	for _, src := range c.what.SourcePaths {
		found, err := c.source(ctx, src)
		if err != nil {
			return err
		}
		c.found = append(c.found, found...)
	}
	for _, doc := range c.what.SourceContents {
		t := memoryTree{file: doc.Path, data: doc.Data, epoch: c.stage.build.epoch}
		file, err := t.lstat(doc.Path)
		if err != nil {
			return err
		}
		c.found = append(c.found, match{from: t, base: doc.Path, path: doc.Path, file: file, plain: true})
	}
	if len(c.found) == 0 {
		return withHint(fmt.Errorf("nothing in %s fits %s", c.from, quote(strings.Join(c.what.SourcePaths, " "))), "%s", c.ignoreHint())
	}
	c.found = slices.DeleteFunc(c.found, c.excludesWhole)
	return nil
}

func (c *copying) all(ctx context.Context) error {
	if err := c.checkDestination(); err != nil {
		return err
	}
	for _, m := range c.found {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.one(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (c *copying) source(ctx context.Context, src string) ([]match, error) {
	switch {
	case c.remote.allowed && remote(src) != "":
		return c.fetch(ctx, src)
	case c.parents:
		return c.findParents(src)
	}
	return c.find(src)
}

// excludesWhole tells whether --exclude leaves out a file that a source names or fits. Of a directory that is copied only the
// contents are judged.
func (c *copying) excludesWhole(m match) bool {
	if c.exclude == nil || m.file.isDir() {
		return false
	}
	excluded, err := c.exclude.MatchesOrParentMatches(m.base)
	return excluded && err == nil
}

// checkDestination refuses several files for one name.
func (c *copying) checkDestination() error {
	isFile := func(m match) bool { return !m.file.isDir() }
	if c.isDir || len(c.found) < 2 || !slices.ContainsFunc(c.found, isFile) {
		return nil
	}
	if st, err := c.edit.tree.Stat(c.dest); err == nil && st.IsDir() {
		return nil
	}
	return withHint(fmt.Errorf("%d sources for one destination", len(c.found)),
		"if %s is to be a directory, end it with a slash: %s/", quote(c.what.DestPath), c.what.DestPath)
}

// find returns what a source stands for. A pattern may stand for nothing, a name may not.
func (c *copying) find(src string) ([]match, error) {
	clean, err := c.sourcePath(src)
	if err != nil {
		return nil, err
	}
	names := []string{unescape(clean)}
	if hasWildcards(clean) {
		if names, err = glob(c.from, clean); err != nil {
			return nil, err
		}
	}
	var found []match
	for _, name := range names {
		resolved, file, err := follow(c.from, name)
		if err == nil {
			var ok bool
			if ok, err = present(c.from, resolved, file); err == nil && !ok {
				err = fs.ErrNotExist
			}
		}
		if err != nil {
			return nil, c.explain(name, err)
		}
		found = append(found, match{from: c.from, base: path.Base(name), path: resolved, file: file})
	}
	return found, nil
}

// sourcePath makes a source relative to its tree. Absolute ones are, too: "/" is the context.
func (c *copying) sourcePath(src string) (string, error) {
	depth := 0
	for part := range strings.SplitSeq(src, "/") {
		switch part {
		case "", ".":
		case "..":
			depth--
		default:
			depth++
		}
		if depth < 0 && !c.from.rooted() {
			return "", withHint(fmt.Errorf("%s is outside of %s", quote(src), c.from), "build with a directory that holds it, and -f for the Boxfile")
		}
	}
	clean := strings.TrimPrefix(path.Clean("/"+src), "/")
	if clean == "" {
		clean = "."
	}
	return clean, nil
}

// explain says why a source cannot be had, and what may be meant instead.
func (c *copying) explain(name string, err error) error {
	switch {
	case errors.Is(err, errOutside):
		return withHint(fmt.Errorf("%s is a symlink: %w", quote(name), err), "copy what it points to into the context")
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid):
		return fmt.Errorf("%s: %w", quote(name), bare(err))
	}
	missing := fmt.Errorf("%s is not in %s", quote(name), c.from)
	if _, _, err := follow(c.from, name); err == nil {
		return withHint(missing, "%s", c.ignoreHint())
	}
	dir, base := path.Split(name)
	relative := withHint(missing, "names are relative to the directory that is built")
	siblings, err := c.from.readdir(path.Clean(dir))
	if err != nil {
		return relative
	}
	siblings = slices.DeleteFunc(siblings, func(s string) bool {
		self, _ := c.from.visible(path.Join(dir, s))
		return !self
	})
	if near := nearest(base, siblings); near != "" {
		return withHint(missing, "did you mean %s?", quote(path.Join(dir, near)))
	}
	return relative
}

// ignoreHint points at the ignore rules, if there are any.
func (c *copying) ignoreHint() string {
	if t, ok := c.from.(*contextTree); ok && t.rules != "" {
		return "the rules in " + t.rules + " may leave it out: a line `!NAME` there brings a file back"
	}
	return "names are relative to the directory that is built"
}

// bare takes the operation and the path out of an error: the message has them already.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// one copies what a source stands for.
func (c *copying) one(ctx context.Context, m match) error {
	if m.file.isDir() {
		if err := c.makeDest(c.dest); err != nil {
			return err
		}
		walk := walking{from: m.from, include: m.include, exclude: c.exclude, to: copyingTo{c, m.from}}
		return walk.contents(ctx, &directory{path: m.path, dest: c.dest, made: true})
	}
	if !m.file.mode.IsRegular() {
		return fmt.Errorf("%s is %s, not a file or directory", quote(m.path), kindOf(m.file.mode))
	}
	if c.unpack && !m.plain {
		unpacked, err := c.tryUnpack(ctx, m)
		if err != nil || unpacked {
			return err
		}
	}
	return c.place(m)
}

// place copies a regular file to the destination, or into it if that is a directory.
func (c *copying) place(m match) error {
	target := c.dest
	st, err := c.edit.tree.Stat(c.dest)
	if c.isDir || (err == nil && st.IsDir()) {
		target = path.Join(c.dest, m.base)
	}
	if err := c.makeDest(path.Dir(target)); err != nil {
		return err
	}
	return c.file(m.from, m.path, target, m.file)
}

func (c *copying) makeDest(dir string) error {
	var o owner
	if c.owner != nil {
		o = *c.owner
	}
	return c.edit.mkdirAll(dir, o.uid, o.gid)
}

// attributes are those of the copy of a file.
func (c *copying) attributes(file sourceFile) attributes {
	a := file.attributes
	if c.owner != nil {
		a.uid, a.gid = c.owner.uid, c.owner.gid
	}
	a.mode = c.chmod.apply(a.mode)
	return a
}

func (c *copying) file(from sourceTree, name, target string, file sourceFile) error {
	if err := file.unpackable(name); err != nil {
		return err
	}
	return c.edit.create(target, c.attributes(file), content{
		size: file.size,
		open: func() (io.ReadCloser, error) { return from.open(name) },
	})
}

func kindOf(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeNamedPipe:
		return "a named pipe"
	case fs.ModeSocket:
		return "a socket"
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		return "a device"
	}
	return "no ordinary file"
}
