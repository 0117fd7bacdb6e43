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

// walking goes through a directory: all that rules do not leave out, or only what a pattern of --parents fits.
type walking struct {
	from    sourceTree
	include *patternmatcher.PatternMatcher // nil: everything
	exclude *patternmatcher.PatternMatcher // nil: nothing
	to      visitor
}

// visitor is given what a walk comes upon: a directory before what is in it.
type visitor interface {
	directory(d *directory, file sourceFile) error
	symlink(at *directory, file sourceFile, target string) error
	file(at *directory, file sourceFile) error
	other(at *directory, file sourceFile)
}

// directory is one that is walked through, or a file in one. It is visited when it is itself meant, or something in it is.
type directory struct {
	path, dest string
	file       sourceFile
	made       bool
	above      *directory

	name               string // relative to the directory that the source names; empty: that one
	included, excluded patternmatcher.MatchInfo
}

func (w *walking) make(d *directory) error {
	if d.made {
		return nil
	}
	if err := w.make(d.above); err != nil {
		return err
	}
	d.made = true
	return w.to.directory(d, d.file)
}

// contents goes through what is in a directory.
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

// judge tells whether a name is meant and, if not, whether something beneath it may be.
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

// member visits what is found in a directory. A directory that is left out is only searched for what is not.
func (w *walking) member(ctx context.Context, d *directory, self bool) error {
	file, err := w.from.lstat(d.path)
	if err != nil {
		return fmt.Errorf("%s: %w", quote(d.path), bare(err))
	}
	if file.isDir() {
		d.file = file
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
		return w.to.symlink(d, file, target)
	case file.mode.IsRegular():
		return w.to.file(d, file)
	}
	w.to.other(d, file)
	return nil
}

// copyingTo copies what a walk comes upon.
type copyingTo struct {
	*copying
	from sourceTree
}

func (c copyingTo) directory(d *directory, file sourceFile) error {
	return c.edit.mkdir(d.dest, c.attributes(file))
}

func (c copyingTo) symlink(at *directory, file sourceFile, target string) error {
	return c.edit.symlink(target, at.dest, c.attributes(file))
}

func (c copyingTo) file(at *directory, file sourceFile) error {
	return c.copying.file(c.from, at.path, at.dest, file)
}

func (c copyingTo) other(at *directory, file sourceFile) {
	c.stage.warn(fmt.Sprintf("%s is %s and was not copied", quote(at.path), kindOf(file.mode)))
}
