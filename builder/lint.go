package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"
	"github.com/moby/patternmatcher"
)

// What docker build warns of (https://docs.docker.com/reference/build-checks/), by BuildKit's own rules: their names, texts
// and settings are those of its linter package. BuildKit applies some while it parses; those that it applies while it carries
// instructions out are applied here.

// checkArg is the build argument that says which rules count, as the directive `# check=` does.
const checkArg = "BUILDKIT_DOCKERFILE_CHECK"

// Check finds what can be improved in a Boxfile, and builds nothing. It looks at all stages unless Options.Target names one.
// failed says that the Boxfile wants warnings to be errors (`# check=error=true`).
func Check(ctx context.Context, opts Options) (warnings []Warning, failed bool, err error) {
	b, err := newBuild(opts)
	if err != nil {
		return nil, false, err
	}
	b.checking = true
	if err := errors.Join(b.check(ctx), closeAll(b.opened)); err != nil {
		return nil, false, err
	}
	return b.allWarnings(), b.lintConfig.ReturnAsError, nil
}

func (b *build) check(ctx context.Context) error {
	if err := b.openSources(); err != nil {
		return err
	}
	b.lintFile()
	nodes := func() []*node { return b.nodes }
	if b.opts.Target != "" {
		target, err := b.target()
		if err != nil {
			return err
		}
		nodes = func() []*node { return b.nodes[target : target+1] }
	}
	ctx, cancel := context.WithCancel(ctx)
	defer b.running.Wait()
	defer cancel()
	b.plan(ctx, cancel)
	for _, n := range nodes() {
		if _, err := n.built(); err != nil {
			return b.firstError(err)
		}
	}
	return nil
}

// enforceChecks fails the build before it begins, if warnings are to be errors.
func (b *build) enforceChecks(ctx context.Context) error {
	if !b.lintConfig.ReturnAsError {
		return nil
	}
	opts := b.opts
	opts.Progress = nil
	warnings, _, err := Check(ctx, opts)
	if err != nil {
		return err
	}
	warnings = slices.DeleteFunc(warnings, func(w Warning) bool { return w.Rule == "" })
	if len(warnings) == 0 {
		return nil
	}
	first := warnings[0]
	err = fmt.Errorf("%s: %s", first.Rule, first.Text)
	if more := len(warnings) - 1; more > 0 {
		err = fmt.Errorf("%w (and %d more)", err, more)
	}
	return b.file.errorAt(first.Line, "", withHint(err, "%s; the Boxfile says that warnings are errors (check=error=true); `boxer build --check` lists them", first.Description))
}

// readLintConfig reads which rules count.
func (b *build) readLintConfig() (err error) {
	spec, given := b.opts.Args[checkArg]
	if !given {
		spec = b.file.check
	}
	b.lintConfig, err = linter.ParseLintOptions(spec)
	if err != nil && !given {
		return b.file.errorAt(b.file.checkLine, "", withHint(err, "write # check=skip=RULE,RULE;error=true"))
	}
	if err != nil {
		return fmt.Errorf("--build-arg %s: %w", checkArg, err)
	}
	return nil
}

// newLinter returns a linter that warns by tell, of nothing twice.
func (b *build) newLinter(tell func(Warning)) *linter.Linter {
	config := *b.lintConfig
	told := map[Warning]bool{}
	config.Warn = func(rule, description, url, text string, at []parser.Range) {
		w := Warning{Text: text, Rule: rule, Description: description, URL: url}
		if len(at) > 0 {
			w.Line = at[0].Start.Line
		}
		if !told[w] {
			told[w] = true
			tell(w)
		}
	}
	return linter.New(&config)
}

// lintFile applies the rules about the file as a whole, those about FROM among them.
func (b *build) lintFile() {
	lint := b.newLinter(func(w Warning) {
		b.fileWarnings = append(b.fileWarnings, w)
		b.opts.Progress.Warn(w)
	})
	for _, at := range b.file.emptyLines {
		lint.Run(&linter.RuleNoEmptyContinuation, at, linter.RuleNoEmptyContinuation.Format())
	}
	for _, node := range b.file.nodes {
		if handlers[strings.ToLower(node.Value)].parse == nil {
			_, _ = instructions.ParseInstructionWithLinter(node, lint) // it was parsed before, without errors
		}
	}
	lintStageNames(lint, b.program.stages)
	lintCasing(lint, b.file.nodes)
	b.lintFroms(lint)
}

func lintStageNames(lint *linter.Linter, stages []*stageSource) {
	seen := map[string]bool{}
	for _, st := range stages {
		if st.Name == "scratch" || st.Name == "context" {
			lint.Run(&linter.RuleReservedStageName, st.Location, linter.RuleReservedStageName.Format(st.Name))
		}
		if seen[st.Name] && st.Name != "" {
			lint.Run(&linter.RuleDuplicateStageName, st.Location, linter.RuleDuplicateStageName.Format(st.Name))
		}
		seen[st.Name] = true
	}
}

// lintCasing wants all instructions in the case that most are in. Those before the first FROM do not count, as in BuildKit.
func lintCasing(lint *linter.Linter, nodes []*parser.Node) {
	first := slices.IndexFunc(nodes, func(n *parser.Node) bool { return strings.EqualFold(n.Value, "from") })
	nodes = nodes[max(first, 0):]
	lower, upper := 0, 0
	for _, n := range nodes {
		switch n.Value {
		case strings.ToLower(n.Value):
			lower++
		case strings.ToUpper(n.Value):
			upper++
		}
	}
	majority, fold := "uppercase", strings.ToUpper
	if lower > upper {
		majority, fold = "lowercase", strings.ToLower
	}
	for _, n := range nodes {
		if fold(n.Value) != n.Value {
			lint.Run(&linter.RuleConsistentInstructionCasing, n.Location(), linter.RuleConsistentInstructionCasing.Format(n.Value, majority))
		}
	}
}

