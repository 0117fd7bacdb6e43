package runtime

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"mvdan.cc/sh/v3/syntax"

	"boxer.dev/runtime/capability"
	"boxer.dev/runtime/memory"
	"boxer.dev/vfs"
)

// Standalone is all that a run of a box's command consists of, where that is one program: what a module needs that is to do
// without boxer.
type Standalone struct {
	Tree   *vfs.FS // the box's files, with its working directory
	Module []byte  // the program
	Image  *memory.Image

	Fixed []string // the command line as far as no arguments replace it
	Args  []string // the rest of it
	Named string   // the program as CMD calls it; "" if there is an ENTRYPOINT
	Env   []string
	Dir   string

	UID, GID uint32
	Requests capability.Requests // of the box's Boxfile
}

// NotStandaloneError says why a box's command is not one program.
type NotStandaloneError struct {
	Command string
	Reason  string
	hint    string
}

func (e *NotStandaloneError) Error() string {
	return fmt.Sprintf("the box's command %q is not one program: %s", e.Command, e.Reason)
}

// Hint says what to do about it; empty if nobody knows.
func (e *NotStandaloneError) Hint() string { return e.hint }

// maxNames is how often a command's first word may turn out to stand for other words (env, sh -c).
const maxNames = 4

// Standalone finds the program of the box's command. Scripts are followed to it as in a run, and env(1) and a shell that does
// nothing but name a command are seen through; anything else that is not one program is a *NotStandaloneError.
//
// What the box's layers do not have, its root and perhaps its working directory, is as old as created says.
func (b *Box) Standalone(created time.Time) (*Standalone, error) {
	entrypoint, cmd := b.config.Entrypoint, b.config.Cmd
	named := ""
	if len(entrypoint) == 0 && len(cmd) > 0 {
		entrypoint, cmd, named = cmd[:1], cmd[1:], cmd[0]
		if words, ok := shellCommand(b.config.Cmd); ok {
			entrypoint, cmd, named = words[:1], words[1:], words[0]
		}
	}
	if len(entrypoint) == 0 {
		return nil, errNoCommand
	}
	s, err := b.sandbox(&Cmd{})
	if err != nil {
		return nil, err
	}
	defer s.close()
	c, err := b.command(s, &Cmd{Entrypoint: entrypoint})
	if err != nil {
		return nil, err
	}
	found, err := s.findProgram(&c, strings.Join(slices.Concat(b.config.Entrypoint, b.config.Cmd), " "))
	if err != nil {
		return nil, err
	}
	o := &Standalone{
		Module: found.module.data, Fixed: c.args, Args: cmd, Named: named, Env: c.env, Dir: c.dir,
		UID: c.user.uid, GID: c.user.gid, Requests: b.requests, Tree: b.tree.Fork(),
	}
	o.Tree.Configure(vfs.Config{Now: func() time.Time { return created }})
	if err := errors.Join(o.Tree.MkdirAll(c.dir, 0o755), o.Tree.Chtimes("/", created, created)); err != nil {
		return nil, err
	}
	if i := s.imageFor(found.module.digest); i != nil {
		o.Image = i.Image
	}
	return o, nil
}

// findProgram is find for what has to be a module in the end. The command is shown in errors.
func (s *sandbox) findProgram(c *command, shown string) (executable, error) {
	for range maxNames {
		found, err := s.find(c)
		if err != nil || found.module.data != nil {
			return found, err
		}
		words, ok := shellCommand(c.args)
		if !ok && path.Base(found.path) == "env" {
			words, ok = envCommand(c.args)
		}
		if !ok {
			reason := "it is a command of boxer's shell"
			hint := `write it as one command, such as CMD ["python3", "app.py"]`
			if !found.shell {
				reason, hint = fmt.Sprintf("%s is one of boxer's utilities", found.path), ""
			}
			return executable{}, &NotStandaloneError{Command: shown, Reason: reason, hint: hint}
		}
		c.args = words
	}
	return executable{}, &NotStandaloneError{Command: shown, Reason: "one command leads to another too often"}
}

// envCommand is what env(1) runs where it is only to find a program.
func envCommand(args []string) ([]string, bool) {
	if len(args) < 2 || strings.HasPrefix(args[1], "-") || strings.Contains(args[1], "=") {
		return nil, false
	}
	return args[1:], true
}

// shellCommand is the command that `sh -c` runs where that is one command of plain words: the form that CMD has without
// brackets.
func shellCommand(args []string) ([]string, bool) {
	if len(args) != 3 || args[1] != "-c" || !slices.Contains([]string{"sh", "bash", "dash", "ash"}, path.Base(args[0])) {
		return nil, false
	}
	file, err := syntax.NewParser().Parse(strings.NewReader(args[2]), "")
	if err != nil || len(file.Stmts) != 1 {
		return nil, false
	}
	statement := file.Stmts[0]
	call, ok := statement.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Assigns) > 0 || len(statement.Redirs) > 0 || statement.Negated || statement.Background {
		return nil, false
	}
	var words []string
	for _, word := range call.Args {
		text, ok := plainWord(word.Parts)
		if !ok {
			return nil, false
		}
		words = append(words, text)
	}
	if len(words) > 1 && words[0] == "exec" {
		words = words[1:]
	}
	return words, len(words) > 0
}

// plainWord is the text of a word in which nothing is expanded.
func plainWord(parts []syntax.WordPart) (string, bool) {
	var text strings.Builder
	for _, part := range parts {
		switch p := part.(type) {
		case *syntax.Lit:
			if strings.ContainsAny(p.Value, `\*?[~{`) {
				return "", false
			}
			text.WriteString(p.Value)
		case *syntax.SglQuoted:
			if p.Dollar {
				return "", false
			}
			text.WriteString(p.Value)
		case *syntax.DblQuoted:
			inner, ok := plainWord(p.Parts)
			if !ok || p.Dollar {
				return "", false
			}
			text.WriteString(inner)
		default:
			return "", false
		}
	}
	return text.String(), true
}
