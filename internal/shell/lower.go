package shell

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Bounds on scripts: the parser and the interpreter recurse on nesting, and Go ends the process when a stack
// outgrows its limit.
const (
	maxScript = 512 << 10
	maxDepth  = 500
	maxCalls  = 20_000 // of the parser, within each other: some 20 MB
)

// shallow ends what the parser reads, which it does in the middle of its calls, where they are too deep: what it makes of a
// script, whose depth can be looked at, there is only when it is done.
type shallow struct {
	r    io.Reader
	read int
}

const looksEvery = 512 // bytes

func (s *shallow) Read(p []byte) (int, error) {
	if s.read >= looksEvery {
		s.read = 0
		if runtime.Callers(maxCalls, make([]uintptr, 1)) > 0 {
			return 0, &syntaxError{"nested too deeply"}
		}
	}
	n, err := s.r.Read(p)
	s.read += n
	return n, err
}

// syntaxError is a script that does not run: its syntax is wrong, or it uses what a box refuses.
type syntaxError struct{ message string }

func (e *syntaxError) Error() string { return e.message }

func refuse(pos syntax.Pos, format string, args ...any) error {
	return &syntaxError{fmt.Sprintf("%d: %s", pos.Line(), fmt.Sprintf(format, args...))}
}

// parse reads a script and lowers it.
func (s *session) parse(r io.Reader, name string) (*syntax.File, error) {
	src, err := io.ReadAll(io.LimitReader(r, maxScript+1))
	if err != nil {
		return nil, err
	}
	if len(src) > maxScript {
		return nil, &syntaxError{fmt.Sprintf("script of more than %d KiB", maxScript>>10)}
	}
	if line, _, _ := bytes.Cut(src, []byte("\n")); bytes.IndexByte(line, 0) >= 0 {
		return nil, &syntaxError{"cannot execute binary file"}
	}
	f, err := s.parser().Parse(&shallow{r: bytes.NewReader(src)}, name)
	if err != nil {
		return nil, parseError(err)
	}
	return f, s.lower(f)
}

func (s *session) parser() *syntax.Parser { return syntax.NewParser(syntax.Variant(syntax.LangBash)) }

func parseError(err error) error {
	if pe, ok := errors.AsType[syntax.ParseError](err); ok {
		return &syntaxError{fmt.Sprintf("%d: Syntax error: %s", pe.Pos.Line(), pe.Text)}
	}
	return &syntaxError{err.Error()}
}

// source lowers a piece of script that a builtin is about to parse, and returns it as text.
func (s *session) source(r io.Reader, name string) (string, error) {
	f, err := s.parse(r, name)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := syntax.NewPrinter().Print(&b, f); err != nil {
		return "", &syntaxError{err.Error()}
	}
	return b.String(), nil
}

// lower rewrites what the interpreter would ask the host about into what the box answers, and refuses what
// cannot be rewritten. It changes f in place.
func (s *session) lower(f syntax.Node) error {
	l := &lowering{session: s, verbatim: map[*syntax.Word]bool{}, conditions: map[*syntax.Stmt]bool{}}
	syntax.Walk(f, func(n syntax.Node) bool {
		if n == nil {
			l.tested = l.tested[:len(l.tested)-1]
			return true
		}
		if len(l.tested) > maxDepth && l.err == nil {
			l.err = refuse(n.Pos(), "nested too deeply")
		}
		if l.err == nil {
			l.enter(n)
			l.node(n)
		}
		if l.err != nil {
			return false
		}
		return true
	})
	return l.err
}

type lowering struct {
	*session
	verbatim   map[*syntax.Word]bool // bodies of here-documents, where ~ and \ are plain
	conditions map[*syntax.Stmt]bool // statements whose failure set -e ignores
	tested     []bool                // of the nodes that enclose the current one: within such a statement
	err        error
}

// enter notes whether n is within a condition, and which of its children are.
func (l *lowering) enter(n syntax.Node) {
	in := len(l.tested) > 0 && l.tested[len(l.tested)-1]
	switch n := n.(type) {
	case *syntax.Stmt:
		in = in || n.Negated || l.conditions[n]
	case *syntax.FuncDecl:
		in = false
	case *syntax.IfClause:
		l.condition(n.Cond...)
	case *syntax.WhileClause:
		l.condition(n.Cond...)
	case *syntax.BinaryCmd:
		if n.Op == syntax.AndStmt || n.Op == syntax.OrStmt {
			l.condition(n.X)
		}
	}
	l.tested = append(l.tested, in)
}

func (l *lowering) condition(stmts ...*syntax.Stmt) {
	for _, st := range stmts {
		l.conditions[st] = true
	}
}

// pipe gives the last command of a pipeline a subshell of its own, as every other shell does: the interpreter runs
// it in the shell itself. In a condition it stays so, because a subshell of the interpreter forgets that set -e
// is off there.
func (l *lowering) pipe(b *syntax.BinaryCmd) {
	if b.Op != syntax.Pipe && b.Op != syntax.PipeAll || l.tested[len(l.tested)-1] {
		return
	}
	if _, ok := b.Y.Cmd.(*syntax.Subshell); ok {
		return
	}
	b.Y = &syntax.Stmt{Position: b.Y.Position, Cmd: &syntax.Subshell{Lparen: b.Y.Pos(), Rparen: b.Y.End(), Stmts: []*syntax.Stmt{b.Y}}}
}

