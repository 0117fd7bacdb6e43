package builder

import (
	"errors"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// Variables may hold variables: twenty lines, each with two of the one before, are a million times the text of the first. So what is
// put in for variables is bounded, for a build and, since `${NAME//PATTERN/TEXT}` multiplies, for each word with that.
const (
	maxExpanded = 64 << 20 // bytes in a build
	maxReplaced = 16 << 10 // bytes in a word
)

var errExpanded = errors.New("variables come to too much text")

var replaces = regexp.MustCompile(`\$\{\w+/`)

// words puts values in for variables.
type words struct {
	*shell.Lex
	used *atomic.Int64 // bytes, by the build
}

func (b *build) words() words { return words{shell.NewLex(b.file.escape), &b.expanded} }

// one expands a word; unmatched are the names that are no variables.
func (w words) one(word string, env shell.EnvGetter) (expanded string, unmatched map[string]struct{}, err error) {
	counted := w.count(word, env)
	expanded, unmatched, err = w.ProcessWord(word, counted)
	if counted.over || w.used.Add(int64(len(expanded)-len(word))) > maxExpanded {
		return "", nil, errExpanded
	}
	return expanded, unmatched, err
}

// several expands a word that may become several.
func (w words) several(word string, env shell.EnvGetter) ([]string, error) {
	counted := w.count(word, env)
	expanded, err := w.ProcessWords(word, counted)
	if counted.over {
		return nil, errExpanded
	}
	return expanded, err
}

func (w words) count(word string, env shell.EnvGetter) *countedEnv {
	left := int64(maxExpanded)
	if strings.Contains(word, "${") && replaces.MatchString(word) {
		left = maxReplaced
	}
	return &countedEnv{EnvGetter: env, left: left, used: w.used}
}

// countedEnv gives values until they are too much.
type countedEnv struct {
	shell.EnvGetter
	left int64
	used *atomic.Int64
	over bool
}

func (e *countedEnv) Get(key string) (string, bool) {
	value, ok := e.EnvGetter.Get(key)
	n := int64(len(value))
	if e.left -= n; e.left < 0 || e.used.Add(n) > maxExpanded {
		e.over = true
		return "", ok
	}
	return value, ok
}
