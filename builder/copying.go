package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// copying is a COPY or ADD under way. It finds its sources first, without a look at the box: what it makes may be known from
// an earlier build.
type copying struct {
	stage  *stage
	what   instructions.SourcesAndDest
	from   sourceTree
	chown  string
	chmod  modeChange
	flags  string // those that bear on the result, as the history shows them
	unpack bool
	found  []match

	// Known by begin.
	edit  *edit
	dest  string // absolute, links resolved
	isDir bool   // dest was written as one
	owner *owner // nil: the source's
}

type owner struct{ uid, gid uint32 }

func (s *stage) copying(what instructions.SourcesAndDest, chown, chmod string) (*copying, error) {
	mode, err := parseModeChange(chmod)
	flags := shownFlag("chown", chown) + shownFlag("chmod", chmod)
	return &copying{stage: s, what: what, chown: chown, chmod: mode, flags: flags}, err
}

// run copies, unless an earlier build has copied the same.
func (c *copying) run(ctx context.Context, name, createdBy string) error {
	if err := c.findAll(); err != nil {
		return err
	}
	s := c.stage
	key := s.seed.with(name, s.config.WorkingDir, c.flags, describe(c.what))
	return s.change(ctx, key, createdBy, func() (*madeLayer, error) {
		if err := c.begin(); err != nil {
			return nil, err
		}
		if err := c.all(ctx); err != nil {
			return nil, errors.Join(err, c.edit.close())
		}
		return s.commit(ctx, c.edit)
	})
}

// begin looks at where the copies go.
func (c *copying) begin() (err error) {
	if c.edit, err = c.stage.edit(); err != nil {
		return err
	}
	if c.chown != "" {
		uid, gid, err := c.stage.lookUpUser(c.edit.tree, c.chown)
		if err != nil {
			return fmt.Errorf("--chown=%s: %w", c.chown, err)
		}
		c.owner = &owner{uid, gid}
	}
	dest := c.what.DestPath
	c.isDir = dest == "" || dest == "." || dest == ".." || strings.HasSuffix(dest, "/") || strings.HasSuffix(dest, "/.") || strings.HasSuffix(dest, "/..")
	c.dest, err = c.edit.resolve(c.stage.inWorkdir(dest))
	return err
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

// useStage copies from another stage or image.
func (c *copying) useStage(ctx context.Context, name string) error {
	source, err := c.stage.build.source(ctx, name, c.stage)
	if err != nil {
		return err
	}
	tree, err := source.tree()
	c.from = boxTree{fs: tree, name: quote(name)}
	return err
}

// match is one file or directory that a source stands for.
type match struct {
	base string // the name it was found under
	path string // with links resolved
	file sourceFile
}

// findAll finds what is to be copied.
func (c *copying) findAll() error {
	for _, src := range c.what.SourcePaths {
		found, err := c.find(src)
		if err != nil {
			return err
		}
		c.found = append(c.found, found...)
	}
	if len(c.found)+len(c.what.SourceContents) == 0 {
		return withHint(fmt.Errorf("nothing in %s fits %s", c.from, quote(strings.Join(c.what.SourcePaths, " "))), "%s", c.ignoreHint())
	}
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
	for _, doc := range c.what.SourceContents {
		t := memoryTree{file: doc.Path, data: doc.Data, epoch: c.edit.epoch}
		file, err := t.lstat(doc.Path)
		if err != nil {
			return err
		}
		if err := c.place(t, doc.Path, doc.Path, file); err != nil {
			return err
		}
	}
	return nil
}

// checkDestination refuses several files for one name.
func (c *copying) checkDestination() error {
	files, sources := len(c.what.SourceContents), len(c.found)+len(c.what.SourceContents)
	for _, m := range c.found {
		if !m.file.isDir() {
			files++
		}
	}
	if c.isDir || sources < 2 || files == 0 {
		return nil
	}
	if st, err := c.edit.tree.Stat(c.dest); err == nil && st.IsDir() {
		return nil
	}
	return withHint(fmt.Errorf("%d sources for one destination", sources),
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
		found = append(found, match{base: path.Base(name), path: resolved, file: file})
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
			return "", withHint(fmt.Errorf("%s is outside of the build context", quote(src)), "build with a directory that holds it, and -f for the Boxfile")
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
		return c.contents(ctx, &directory{path: m.path, dest: c.dest, made: true})
	}
	if !m.file.mode.IsRegular() {
		return fmt.Errorf("%s is %s, not a file or directory", quote(m.path), kindOf(m.file.mode))
	}
	if c.unpack {
		unpacked, err := c.tryUnpack(ctx, m)
		if err != nil || unpacked {
			return err
		}
	}
	return c.place(c.from, m.path, m.base, m.file)
}

// place copies a regular file to the destination, or into it if that is a directory.
func (c *copying) place(from sourceTree, name, base string, file sourceFile) error {
	target := c.dest
	st, err := c.edit.tree.Stat(c.dest)
	if c.isDir || (err == nil && st.IsDir()) {
		target = path.Join(c.dest, base)
	}
	if err := c.makeDest(path.Dir(target)); err != nil {
		return err
	}
	return c.file(from, name, target, file)
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
	return c.edit.create(target, c.attributes(file), content{
		size: file.size,
		open: func() (io.ReadCloser, error) { return from.open(name) },
	})
}

// directory is one whose contents are being copied. It is made when it is itself to be copied, or something in it is.
type directory struct {
	path, dest string
	attributes attributes
	made       bool
	above      *directory
}

func (c *copying) make(d *directory) error {
	if d.made {
		return nil
	}
	if err := c.make(d.above); err != nil {
		return err
	}
	d.made = true
	return c.edit.mkdir(d.dest, d.attributes)
}

// contents copies what is in a directory.
func (c *copying) contents(ctx context.Context, d *directory) error {
	names, err := c.from.readdir(d.path)
	if err != nil {
		return fmt.Errorf("%s: %w", quote(d.path), bare(err))
	}
	for _, base := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := path.Join(d.path, base)
		self, below := c.from.visible(name)
		if !below {
			continue
		}
		if err := c.member(ctx, d, name, path.Join(d.dest, base), self); err != nil {
			return err
		}
	}
	return nil
}

// member copies what is found in a directory. A directory that rules leave out is only searched for what they bring back.
func (c *copying) member(ctx context.Context, d *directory, name, dest string, visible bool) error {
	file, err := c.from.lstat(name)
	if err != nil {
		return fmt.Errorf("%s: %w", quote(name), bare(err))
	}
	if file.isDir() {
		sub := &directory{path: name, dest: dest, attributes: c.attributes(file), above: d}
		if visible {
			if err := c.make(sub); err != nil {
				return err
			}
		}
		return c.contents(ctx, sub)
	}
	if !visible {
		return nil
	}
	if err := c.make(d); err != nil {
		return err
	}
	switch {
	case file.mode.Type() == fs.ModeSymlink:
		target, err := c.from.readlink(name)
		if err != nil {
			return fmt.Errorf("%s: %w", quote(name), bare(err))
		}
		return c.edit.symlink(target, dest, c.attributes(file))
	case file.mode.IsRegular():
		return c.file(c.from, name, dest, file)
	}
	c.stage.warn(fmt.Sprintf("%s is %s and was not copied", quote(name), kindOf(file.mode)))
	return nil
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
