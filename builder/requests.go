package builder

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"boxer.dev/runtime/capability"
)

// LIMIT and ALLOW say what the finished box asks of whoever runs it. They are labels of its configuration, and so are
// inherited: a limit can only be narrowed, a need is added to those of the base.

const (
	limitName = "limit"
	allowName = "allow"
)

// requestCommand is LIMIT or ALLOW. Variables in its words are replaced.
type requestCommand struct {
	at   []parser.Range
	name string
	text string
}

func (c *requestCommand) Name() string             { return c.name }
func (c *requestCommand) Location() []parser.Range { return c.at }
func (c *requestCommand) Comments() []string       { return nil }

var requestExamples = map[string]string{
	limitName: "LIMIT memory=256M timeout=30s",
	allowName: "ALLOW mount=/data:ro env=TOKEN",
}

func parseRequest(node *parser.Node) (instructions.Command, error) {
	name := strings.ToLower(node.Value)
	c := &requestCommand{at: node.Location(), name: name, text: strings.TrimSpace(node.Original[len(name):])}
	switch {
	case len(node.Flags) > 0:
		return nil, withHint(errors.New("it takes no flags"), "write %s", requestExamples[name])
	case c.text == "":
		return nil, withHint(errors.New("nothing is asked for"), "write %s", requestExamples[name])
	case strings.ContainsAny(c.text, `$"'\`): // what it says is known when it is carried out
		return c, nil
	}
	return c, takeRequest(new(capability.Requests), name, strings.Fields(c.text))
}

func runRequest(_ context.Context, s *stage, _ *instruction, c *requestCommand) error {
	words, err := s.expandWords(c.text)
	if err != nil {
		return err
	}
	requests, err := capability.FromLabels(s.config.Labels)
	if err != nil {
		return err
	}
	if err := takeRequest(&requests, c.name, words); err != nil {
		return err
	}
	if err := requests.Contradiction(); err != nil {
		return fmt.Errorf("the box limits itself too far: %w", err)
	}
	if s.config.Labels == nil {
		s.config.Labels = map[string]string{}
	}
	requests.SetLabels(s.config.Labels)
	s.note(strings.ToUpper(c.name) + " " + strings.Join(words, " "))
	return nil
}

// takeRequest adds the words of an instruction to requests. "ALLOW none" takes back what was allowed before.
func takeRequest(r *capability.Requests, name string, words []string) error {
	if name == allowName && len(words) == 1 && words[0] == "none" {
		r.Needs = nil
		return nil
	}
	for _, word := range words {
		if name == limitName {
			if err := r.Limits.ParseLimit(word); err != nil {
				return withHint(err, "write %s", requestExamples[name])
			}
			continue
		}
		need, err := capability.ParseNeed(word)
		if err != nil {
			return withHint(err, "write %s", requestExamples[name])
		}
		r.Add(need)
	}
	return nil
}

// checkRequests refuses labels that no run would understand, wherever they come from.
func (s *stage) checkRequests() error {
	_, err := capability.FromLabels(s.config.Labels)
	if err != nil {
		return withHint(err, "labels that begin with dev.boxer are written by LIMIT and ALLOW")
	}
	return nil
}
