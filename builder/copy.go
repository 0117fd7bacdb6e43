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
//   - --link copies into an empty tree, which becomes the layer: it does not depend on what is below, and puts a directory
//     where that has a symlink.
//   - --exclude leaves out what its patterns fit, relative to the directory that a source names.
//
// Where docker build lets pass what can only be a mistake (a pattern that nothing fits, several sources for one name, ".." out
// of the context), this one says so.

func checkCopy(c *instructions.CopyCommand) error {
	if strings.ContainsAny(c.From, "$") {
		return withHint(errors.New("--from takes no variables"), "use the variable in FROM … AS name, and --from=name")
	}
	return checkSources(c.SourcePaths)
}

// checkSources refuses what only ADD can fetch.
func checkSources(sources []string) error {
	for _, src := range sources {
		if kind := remote(src); kind != "" {
			return withHint(fmt.Errorf("%s: %s is not fetched", quote(src), kind), "ADD fetches it")
		}
	}
	return nil
}

func runCopy(ctx context.Context, s *stage, _ *instruction, c *instructions.CopyCommand) error {
	if err := checkSources(c.SourcePaths); err != nil { // again, with variables replaced
		return err
	}
	cp, err := s.copying(c.SourcesAndDest, copyFlags{c.Chown, c.Chmod, c.Link, c.ExcludePatterns})
	if err != nil {
		return err
	}
	cp.parents = c.Parents
	if c.From == "" {
		err = cp.useContext(c.SourcePaths)
	} else {
		err = cp.useStage(ctx, c.From)
	}
	if err != nil {
		return err
	}
	return cp.run(ctx, "COPY", shownFlag("from", c.From), shownSwitch("parents", c.Parents)+cp.options.String())
}

func shownFlag(name string, values ...string) string {
	var b strings.Builder
	for _, value := range values {
		if value != "" {
			b.WriteString(" --" + name + "=" + value)
		}
	}
	return b.String()
}

func shownSwitch(name string, on bool) string {
	if !on {
		return ""
	}
	return " --" + name
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
