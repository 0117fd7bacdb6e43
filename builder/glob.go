package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// hasWildcards is whether a source is a pattern: docker's are those of Go's filepath.Match, and "**".
func hasWildcards(pattern string) bool {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}

// unescape removes the backslashes of a source that is no pattern.
func unescape(name string) string {
	if !strings.Contains(name, `\`) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+1 < len(name) {
			i++
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// glob returns the visible names that a pattern fits, sorted. "**" stands for any number of directories; at the end of a
// pattern it stands for whatever is there, as "*" does. A directory that fits is taken as a whole: nothing in it is looked at.
func glob(t sourceTree, pattern string) ([]string, error) {
	parts := strings.Split(pattern, "/")
	// Braces are nothing special to docker, but are to doublestar.
	escape := strings.NewReplacer("{", `\{`, "}", `\}`)
	start := 0
	for start < len(parts)-1 && !hasWildcards(parts[start]) {
		parts[start] = unescape(parts[start])
		start++
	}
	for i := start; i < len(parts); i++ {
		parts[i] = escape.Replace(parts[i])
		if !doublestar.ValidatePattern(parts[i]) {
			return nil, fmt.Errorf("bad pattern %s", quote(pattern))
		}
	}
	dir, file, err := follow(t, path.Join(parts[:start]...))
	if errors.Is(err, fs.ErrNotExist) || (err == nil && !file.isDir()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	parts = parts[start:]
	if last := len(parts) - 1; parts[last] == "**" {
		parts[last] = "*"
	}
	g := globber{tree: t, parts: parts}
	err = g.walk(dir, []int{0})
	return g.found, err
}

// globber walks directories, and with each keeps which parts of the pattern the next name may fit: several, because of "**".
type globber struct {
	tree  sourceTree
	parts []string
	found []string
}

// walk collects what fits beneath dir. Links to directories are not entered.
func (g *globber) walk(dir string, at []int) error {
	names, err := g.tree.readdir(dir)
	if err != nil {
		return err
	}
	for _, base := range names {
		name := path.Join(dir, base)
		self, below := g.tree.visible(name)
		if !below {
			continue
		}
		whole, next := g.step(at, base)
		if whole && self {
			g.found = append(g.found, name)
		} else if whole || len(next) > 0 {
			if err := g.enter(name, whole, next); err != nil {
				return err
			}
		}
	}
	return nil
}

// enter goes on in a directory, unless it is itself what the pattern means.
func (g *globber) enter(name string, whole bool, next []int) error {
	file, err := g.tree.lstat(name)
	if err != nil || !file.isDir() {
		return err
	}
	if whole {
		if whole, err = present(g.tree, name, file); err != nil {
			return err
		}
	}
	switch {
	case whole:
		g.found = append(g.found, name)
	case len(next) > 0:
		return g.walk(name, next)
	}
	return nil
}

// step fits a name. whole is whether it completes the pattern; next is what names in it may fit.
func (g *globber) step(at []int, base string) (whole bool, next []int) {
	for _, i := range at {
		for ; g.parts[i] == "**"; i++ {
			next = insert(next, i)
		}
		if ok, err := doublestar.Match(g.parts[i], base); err != nil || !ok {
			continue
		}
		if i == len(g.parts)-1 {
			whole = true
		} else {
			next = insert(next, i+1)
		}
	}
	return whole, next
}

func insert(set []int, i int) []int {
	if slices.Contains(set, i) {
		return set
	}
	return append(set, i)
}
