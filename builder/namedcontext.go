package builder

import (
	"context"
	"fmt"
	"os"
	"strings"

	"boxer.dev/oci"
)

// NamedContext is what --build-context NAME=… makes of a name that FROM or COPY --from may give: a directory, or an image.
type NamedContext struct {
	Dir   *os.Root
	Image string // if Dir is nil: as FROM would name it
}

// namedContext looks a name up. Names are compared as those of images: "alpine" and "docker.io/library/alpine:latest" are
// the same. Some names always mean what they mean.
func (b *build) namedContext(name string) (NamedContext, bool) {
	name = contextName(name)
	if len(b.opts.Contexts) == 0 || name == "scratch" || name == "context" {
		return NamedContext{}, false
	}
	for key, c := range b.opts.Contexts {
		if contextName(key) == name {
			return c, true
		}
	}
	return NamedContext{}, false
}

func contextName(name string) string {
	name = strings.ToLower(name)
	if full, err := oci.Normalize(name); err == nil {
		name = oci.Familiar(full)
	}
	return strings.TrimSuffix(name, ":latest")
}

// namedTree is the files of a named context that is a directory.
func (b *build) namedTree(name string) (*contextTree, bool, error) {
	c, ok := b.namedContext(name)
	if !ok || c.Dir == nil {
		return nil, false, nil
	}
	tree, err := b.openContext(c.Dir)
	if err != nil {
		return nil, true, fmt.Errorf("build context %s: %w", quote(name), err)
	}
	tree.name = "the build context " + quote(name)
	return tree, true, nil
}

// fromContext begins the stage with a named context. Of a directory all files are copied.
func (s *stage) fromContext(ctx context.Context, name string) error {
	tree, ok, err := s.build.namedTree(name)
	if err != nil {
		return err
	}
	if !ok {
		c, _ := s.build.namedContext(name)
		return s.fromImage(ctx, c.Image)
	}
	_, file, err := follow(tree, ".")
	if err != nil {
		return fmt.Errorf("build context %s: %w", quote(name), bare(err))
	}
	c := &copying{stage: s, from: tree, dest: "/", isDir: true, found: []match{{from: tree, path: ".", file: file}}}
	contents, err := c.contents(ctx, nil)
	if err != nil {
		return err
	}
	return s.change(ctx, s.seed.with("context", contents), "FROM "+name, func() (*madeLayer, error) {
		c.edit = s.editApart()
		if err := c.one(ctx, c.found[0]); err != nil {
			return nil, err
		}
		layer, err := s.commit(ctx, c.edit)
		s.unsure = !c.unchanged()
		return layer, err
	})
}
