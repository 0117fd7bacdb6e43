package builder

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// handler says what becomes of one kind of instruction.
type handler struct {
	// run carries it out. It leaves the instruction's history entry and, if files changed, its layer.
	run func(ctx context.Context, s *stage, in *instruction) error
	// parse reads one that BuildKit does not know.
	parse func(node *parser.Node) (instructions.Command, error)
	// check refuses forms of it when the Boxfile is parsed.
	check func(parsed any) error
	// lint says what could be better about it.
	lint func(s *stage, in *instruction)
	// refuse, if set, is why it is not done at all.
	refuse error
	// step is whether it is worth showing as a step: it may take time.
	step bool
}

// handlers is all that a Boxfile may hold. A further instruction is one more line here.
var handlers map[string]handler

func init() {
	handlers = map[string]handler{
		command.From:        {},
		command.Arg:         {run: typed(runArg), lint: linted(lintArg)},
		command.Env:         {run: typed(runEnv), lint: linted(lintEnv)},
		command.Label:       {run: typed(runLabel), lint: linted(lintLabel)},
		command.Maintainer:  {run: typed(runMaintainer)},
		command.Cmd:         {run: typed(runCmd), lint: linted(lintCmd)},
		command.Entrypoint:  {run: typed(runEntrypoint), lint: linted(lintEntrypoint)},
		command.Shell:       {run: typed(runShell)},
		command.User:        {run: typed(runUser)},
		command.Expose:      {run: typed(runExpose)},
		command.Volume:      {run: typed(runVolume)},
		command.StopSignal:  {run: typed(runStopSignal)},
		command.Workdir:     {run: typed(runWorkdir), lint: linted(lintWorkdir), step: true},
		command.Copy:        {run: typed(runCopy), lint: linted(lintCopy), check: checked(checkCopy), step: true},
		command.Add:         {run: typed(runAdd), lint: linted(lintAdd), check: checked(checkAdd), step: true},
		command.Run:         {run: typed(runRun), check: checked(checkRun), step: true},
		command.Onbuild:     {run: typed(runOnbuild), check: checked(checkOnbuild)},
		command.Healthcheck: {run: typed(runHealthcheck), lint: linted(lintHealthcheck)},
		limitName:           {run: typed(runRequest), parse: parseRequest},
		allowName:           {run: typed(runRequest), parse: parseRequest},
		snapshotName:        {run: typed(runSnapshot), parse: parseSnapshot}, // the step is that of stage.finish

	}
}

// typed adapts a handler of one command type.
func typed[C instructions.Command](run func(context.Context, *stage, *instruction, C) error) func(context.Context, *stage, *instruction) error {
	return func(ctx context.Context, s *stage, in *instruction) error {
		c, ok := in.cmd.(C)
		if !ok {
			return errors.New("unexpected form")
		}
		return run(ctx, s, in, c)
	}
}

func checked[C any](check func(C) error) func(any) error {
	return func(parsed any) error {
		c, ok := parsed.(C)
		if !ok {
			return errors.New("unexpected form")
		}
		return check(c)
	}
}

// handlerNames returns the instructions that are done, sorted.
func handlerNames() []string {
	var names []string
	for name, h := range handlers {
		if h.refuse == nil {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

func linted[C instructions.Command](lint func(*stage, C)) func(*stage, *instruction) {
	return func(s *stage, in *instruction) {
		if c, ok := in.cmd.(C); ok {
			lint(s, c)
		}
	}
}

// dispatch expands variables in an instruction and carries it out. Where a Boxfile is only checked no file is touched.
func (s *stage) dispatch(ctx context.Context, in *instruction) error {
	s.current = in
	defer func() { s.current = nil }()
	if err := s.expand(in); err != nil {
		return err
	}
	h := handlers[strings.ToLower(in.name)]
	if h.lint != nil {
		h.lint(s, in)
	}
	if s.build.checking && h.step {
		return nil
	}
	return h.run(ctx, s, in)
}

// expand replaces variables as BuildKit does. ARG is left alone: its defaults count only where no --build-arg does.
func (s *stage) expand(in *instruction) error {
	if in.name == "ARG" {
		return nil
	}
	if c, ok := in.cmd.(instructions.SupportsSingleWordExpansion); ok {
		if err := c.Expand(s.expandWord); err != nil {
			return err
		}
	}
	if c, ok := in.cmd.(instructions.SupportsSingleWordExpansionRaw); ok {
		return c.ExpandRaw(s.expandRaw)
	}
	return nil
}
