package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
)

// COPY --parents keeps the directories of a source's name: all of them, or those behind "/./". What is before that names the
// directories to search, what is behind it is a pattern of ignore files: it fits a directory with all that is in it.

// findParents returns the directories to search for a source.
func (c *copying) findParents(src string) ([]match, error) {
	top, pattern, pivoted := strings.Cut(src, "/./")
	if !pivoted {
		top, pattern = "/", src
	}
	if _, err := c.sourcePath(src); err != nil {
		return nil, err
	}
	found, err := c.find(top)
	if err != nil {
		return nil, err
	}
	pattern = strings.TrimPrefix(path.Clean("/"+pattern), "/")
	found = slices.DeleteFunc(found, func(m match) bool { return !m.file.isDir() })
	if pattern == "" {
		return found, nil
	}
	include, err := patternmatcher.New([]string{pattern})
	if err != nil {
		return nil, fmt.Errorf("bad pattern %s", quote(pattern))
	}
	if !hasWildcards(top) && !hasWildcards(pattern) {
		if err := c.mustHave(found, unescape(pattern), src); err != nil {
			return nil, err
		}
	}
	fitting := found[:0]
	for _, m := range found {
		m.include = include
		ok, err := c.holds(m)
		if err != nil {
			return nil, err
		}
		if ok {
			fitting = append(fitting, m)
		}
	}
	return fitting, nil
}

// mustHave finds out why a name that is no pattern fits nothing.
func (c *copying) mustHave(in []match, name, src string) error {
	if len(in) == 0 {
		return c.explain(strings.TrimPrefix(path.Clean("/"+src), "/"), fs.ErrNotExist)
	}
	full := path.Join(in[0].path, name)
	file, err := c.from.lstat(full)
	if err == nil {
		var ok bool
		if ok, err = present(c.from, full, file); err == nil && !ok {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		return c.explain(full, err)
	}
	return nil
}

var errFound = errors.New("found")

// holds tells whether a directory has something that its pattern fits.
func (c *copying) holds(m match) (bool, error) {
	walk := walking{from: m.from, include: m.include}
	err := walk.search(&directory{path: m.path})
	if errors.Is(err, errFound) {
		return true, nil
	}
	return false, err
}

// search ends with errFound at the first name that is to be copied.
func (w *walking) search(d *directory) error {
	names, err := w.from.readdir(d.path)
	if err != nil {
		return fmt.Errorf("%s: %w", quote(d.path), bare(err))
	}
	for _, base := range names {
		sub := &directory{path: path.Join(d.path, base), name: path.Join(d.name, base), above: d}
		self, below, err := w.judge(sub)
		switch {
		case err != nil:
			return err
		case self:
			return errFound
		case !below:
			continue
		}
		file, err := w.from.lstat(sub.path)
		if err != nil {
			return fmt.Errorf("%s: %w", quote(sub.path), bare(err))
		}
		if file.isDir() {
			if err := w.search(sub); err != nil {
				return err
			}
		}
	}
	return nil
}
