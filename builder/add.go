package builder

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// remoteOptions are the flags of ADD that say how sources are fetched.
type remoteOptions struct {
	allowed    bool // sources may be addresses
	checksum   string
	keepGitDir *bool
	unpack     bool // an archive that was downloaded
}

// list is what decides, besides the address, what is fetched.
func (o remoteOptions) list() []string {
	keep := "as the address says"
	if o.keepGitDir != nil {
		keep = strconv.FormatBool(*o.keepGitDir)
	}
	return []string{o.checksum, keep, strconv.FormatBool(o.unpack)}
}

func checkAdd(c *instructions.AddCommand) error {
	if c.Checksum != "" && len(c.SourcePaths) != 1 {
		return withHint(errors.New("--checksum is of one source"), "write an ADD for each")
	}
	return nil
}

func runAdd(ctx context.Context, s *stage, _ *instruction, c *instructions.AddCommand) error {
	cp, err := s.copying(c.SourcesAndDest, copyFlags{c.Chown, c.Chmod, c.Link, c.ExcludePatterns})
	if err != nil {
		return err
	}
	cp.unpack = c.Unpack == nil || *c.Unpack
	cp.remote = remoteOptions{allowed: true, checksum: c.Checksum, keepGitDir: c.KeepGitDir, unpack: c.Unpack != nil && *c.Unpack}
	if local := localSources(c.SourcePaths); c.Checksum != "" && len(local) > 0 {
		return withHint(fmt.Errorf("--checksum is of what is fetched, and %s is not", quote(local[0])), "leave it out: COPY takes what is in the context")
	}
	if err := cp.useContext(localSources(c.SourcePaths)); err != nil {
		return err
	}
	return cp.run(ctx, "ADD", "", shownFlag("checksum", c.Checksum)+cp.options.String())
}

func localSources(sources []string) []string {
	var local []string
	for _, src := range sources {
		if remote(src) == "" {
			local = append(local, src)
		}
	}
	return local
}
