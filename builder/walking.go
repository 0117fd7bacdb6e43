package builder

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
)

// walking copies what is in a directory: all that rules do not leave out, or only what a pattern of --parents fits.
type walking struct {
	*copying
	from    sourceTree
	include *patternmatcher.PatternMatcher // nil: everything
}

// directory is one whose contents are being copied. It is made when it is itself to be copied, or something in it is.
type directory struct {
	path, dest string
	attributes attributes
	made       bool
	above      *directory

	name               string // relative to the directory that the source names; empty: that one
	included, excluded patternmatcher.MatchInfo
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
func (w *walking) contents(ctx context.Context, d *directory) error {
	names, err := w.from.readdir(d.path)
	if err != nil {
		return fmt.Errorf("%s: %w", quote(d.path), bare(err))
	}
	for _, base := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		sub := &directory{path: path.Join(d.path, base), dest: path.Join(d.dest, base), name: path.Join(d.name, base), above: d}
		self, below, err := w.judge(sub)
		if err != nil {
			return err
		}
		if !below {
			continue
		}
		if err := w.member(ctx, sub, self); err != nil {
			return err
		}
	}
	return nil
}

// judge tells whether a name is to be copied and, if not, whether something beneath it may be.
func (w *walking) judge(d *directory) (self, below bool, err error) {
	if self, below = w.from.visible(d.path); !below {
		return false, false, nil
	}
	if w.exclude != nil {
		var excluded bool
		excluded, d.excluded, err = w.exclude.MatchesUsingParentResults(d.name, d.above.excluded)
		if err != nil {
			return false, false, fmt.Errorf("--exclude: %w", err)
		}
		self, below = self && !excluded, below && (!excluded || w.exclude.Exclusions())
	}
	if w.include != nil {
		var included bool
		included, d.included, err = w.include.MatchesUsingParentResults(d.name, d.above.included)
		if err != nil {
			return false, false, fmt.Errorf("--parents: %w", err)
		}
		self, below = self && included, below && (included || couldInclude(w.include, d.name))
	}
	return self, below, nil
}

func couldInclude(m *patternmatcher.PatternMatcher, name string) bool {
	parts := strings.Split(name, "/")
	for _, p := range m.Patterns() {
		if couldFitBeneath(strings.Split(filepath.ToSlash(p.String()), "/"), parts) {
			return true
		}
	}
	return false
}

// member copies what is found in a directory. A directory that is left out is only searched for what is not.
func (w *walking) member(ctx context.Context, d *directory, self bool) error {
	file, err := w.from.lstat(d.path)
	if err != nil {
		return fmt.Errorf("%s: %w", quote(d.path), bare(err))
	}
	if file.isDir() {
		d.attributes = w.attributes(file)
		if self {
			if err := w.make(d); err != nil {
				return err
			}
		}
		return w.contents(ctx, d)
	}
	if !self {
		return nil
	}
	if err := w.make(d.above); err != nil {
		return err
	}
	switch {
	case file.mode.Type() == fs.ModeSymlink:
		target, err := w.from.readlink(d.path)
		if err != nil {
			return fmt.Errorf("%s: %w", quote(d.path), bare(err))
		}
		return w.edit.symlink(target, d.dest, w.attributes(file))
	case file.mode.IsRegular():
		return w.file(w.from, d.path, d.dest, file)
	}
	w.stage.warn(fmt.Sprintf("%s is %s and was not copied", quote(d.path), kindOf(file.mode)))
	return nil
}
