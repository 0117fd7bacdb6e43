package coreutils

import (
	"errors"
	"regexp"
	"strings"
)

// POSIX regular expressions for sed, grep, find and expr.
//
// A pattern is parsed into a tree (regexparse.go). Nearly every tree can be written as a pattern of package
// regexp, which matches in linear time; Longest gives POSIX's leftmost-longest rule. What that package cannot
// say, back-references and the edges of words, is matched by backtracking over the tree (regexmatch.go), with
// a bound on the steps.

type regexOptions struct {
	extended  bool // ERE, else BRE
	literal   bool // grep -F: alternatives separated by newlines, nothing is special
	fold      bool // ignore case
	multiline bool // sed's M: ^ and $ match at newlines
	escapes   bool // sed's \n, \t, \xHH, also in brackets
	word      bool // grep -w
	line      bool // grep -x
}

// regex is a compiled expression.
type regex struct {
	groups int            // number of ( )
	re     *regexp.Regexp // nil: backtrack over tree
	tree   regexNode
	opt    regexOptions
	word   bool
	steps  int // that the last backtracking match took
}

var errTooComplex = errors.New("regular expression is too complex")

func compileRegex(pattern string, opt regexOptions) (*regex, error) {
	var tree regexNode
	p := &regexParser{s: pattern, opt: opt}
	if opt.literal {
		tree = literalTree(pattern)
	} else {
		var err error
		if tree, err = p.parse(); err != nil {
			return nil, err
		}
	}
	r := &regex{groups: p.groups, tree: tree, opt: opt, word: opt.word}
	if p.backtrack {
		if opt.line {
			r.tree = inSequence(regexNode{kind: nodeBufStart}, tree, regexNode{kind: nodeBufEnd})
		}
		return r, nil
	}
	var b strings.Builder
	switch {
	case opt.multiline && opt.fold:
		b.WriteString("(?smi)")
	case opt.multiline:
		b.WriteString("(?sm)")
	case opt.fold:
		b.WriteString("(?si)")
	default:
		b.WriteString("(?s)")
	}
	body := &strings.Builder{}
	tree.write(body)
	switch {
	case opt.line:
		b.WriteString(`\A(?:` + body.String() + `)\z`)
	case opt.word:
		b.WriteString(`(?:\A|[^\pL\pN_])(` + body.String() + `)(?:\z|[^\pL\pN_])`)
	default:
		b.WriteString(body.String())
	}
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, errInvalid("Regular expression too big")
	}
	re.Longest()
	r.re = re
	return r, nil
}

// literalTree is the tree of grep -F.
func literalTree(pattern string) regexNode {
	alt := regexNode{kind: nodeAlt}
	for line := range strings.SplitSeq(pattern, "\n") {
		seq := regexNode{kind: nodeSeq}
		for _, r := range line {
			seq.subs = append(seq.subs, regexNode{kind: nodeChar, char: r})
		}
		alt.subs = append(alt.subs, seq)
	}
	return alt
}

func inSequence(nodes ...regexNode) regexNode { return regexNode{kind: nodeSeq, subs: nodes} }

// matches reports whether s holds a match.
func (r *regex) matches(s []byte) bool {
	if r.re != nil {
		return r.re.Match(s)
	}
	return r.matchAt(s, 0) != nil
}

// matchAt returns the indices of the first match that starts at from or later, with its groups, or nil.
func (r *regex) matchAt(s []byte, from int) []int {
	switch {
	case r.re == nil:
		return r.backtrackFrom(s, from)
	case r.word:
		m := r.re.FindSubmatchIndex(s[from:])
		if m == nil {
			return nil
		}
		m = append([]int(nil), m[2:]...)
		for i := range m {
			if m[i] >= 0 {
				m[i] += from
			}
		}
		return m
	case from == 0:
		return r.re.FindSubmatchIndex(s)
	}
	for _, m := range r.re.FindAllSubmatchIndex(s, -1) {
		if m[0] >= from {
			return m
		}
	}
	return nil
}

// all returns up to n successive matches (n < 0: all). An empty match next to the one before does not count.
func (r *regex) all(s []byte, n int) [][]int {
	if r.re != nil && !r.word {
		return r.re.FindAllSubmatchIndex(s, n)
	}
	var out [][]int
	end := -1
	for at := 0; at <= len(s) && (n < 0 || len(out) < n); {
		m := r.matchAt(s, at)
		if m == nil {
			break
		}
		if m[1] > m[0] || m[0] != end {
			out = append(out, m)
		}
		end = m[1]
		if at = end; m[1] == m[0] {
			at++
		}
	}
	return out
}

// compilePerl compiles a pattern of grep -P: the part of Perl's syntax that package regexp has.
func compilePerl(p string, opt regexOptions) (*regex, error) {
	flags := "(?s)"
	if opt.fold {
		flags = "(?si)"
	}
	switch {
	case opt.line:
		p = `\A(?:` + p + `)\z`
	case opt.word:
		p = `(?:\A|[^\pL\pN_])(` + p + `)(?:\z|[^\pL\pN_])`
	}
	re, err := regexp.Compile(flags + p)
	if err != nil {
		return nil, errors.New("unsupported Perl regular expression: " + err.Error())
	}
	return &regex{groups: re.NumSubexp(), re: re, opt: opt, word: opt.word}, nil
}