// secretTokens and publicTokens are the words in a variable's name by which BuildKit tells that it holds a secret, or does not.
var secretTokens, publicTokens = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(_|^)(apikey|auth|credentials?|key|password|pword|passwd|secret|token)(_|$)`)
}), sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(_|^)(public|file|version)(_|$)`)
})

// lint applies a rule to the instruction being carried out.
func (s *stage) lint(rule linter.LinterRuleI, text string) {
	s.lintAt(s.current, rule, text)
}

func (s *stage) lintAt(in *instruction, rule linter.LinterRuleI, text string) {
	s.linter.WithMergedConfigFromComments(in.cmd.Comments()).Run(rule, []parser.Range{{Start: parser.Position{Line: in.line}}}, text)
}

func (s *stage) lintSecret(instruction, key string) {
	if secretTokens().MatchString(key) && !publicTokens().MatchString(key) {
		s.lint(&linter.RuleSecretsUsedInArgOrEnv, linter.RuleSecretsUsedInArgOrEnv.Format(instruction, key))
	}
}

func (s *stage) lintPairs(name string, pairs instructions.KeyValuePairs) {
	for _, kv := range pairs {
		if kv.NoDelim {
			s.lint(&linter.RuleLegacyKeyValueFormat, linter.RuleLegacyKeyValueFormat.Format(name))
		}
	}
}

// lintOnce warns of an instruction that a later one of its kind makes void.
func (s *stage) lintOnce(name string) {
	if before, ok := s.once[name]; ok {
		s.lintAt(before, &linter.RuleMultipleInstructionsDisallowed, linter.RuleMultipleInstructionsDisallowed.Format(name))
	}
	if s.once == nil {
		s.once = map[string]*instruction{}
	}
	s.once[name] = s.current
}

func (s *stage) lintCommandForm(c instructions.Command, line instructions.ShellDependantCmdLine) {
	s.lintOnce(c.Name())
	if line.PrependShell && len(s.config.Shell) == 0 {
		s.lint(&linter.RuleJSONArgsRecommended, linter.RuleJSONArgsRecommended.Format(c.Name()))
	}
}

// lintUndefined warns of variables that have no value. One that ARG declares may be without.
func (s *stage) lintUndefined(unmatched map[string]struct{}, env environment) {
	if s.current == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(unmatched)) {
		if _, declared := s.args.Get(name); !declared {
			near, _ := suggest.Search(name, env.Keys(), true)
			s.lint(&linter.RuleUndefinedVar, linter.RuleUndefinedVar.Format(name, near))
		}
	}
}

// lintSources warns of sources that the rules of the context leave out. Rules that bring files back make it hard to tell.
func (s *stage) lintSources(verb string, sources []string) {
	t := s.build.sources
	if t == nil || t.matcher == nil || t.matcher.Exclusions() {
		return
	}
	for _, src := range sources {
		src = path.Clean(src)
		if src == "." || src == "/" {
			if !slices.ContainsFunc(t.matcher.Patterns(), func(p *patternmatcher.Pattern) bool {
				return p.String() == "*" || p.String() == "**" || p.String() == "**/*"
			}) {
				continue
			}
		}
		if ignored, err := t.matches(src); err == nil && ignored {
			s.lint(&linter.RuleCopyIgnoredFile, linter.RuleCopyIgnoredFile.Format(verb, src))
		}
	}
}

func (s *stage) lintPort(spec, protocol string) {
	if protocol != strings.ToLower(protocol) {
		s.lint(&linter.RuleExposeProtoCasing, linter.RuleExposeProtoCasing.Format(spec))
	}
	if strings.Contains(spec, ":") {
		s.lint(&linter.RuleExposeInvalidFormat, linter.RuleExposeInvalidFormat.Format(spec))
	}
}

func lintArg(s *stage, c *instructions.ArgCommand) {
	for _, arg := range c.Args {
		s.lintSecret("ARG", arg.Key)
	}
}

func lintEnv(s *stage, c *instructions.EnvCommand) {
	s.lintPairs(c.Name(), c.Env)
	for _, kv := range c.Env {
		s.lintSecret("ENV", kv.Key)
	}
}

func lintLabel(s *stage, c *instructions.LabelCommand) { s.lintPairs(c.Name(), c.Labels) }
func lintCmd(s *stage, c *instructions.CmdCommand)     { s.lintCommandForm(c, c.ShellDependantCmdLine) }
func lintEntrypoint(s *stage, c *instructions.EntrypointCommand) {
	s.lintCommandForm(c, c.ShellDependantCmdLine)
}
func lintHealthcheck(s *stage, c *instructions.HealthCheckCommand) { s.lintOnce(c.Name()) }

// lintWorkdir is about the first WORKDIR of a stage: those after it are relative to that.
func lintWorkdir(s *stage, c *instructions.WorkdirCommand) {
	if !s.workdirSet && !path.IsAbs(c.Path) {
		s.lint(&linter.RuleWorkdirRelativePath, linter.RuleWorkdirRelativePath.Format(c.Path))
	}
	s.workdirSet = true
}

func lintCopy(s *stage, c *instructions.CopyCommand) {
	if c.From == "" {
		s.lintSources("Copy", c.SourcePaths)
	}
}

func lintAdd(s *stage, c *instructions.AddCommand) { s.lintSources("Add", localSources(c.SourcePaths)) }
