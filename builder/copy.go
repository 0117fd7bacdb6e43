package builder

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// COPY and ADD, as docker build has them (https://docs.docker.com/reference/dockerfile/#copy):
//
//   - A source names files of the context; a pattern may fit several. A symlink that is named is followed, one that lies in a
//     copied directory stays one.
//   - A directory's contents are copied, not the directory.
//   - A destination that ends in "/" or is a directory takes files under their own names; any other is the copy's name.
//   - Missing directories are made. Directories that exist already stay, what is in them is replaced name by name.
//
// Where docker build lets pass what can only be a mistake (a pattern that nothing fits, several sources for one name, ".." out
// of the context), this one says so.

func checkCopy(c *instructions.CopyCommand) error {
	switch {
	case c.Link:
		return withHint(errors.New("--link is not supported"), "leave it out: layers of a box never depend on each other's order of building")
	case c.Parents:
		return withHint(errors.New("--parents is not supported"), "name the destination of each directory: COPY a/b/ /dest/a/b/")
	case len(c.ExcludePatterns) > 0:
		return withHint(errors.New("--exclude is not supported"), "list what to leave out in .boxignore")
	case strings.ContainsAny(c.From, "$"):
		return withHint(errors.New("--from takes no variables"), "use the variable in FROM … AS name, and --from=name")
	}
	return checkSources(c.SourcePaths)
}

// checkSources refuses what only ADD of docker could fetch.
func checkSources(sources []string) error {
	for _, src := range sources {
		if kind := remote(src); kind != "" {
			return withHint(fmt.Errorf("%s: %s is not fetched", quote(src), kind), "download it first, and COPY it from the context: a build reads nothing else")
		}
	}
	return nil
}

func remote(src string) string {
	switch {
	case strings.HasPrefix(src, "git@"), strings.HasPrefix(src, "git://"), strings.HasPrefix(src, "ssh://"):
		return "a git repository"
	case strings.HasPrefix(src, "http://"), strings.HasPrefix(src, "https://"):
		if address, _, _ := strings.Cut(src, "#"); strings.HasSuffix(address, ".git") {
			return "a git repository"
		}
		return "a URL"
	}
	return ""
}

func runCopy(ctx context.Context, s *stage, _ *instruction, c *instructions.CopyCommand) error {
	cp, err := s.copying(c.SourcesAndDest, c.Chown, c.Chmod)
	if err != nil {
		return err
	}
	if c.From == "" {
		err = cp.useContext(c.SourcePaths)
	} else {
		err = cp.useStage(ctx, c.From)
	}
	if err != nil {
		return err
	}
	return cp.run(ctx, "COPY", "COPY"+shownFlag("from", c.From)+cp.flags+describe(c.SourcesAndDest))
}

func shownFlag(name, value string) string {
	if value == "" {
		return ""
	}
	return " --" + name + "=" + value
}

// describe is how the history shows sources and destination.
func describe(c instructions.SourcesAndDest) string {
	var b strings.Builder
	for _, src := range c.SourcePaths {
		b.WriteString(" " + src)
	}
	for _, doc := range c.SourceContents {
		b.WriteString(" <<" + doc.Path)
	}
	return b.String() + " " + c.DestPath
}