func (l *lowering) node(n syntax.Node) {
	l.patterns(n)
	switch n := n.(type) {
	case *syntax.Stmt:
		l.redirects(n)
	case *syntax.CmdSubst:
		catShortcut(n)
	case *syntax.Word:
		l.word(n)
	case *syntax.DblQuoted:
		replaceRandom(n.Parts)
	case *syntax.ParamExp:
		l.parameter(n)
	case *syntax.ProcSubst:
		l.err = refuse(n.Pos(), "process substitution %s…) is not available in a box: use a pipe or a temporary file", n.Op)
	case *syntax.CoprocClause:
		l.err = refuse(n.Pos(), "coproc is not available in a box")
	case *syntax.ForClause:
		if n.Select {
			l.err = refuse(n.Pos(), "select is not available in a box")
		}
	case *syntax.UnaryTest:
		switch n.Op {
		case syntax.TsUsrOwn, syntax.TsGrpOwn, syntax.TsModif:
			l.err = refuse(n.Pos(), "%s is not available in [[ ]]: use [ ]", n.Op)
		}
	case *syntax.BinaryTest:
		if n.Op == syntax.TsDevIno {
			l.err = refuse(n.Pos(), "-ef is not available in [[ ]]: use [ ]")
		}
	case *syntax.FuncDecl:
		l.function(n)
	case *syntax.BinaryCmd:
		l.pipe(n)
	case *syntax.DeclClause:
		l.declaration(n)
	case *syntax.ArrayExpr:
		l.array(n)
	default:
		l.arithmetic(n)
	}
}

// arithmetic rewrites bare names of an arithmetic expression.
func (l *lowering) arithmetic(n syntax.Node) {
	switch n := n.(type) {
	case *syntax.ArithmExp:
		operand(n.X)
	case *syntax.ArithmCmd:
		operand(n.X)
	case *syntax.LetClause:
		for _, x := range n.Exprs {
			operand(x)
		}
	case *syntax.CStyleLoop:
		operand(n.Init)
		operand(n.Cond)
		operand(n.Post)
	case *syntax.BinaryArithm:
		operand(n.X)
		operand(n.Y)
	case *syntax.UnaryArithm:
		operand(n.X)
	case *syntax.ParenArithm:
		operand(n.X)
	}
}

func operand(x syntax.ArithmExpr) {
	w, ok := x.(*syntax.Word)
	if !ok || len(w.Parts) != 1 {
		return
	}
	if to := renamed[w.Lit()]; to != "" {
		w.Parts[0] = &syntax.Lit{Value: to}
	}
	if cmd := randomCommands[w.Lit()]; cmd != "" {
		w.Parts[0] = &syntax.CmdSubst{Stmts: []*syntax.Stmt{{Cmd: call(cmd)}}}
	}
}

// redirects rewrites forms that the interpreter lacks.
func (l *lowering) redirects(st *syntax.Stmt) {
	kept := st.Redirs[:0]
	for _, r := range st.Redirs {
		switch r.Op {
		case syntax.RdrClob: // >| differs from > only under noclobber
			r.Op = syntax.RdrOut
		case syntax.RdrAllClob:
			r.Op = syntax.RdrAll
		case syntax.AppClob:
			r.Op = syntax.AppOut
		case syntax.DplIn:
			if r.Word != nil && r.Word.Lit() == "0" && (r.N == nil || r.N.Value == "0") {
				continue // <&0 changes nothing
			}
		case syntax.RdrIn:
			if r.Word.Lit() == "/dev/stdin" && (r.N == nil || r.N.Value == "0") {
				continue
			}
		}
		if r.Hdoc != nil {
			l.verbatim[r.Hdoc] = true
		}
		kept = append(kept, r)
	}
	st.Redirs = kept
}

// catShortcut writes $(<file) as $(cat <file): the former would read the file behind the command's back.
func catShortcut(cs *syntax.CmdSubst) {
	if len(cs.Stmts) == 1 && cs.Stmts[0].Cmd == nil && len(cs.Stmts[0].Redirs) == 1 && cs.Stmts[0].Redirs[0].Op == syntax.RdrIn {
		cs.Stmts[0].Cmd = call("cat")
	}
}

func call(name string) *syntax.CallExpr {
	return &syntax.CallExpr{Args: []*syntax.Word{{Parts: []syntax.WordPart{&syntax.Lit{Value: name}}}}}
}

