package builder

import (
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/buildkit/util/suggest"

	"boxer.dev/oci"
)

// lintFroms applies the rules about FROM and the arguments in it.
func (b *build) lintFroms(lint *linter.Linter) {
	lex := shell.NewLex(b.file.escape)
	declared := b.global.Keys()
	for _, in := range b.program.args {
		if c, ok := in.cmd.(*instructions.ArgCommand); ok {
			for _, arg := range c.Args {
				declared = append(declared, arg.Key)
			}
		}
	}
	defaults, err := b.globalArgs(func(string) (string, bool) { return "", false })
	if err != nil {
		return // and so does the build, soon
	}
	for _, st := range b.program.stages {
		lint := lint.WithMergedConfigFromComments(st.Comments)
		name, err := lex.ProcessWordWithMatches(st.BaseName, b.global)
		if err == nil {
			lintFromArgs(lint, st, name.Unmatched, declared)
		}
		if platform, err := lex.ProcessWordWithMatches(st.Platform, b.global); err == nil && st.Platform != "" {
			lintFromArgs(lint, st, platform.Unmatched, declared)
			lintFromPlatform(lint, st, platform)
		}
		if base, err := lex.ProcessWordWithMatches(st.BaseName, defaults); err == nil && !isReference(base.Result) {
			lint.Run(&linter.RuleInvalidDefaultArgInFrom, st.Location, linter.RuleInvalidDefaultArgInFrom.Format(st.BaseName))
		}
	}
}

// isReference is whether FROM could take a text for the name of something.
func isReference(name string) bool {
	if _, ok, err := oci.ParseLayoutRef(name); ok {
		return err == nil
	}
	_, err := oci.Normalize(name)
	return err == nil
}

func lintFromArgs(lint *linter.Linter, st *stageSource, unmatched map[string]struct{}, declared []string) {
	for _, name := range slices.Sorted(maps.Keys(unmatched)) {
		if !slices.Contains(declared, name) {
			near, _ := suggest.Search(name, declared, true)
			lint.Run(&linter.RuleUndefinedArgInFrom, st.Location, linter.RuleUndefinedArgInFrom.Format(name, near))
		}
	}
}

func lintFromPlatform(lint *linter.Linter, st *stageSource, platform shell.ProcessWordResult) {
	_, isTarget := platform.Matched["TARGETPLATFORM"]
	switch {
	case isTarget && len(platform.Matched) == 1 && len(platform.Unmatched) == 0 && platform.Result == ourPlatform:
		lint.Run(&linter.RuleRedundantTargetPlatform, st.Location, linter.RuleRedundantTargetPlatform.Format(st.Platform))
	case len(platform.Matched)+len(platform.Unmatched) == 0 && !strings.Contains(st.Name, oci.Platform.OS) && !strings.Contains(st.Name, oci.Platform.Architecture):
		lint.Run(&linter.RuleFromPlatformFlagConstDisallowed, st.Location, linter.RuleFromPlatformFlagConstDisallowed.Format(platform.Result))
	}
}
