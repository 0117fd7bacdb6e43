package builder

import (
	"context"
	"errors"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

func checkAdd(c *instructions.AddCommand) error {
	switch {
	case c.Link:
		return withHint(errors.New("--link is not supported"), "leave it out: layers of a box never depend on each other's order of building")
	case len(c.ExcludePatterns) > 0:
		return withHint(errors.New("--exclude is not supported"), "list what to leave out in .boxignore")
	case c.Checksum != "":
		return withHint(errors.New("--checksum is not supported: nothing is downloaded"), "leave it out")
	case c.KeepGitDir != nil:
		return withHint(errors.New("--keep-git-dir is not supported: repositories are not fetched"), "leave it out")
	}
	return checkSources(c.SourcePaths)
}

func runAdd(ctx context.Context, s *stage, _ *instruction, c *instructions.AddCommand) error {
	cp, err := s.copying(c.SourcesAndDest, c.Chown, c.Chmod)
	if err != nil {
		return err
	}
	cp.unpack = c.Unpack == nil || *c.Unpack
	if err := checkSources(c.SourcePaths); err != nil { // again, with variables replaced
		return err
	}
	if err := cp.useContext(c.SourcePaths); err != nil {
		return err
	}
	return cp.run(ctx, "ADD", "ADD"+cp.flags+describe(c.SourcesAndDest))
}
