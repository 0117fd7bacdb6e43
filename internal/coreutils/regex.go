package coreutils

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
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

	stopped func() bool // tells that nobody wants the match any more; nil: never
}

// regex is a compiled expression.
type regex struct {
	groups int            // number of ( )
	re     *regexp.Regexp // nil: backtrack over tree
	tree   regexNode
	opt    regexOptions
	word   bool
	steps  int  // that the last backtracking match took
	size   int  // about how many states it has
	starts bool // it tells the start of a text
}

const (
	// maxRegexSize bounds the time that compiling takes: some 20 ms.
	maxRegexSize = 50_000
	// longMatch is how many states times bytes package regexp, which cannot be stopped, goes through at once: some milliseconds' work.
	longMatch = 1 << 18
)

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
	r := &regex{groups: p.groups, tree: tree, opt: opt, word: opt.word, size: tree.size(), starts: tree.tellsStart()}
	if r.size > maxRegexSize {
		return nil, errInvalid("Regular expression too big")
	}
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

// size is about how many states a regular expression has, at most a little more than maxRegexSize.
func (n *regexNode) size() int {
	size := 1
	for i := range n.subs {
		if size += n.subs[i].size(); size > maxRegexSize {
			return size
		}
	}
	return size * max(1, n.min, n.max)
}

// tellsStart reports whether what n matches depends on whether a text starts there.
func (n *regexNode) tellsStart() bool {
	if n.kind == nodeBOL || n.kind == nodeBufStart {
		return true
	}
	return slices.ContainsFunc(n.subs, func(s regexNode) bool { return s.tellsStart() })
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
	switch {
	case r.re == nil:
		return r.matchAt(s, 0) != nil
	case r.long(s):
		return r.re.MatchReader(&stoppable{s: s, stopped: r.opt.stopped})
	}
	return r.re.Match(s)
}

// matchAt returns the indices of the first match that starts at from or later, with its groups, or nil.
func (r *regex) matchAt(s []byte, from int) []int {
	switch {
	case r.re == nil:
		return r.backtrackFrom(s, from)
	case r.word:
		m := r.first(s[from:])
		if m == nil {
			return nil
		}
		return shifted(append([]int(nil), m[2:]...), from)
	case from == 0 || !r.starts:
		return shifted(r.first(s[from:]), from)
	}
	for _, m := range r.re.FindAllSubmatchIndex(s, -1) {
		if m[0] >= from {
			return m
		}
	}
	return nil
}

// first returns the first match in s.
func (r *regex) first(s []byte) []int {
	if r.long(s) {
		return r.re.FindReaderSubmatchIndex(&stoppable{s: s, stopped: r.opt.stopped})
	}
	return r.re.FindSubmatchIndex(s)
}

func (o *regexOptions) isStopped() bool { return o.stopped != nil && o.stopped() }

func (r *regex) long(s []byte) bool { return r.opt.stopped != nil && len(s) > longMatch/max(1, r.size) }

// stoppable reads a text that ends when nobody wants the match any more.
type stoppable struct {
	s       []byte
	at      int
	stopped func() bool
}

func (r *stoppable) ReadRune() (char rune, size int, err error) {
	if r.at == len(r.s) || r.stopped() {
		return 0, 0, io.EOF
	}
	char, size = utf8.DecodeRune(r.s[r.at:])
	r.at += size
	return char, size, nil
}

// shifted adds to the indices of a match.
func shifted(m []int, by int) []int {
	for i := range m {
		if m[i] >= 0 {
			m[i] += by
		}
	}
	return m
}

// all returns up to n successive matches (n < 0: all). An empty match next to the one before does not count.
func (r *regex) all(s []byte, n int) [][]int {
	if r.re != nil && !r.word && (r.starts || !r.long(s)) {
		return r.re.FindAllSubmatchIndex(s, n)
	}
	var out [][]int
	end := -1
	for at := 0; at <= len(s) && (n < 0 || len(out) < n) && !r.opt.isStopped(); {
		m := r.matchAt(s, at)
		if m == nil {
			break
		}
		if m[1] > m[0] || m[0] != end {
			out = append(out, m)
		}
		end = m[1]
		if at = end; m[1] == m[0] {
			_, size := utf8.DecodeRune(s[at:])
			at += max(1, size)
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
	return &regex{groups: re.NumSubexp(), re: re, opt: opt, word: opt.word, size: len(p), starts: true}, nil
}
