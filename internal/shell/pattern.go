package shell

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// The interpreter makes a regular expression of a pattern by calls of itself for each group such as @(a|b), tries each that is not
// closed in two ways, and panics where the expression is too large. Go ends the process that has too many calls within each other. So a
// pattern is looked at before: when the script is read if it is text, when it is expanded otherwise.

// What patterns may have.
const (
	maxPattern = 256 << 10 // bytes: to understand so many takes a fifth of a second, which nothing ends
	maxOpen    = 8         // groups, of which it is not certain that they are closed: each doubles the work
	maxGroups  = 100       // within each other
)

// fits reports whether the interpreter can take a pattern.
func fits(pat string) bool {
	groups, open, deepest := 0, 0, 0
	for i := 0; i < len(pat); i++ {
		switch pat[i] {
		case '\\':
			i++
		case '!', '?', '*', '+', '@':
			if i+1 < len(pat) && pat[i+1] == '(' {
				i, groups, open = i+1, groups+1, open+1
				deepest = max(deepest, open)
			}
		case ')':
			open = max(0, open-1)
		}
	}
	closed := open == 0 && deepest <= maxGroups && !strings.Contains(pat, "[") // in brackets a parenthesis closes nothing
	return len(pat) <= maxPattern && (groups <= maxOpen || closed)
}

// patterns has the patterns of a node looked at.
func (l *lowering) patterns(n syntax.Node) {
	switch n := n.(type) {
	case *syntax.CaseItem:
		for _, w := range n.Patterns {
			l.pattern(w)
		}
	case *syntax.BinaryTest:
		if w, ok := n.Y.(*syntax.Word); ok && (n.Op == syntax.TsMatchShort || n.Op == syntax.TsMatch || n.Op == syntax.TsNoMatch) {
			l.pattern(w)
		}
	case *syntax.ParamExp:
		if n.Repl != nil {
			l.pattern(n.Repl.Orig)
		}
		if n.Exp != nil {
			switch n.Exp.Op {
			case syntax.RemSmallPrefix, syntax.RemLargePrefix, syntax.RemSmallSuffix, syntax.RemLargeSuffix,
				syntax.UpperFirst, syntax.UpperAll, syntax.LowerFirst, syntax.LowerAll:
				l.pattern(n.Exp.Word)
			}
		}
	}
}

// pattern looks at a pattern that is text, and replaces one that is expanded by $(_sh_pattern …), which looks at it then: its arguments
// are parts, each after a word that says whether it is quoted. So are patterns with quoted parentheses, which the interpreter takes for
// others.
func (l *lowering) pattern(w *syntax.Word) {
	if w == nil {
		return
	}
	arguments, text, expanded := []*syntax.Word{wordOf("_sh_pattern")}, "", false // quoted, it is no alias
	add := func(kind string, parts ...syntax.WordPart) {
		arguments = append(arguments, wordOf(kind), &syntax.Word{Parts: parts})
	}
	for i, part := range w.Parts {
		switch part := part.(type) {
		case *syntax.Lit:
			value := part.Value
			if home, _, _ := strings.Cut(value, "/"); i == 0 && strings.HasPrefix(value, "~") {
				add(partQuoted, &syntax.Lit{Value: home})
				value = value[len(home):]
			}
			text += value
			add(partPlain, quoted(value)...)
		case *syntax.ExtGlob:
			group := part.Op.String() + part.Pattern.Value + ")"
			text += group
			add(partPlain, quoted(group)...)
		case *syntax.ParamExp, *syntax.CmdSubst:
			expanded = true
			together(part)
			add(partPlain, &syntax.DblQuoted{Parts: []syntax.WordPart{part}})
		case *syntax.DblQuoted:
			for _, inner := range part.Parts {
				together(inner)
				lit, ok := inner.(*syntax.Lit)
				expanded = expanded || !ok || strings.Contains(lit.Value, "(")
			}
			add(partQuoted, part)
		default:
			text, ok := part.(*syntax.SglQuoted)
			expanded = expanded || !ok || strings.Contains(text.Value, "(")
			add(partQuoted, part)
		}
	}
	switch {
	case expanded:
		w.Parts = []syntax.WordPart{&syntax.CmdSubst{Stmts: []*syntax.Stmt{{Cmd: &syntax.CallExpr{Args: arguments}}}}}
	case !fits(text):
		l.err = refuse(w.Pos(), "the pattern is too long, or has too many groups")
	}
}

// wordOf is a word that stands for text.
func wordOf(text string) *syntax.Word { return &syntax.Word{Parts: quoted(text)} }

// Kinds of parts.
const (
	partPlain  = "plain"
	partQuoted = "quoted"
)

// together has all of several parameters in one word.
func together(part syntax.WordPart) {
	p, ok := part.(*syntax.ParamExp)
	if !ok {
		return
	}
	if p.Param != nil && p.Param.Value == "@" {
		p.Param.Value = "*"
	}
	if w, ok := p.Index.(*syntax.Word); ok && w.Lit() == "@" {
		w.Parts = []syntax.WordPart{&syntax.Lit{Value: "*"}}
	}
}

// assembled is the pattern whose parts _sh_pattern was given.
func assembled(args []string) string {
	var b strings.Builder
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == partQuoted {
			for _, c := range args[i+1] {
				if strings.ContainsRune(`*?[]\()|!+@-^`, c) {
					b.WriteByte('\\')
				}
				b.WriteRune(c)
			}
		} else {
			b.WriteString(args[i+1])
		}
	}
	pat := b.String()
	if rest, found := strings.CutSuffix(pat, "\n"); found { // which $(…) would not keep
		return rest + "[\n]"
	}
	return pat
}
