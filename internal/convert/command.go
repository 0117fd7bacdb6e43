package convert

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"mvdan.cc/sh/v3/syntax"
)

// run judges a RUN, command by command: what does not apply goes, the rest stays.
func (c *converter) run(node *parser.Node, i *instructions.RunCommand, f *finding) {
	if !i.PrependShell {
		if text, keep := c.words(i.CmdLine, f); !keep {
			f.drop = true
		} else if text != "" {
			f.text = "RUN " + text
		}
		return
	}
	if len(i.Files) > 0 {
		c.heredoc(i, f)
		return
	}
	script, err := syntax.NewParser().Parse(strings.NewReader(strings.Join(i.CmdLine, " ")), "")
	if err != nil {
		f.found(No, "the shell cannot parse it: %v", err)
		f.drop = true
		return
	}
	pieces := split(script)
	if len(pieces) == 1 {
		if add := c.fetch(pieces[0].stmt); add != "" {
			f.found(Differs, "fetched by boxer: there is no network inside")
			f.text = add
			return
		}
	}
	c.pieces(node, pieces, f)
}

// pieces keeps those commands of a RUN that work.
func (c *converter) pieces(node *parser.Node, pieces []piece, f *finding) {
	changed := false
	var kept []string
	for _, p := range pieces {
		before := render(p.stmt)
		text, keep := c.statement(p.stmt, f)
		changed = changed || !keep || text != before
		if !keep {
			continue
		}
		if len(kept) > 0 {
			kept[len(kept)-1] += p.operator
		}
		kept = append(kept, text)
	}
	if changed && len(f.notes) == 0 {
		f.found(Differs, "a box has no Linux packages")
	}
	switch {
	case len(kept) == 0:
		f.drop = true
	case changed:
		flags := strings.Join(node.Flags, " ")
		if flags != "" {
			flags += " "
		}
		f.text = "RUN " + flags + strings.Join(kept, fmt.Sprintf(" %c\n    ", c.escape))
	}
}

// heredoc judges a RUN whose script is a here-document, which stays as it is.
func (c *converter) heredoc(i *instructions.RunCommand, f *finding) {
	script, err := syntax.NewParser().Parse(strings.NewReader(i.Files[0].Data), "")
	if err != nil || strings.HasPrefix(i.Files[0].Data, "#!") {
		return
	}
	for _, stmt := range script.Stmts {
		if _, keep := c.statement(stmt, f); !keep {
			f.found(No, "edit the here-document: what does not apply is still in it")
		}
	}
}

// piece is a command of a list, and what joins it to the one before.
type piece struct {
	stmt     *syntax.Stmt
	operator string
}

// split takes a script apart at its outermost && and ;.
func split(script *syntax.File) (pieces []piece) {
	var and func(stmt *syntax.Stmt, operator string)
	and = func(stmt *syntax.Stmt, operator string) {
		if list, ok := stmt.Cmd.(*syntax.BinaryCmd); ok && list.Op == syntax.AndStmt && !stmt.Negated && !stmt.Background && len(stmt.Redirs) == 0 {
			and(list.X, operator)
			and(list.Y, " &&")
			return
		}
		pieces = append(pieces, piece{stmt, operator})
	}
	for _, stmt := range script.Stmts {
		and(stmt, ";")
	}
	return pieces
}

func render(node syntax.Node) string {
	var b bytes.Buffer
	if err := syntax.NewPrinter(syntax.SingleLine(true)).Print(&b, node); err != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}

// statement judges all that a statement calls. It is kept only if everything in it can be.
func (c *converter) statement(stmt *syntax.Stmt, f *finding) (text string, keep bool) {
	keep = true
	syntax.Walk(stmt, func(node syntax.Node) bool {
		call, ok := node.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		if v := c.call(call, f); v.replacement != "" && isSimple(stmt, call) {
			text = v.replacement
		} else {
			keep = keep && v.keep
		}
		return true
	})
	if text == "" {
		text = render(stmt)
	}
	return text, keep
}

// isSimple tells whether a statement is a call and nothing else.
func isSimple(stmt *syntax.Stmt, call *syntax.CallExpr) bool {
	return stmt.Cmd == syntax.Command(call) && len(stmt.Redirs) == 0 && !stmt.Negated && !stmt.Background
}

// words judges a command that is a list of words. text is empty if it stays as it is.
func (c *converter) words(words []string, f *finding) (text string, keep bool) {
	var quoted []string
	for _, word := range words {
		q, err := syntax.Quote(word, syntax.LangPOSIX)
		if err != nil {
			return "", true
		}
		quoted = append(quoted, q)
	}
	script, err := syntax.NewParser().Parse(strings.NewReader(strings.Join(quoted, " ")), "")
	if err != nil || len(script.Stmts) != 1 {
		return "", true
	}
	before := render(script.Stmts[0])
	text, keep = c.statement(script.Stmts[0], f)
	if text == before {
		text = ""
	}
	return text, keep
}

// servers wait for connections, which a box cannot have.
var servers = strings.Fields("gunicorn uvicorn hypercorn daphne waitress-serve uwsgi granian flask fastapi streamlit jupyter jupyter-lab " +
	"jupyter-notebook celery gradio mlflow superset airflow django-admin http.server uvicorn.workers")

// initPrograms reap the processes of a container; a box has one.
var initPrograms = []string{"tini", "dumb-init", "docker-init"}

// start judges what a box starts with: CMD or ENTRYPOINT.
func (c *converter) start(node *parser.Node, line instructions.ShellDependantCmdLine, f *finding) {
	words := line.CmdLine
	if len(words) == 0 {
		return
	}
	if line.PrependShell {
		script, err := syntax.NewParser().Parse(strings.NewReader(strings.Join(words, " ")), "")
		if err != nil {
			f.found(No, "the shell cannot parse it: %v", err)
			return
		}
		syntax.Walk(script, func(n syntax.Node) bool {
			if call, ok := n.(*syntax.CallExpr); ok && len(call.Args) > 0 {
				c.program(literals(call.Args), f)
			}
			return true
		})
		return
	}
	if slices.Contains(initPrograms, base(words[0])) {
		f.found(Differs, "without %s: a box has one process", base(words[0]))
		words = afterOptions(words[1:])
		f.text = strings.ToUpper(node.Value) + " " + execForm(words)
	}
	if len(words) > 0 && !strings.HasPrefix(words[0], "-") { // these are arguments of ENTRYPOINT
		c.program(words, f)
	}
	c.otherPython(node, f)
}

func afterOptions(words []string) []string {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		words = words[1:]
	}
	return words
}

// program judges the program that a box starts.
func (c *converter) program(words []string, f *finding) {
	if len(words) == 0 {
		return
	}
	for len(words) > 1 && (words[0] == "exec" || words[0] == "env" || strings.Contains(words[0], "=")) {
		words = words[1:]
	}
	name := base(words[0])
	if isPython(name) {
		if !c.python {
			f.found(No, "there is no Python in this box: FROM python:%s", minor(c.Python))
		}
		if len(words) > 2 && words[1] == "-m" {
			name = words[2]
		} else if slices.Contains(words, "runserver") {
			name = "django-admin"
		}
		words[0] = "python"
	}
	if slices.Contains(servers, name) {
		f.found(No, "%s waits for connections, and a box has no network yet: start a program that reads its input and writes its output", name)
		return
	}
	if isPython(words[0]) {
		return
	}
	if export := exports[name]; export != "" || name == "uv" {
		f.found(No, "%s cannot work in a box: name the program itself", name)
		return
	}
	c.other(words[0], f)
}
