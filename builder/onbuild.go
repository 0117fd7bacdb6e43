package builder

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// ONBUILD keeps an instruction for the builds that start from this one: a box has it in its configuration, a later stage
// finds it in the stage that it carries on. It is carried out before anything else of the stage, and handed on no further.

// runOnbuild leaves no entry in the history, as docker's does not.
func runOnbuild(_ context.Context, s *stage, _ *instruction, c *instructions.OnbuildCommand) error {
	s.config.OnBuild = append(slices.Clip(s.config.OnBuild), c.Expression)
	return nil
}

// checkOnbuild finds mistakes in the instruction where it is written, not where somebody starts from it.
func checkOnbuild(c *instructions.OnbuildCommand) error {
	_, err := parseTrigger(c.Expression, &instruction{})
	return err
}

// parseTriggers reads the instructions that a base asks for. They stand where FROM stands.
func parseTriggers(triggers []string, from *instruction) ([]*instruction, error) {
	parsed := make([]*instruction, 0, len(triggers))
	for _, text := range triggers {
		in, err := parseTrigger(text, from)
		if err != nil {
			return nil, withHint(err, "the base asks for it: ONBUILD %s", printable(text))
		}
		parsed = append(parsed, in)
	}
	return parsed, nil
}

func parseTrigger(text string, from *instruction) (*instruction, error) {
	ast, err := parseAST([]byte(text))
	if err != nil {
		return nil, err
	}
	if len(ast.AST.Children) != 1 {
		return nil, errors.New("ONBUILD takes one instruction")
	}
	node := ast.AST.Children[0]
	in := &instruction{name: strings.ToUpper(node.Value), line: from.line, text: "ONBUILD " + strings.TrimSpace(node.Original)}
	switch in.name {
	case "ONBUILD", "FROM", "MAINTAINER":
		return nil, errors.New(in.name + " is not allowed in ONBUILD")
	}
	parsed, err := parseInstruction(node)
	if err != nil {
		return nil, err
	}
	cmd, ok := parsed.(instructions.Command)
	if !ok {
		return nil, errors.New("unexpected form")
	}
	in.cmd = cmd
	return in, nil
}

// setTriggers hands the stage what its base has recorded.
func (s *stage) setTriggers(triggers []string) (err error) {
	s.config.OnBuild = nil
	s.triggers, err = parseTriggers(triggers, s.node.src.from)
	return err
}

// triggersOf are the ONBUILD instructions of a stage, for one that carries it on.
func triggersOf(src *stageSource) []string {
	var triggers []string
	for _, in := range src.steps {
		if c, ok := in.cmd.(*instructions.OnbuildCommand); ok {
			triggers = append(triggers, c.Expression)
		}
	}
	return triggers
}