// word quotes every tilde but the user's own, so that the interpreter never looks a user up: "~user" at the front
// becomes the home directory that the box knows.
func (l *lowering) word(w *syntax.Word) {
	replaceRandom(w.Parts)
	if l.verbatim[w] {
		return
	}
	var parts []syntax.WordPart
	for i, part := range w.Parts {
		lit, ok := part.(*syntax.Lit)
		if !ok || !strings.Contains(lit.Value, "~") {
			parts = append(parts, part)
			continue
		}
		value := lit.Value
		if i == 0 && strings.HasPrefix(value, "~") {
			name, rest, slash := strings.Cut(value[1:], "/")
			dir, known := l.coreutils().HomeDir(name)
			switch {
			case name == "" && (slash || len(w.Parts) == 1): // $HOME
				parts = append(parts, &syntax.Lit{Value: value[:1+len(value[1:])-len(rest)]})
				value = rest
			case known && (slash || len(w.Parts) == 1):
				parts = append(parts, quoted(dir)...)
				value = value[1+len(name):]
			}
		}
		parts = append(parts, quoteTildes(value)...)
	}
	w.Parts = parts
}

// quoted makes parts that stand for s itself. A single quote is apart, for the printer does not escape it.
func quoted(s string) []syntax.WordPart {
	var parts []syntax.WordPart
	for i, piece := range strings.Split(s, "'") {
		if i > 0 {
			parts = append(parts, &syntax.Lit{Value: `\'`})
		}
		parts = append(parts, &syntax.SglQuoted{Value: piece})
	}
	return parts
}

// quoteTildes splits a literal into parts in which each tilde is quoted: brace expansion could bring it to the front
// of a word.
func quoteTildes(s string) []syntax.WordPart {
	var parts []syntax.WordPart
	start := 0
	add := func(end int) {
		if end > start {
			parts = append(parts, &syntax.Lit{Value: s[start:end]})
		}
	}
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '~':
			add(i)
			parts = append(parts, &syntax.SglQuoted{Value: "~"})
			start = i + 1
		}
	}
	add(len(s))
	return parts
}

// replaceRandom turns $RANDOM and $SRANDOM into commands that ask this package's generator.
func replaceRandom(parts []syntax.WordPart) {
	for i, part := range parts {
		name := ""
		switch p := part.(type) {
		case *syntax.ParamExp:
			if p.Param != nil && plainParameter(p) {
				name = p.Param.Value
			}
		}
		if cmd := randomCommands[name]; cmd != "" {
			parts[i] = &syntax.CmdSubst{Stmts: []*syntax.Stmt{{Cmd: call(cmd)}}}
		}
	}
}

var randomCommands = map[string]string{"RANDOM": "_sh_random", "SRANDOM": "_sh_srandom"}

// plainParameter reports whether p is $x or ${x} and nothing more.
func plainParameter(p *syntax.ParamExp) bool {
	return !p.Excl && !p.Length && !p.Width && p.Index == nil && p.Slice == nil && p.Repl == nil && p.Exp == nil && p.Names == 0
}

// renamed are parameters that the interpreter takes from the process it runs in.
var renamed = map[string]string{"$": varPID, "PPID": varParent, "0": varName}

func (l *lowering) parameter(p *syntax.ParamExp) {
	if p.Param == nil {
		return
	}
	if to := renamed[p.Param.Value]; to != "" {
		p.Param.Value = to
		p.Short = false
	}
	if randomCommands[p.Param.Value] != "" {
		l.err = refuse(p.Pos(), "%s can only be expanded as it is: assign it to a variable first", p.Param.Value)
	}
}

// guarded are commands that the session handles itself because the interpreter's own would look at the host.
var guarded = map[string]bool{
	"test": true, "[": true, "pwd": true, "type": true, "command": true, "builtin": true, "source": true, ".": true,
	"eval": true, "alias": true, "trap": true, "unset": true, "shopt": true, "_sh_pattern": true,
}

func (l *lowering) function(f *syntax.FuncDecl) {
	names := f.Names
	if f.Name != nil {
		names = append(names, f.Name)
	}
	for _, n := range names {
		if guarded[n.Value] || strings.HasPrefix(n.Value, "_sh_") {
			l.err = refuse(f.Pos(), "a function cannot be called %s in a box", n.Value)
			return
		}
		l.functions.add(n.Value)
	}
}

// declaration refuses associative arrays without keys, on which the interpreter panics. An option that is only known
// when the script runs could be -A.
func (l *lowering) declaration(d *syntax.DeclClause) {
	associative := false
	for _, a := range d.Args {
		if a.Name == nil && a.Value != nil {
			option := a.Value.Lit()
			associative = associative || option == "" || strings.HasPrefix(option, "-") && strings.Contains(option, "A")
		}
		if associative && a.Array != nil {
			l.keyed(a.Array)
		}
	}
}

// array refuses to mix quoted keys, which make an array associative, with elements that have none.
func (l *lowering) array(a *syntax.ArrayExpr) {
	if len(a.Elems) == 0 {
		return
	}
	w, ok := a.Elems[0].Index.(*syntax.Word)
	if !ok || len(w.Parts) != 1 {
		return
	}
	switch w.Parts[0].(type) {
	case *syntax.DblQuoted, *syntax.SglQuoted:
		l.keyed(a)
	}
}

func (l *lowering) keyed(a *syntax.ArrayExpr) {
	for _, e := range a.Elems {
		if _, ok := e.Index.(*syntax.Word); !ok {
			l.err = refuse(a.Pos(), "an element of an associative array needs a key")
		}
	}
}
