package coreutils

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type nodeKind byte

const (
	nodeSeq nodeKind = iota
	nodeAlt
	nodeChar
	nodeAny
	nodeClass
	nodeBOL
	nodeEOL
	nodeWordEdge
	nodeNotWordEdge
	nodeWordStart
	nodeWordEnd
	nodeBufStart
	nodeBufEnd
	nodeGroup
	nodeRepeat
	nodeBackref
)

// regexNode is a node of a parsed expression.
type regexNode struct {
	kind     nodeKind
	char     rune
	class    *charClass
	subs     []regexNode
	group    int // number of a group or back-reference
	min, max int // of a repeat; max < 0: no bound
}

// charClass is a bracket expression.
type charClass struct {
	negated bool
	ranges  []runeRange
	classes []string // names such as "alpha"
}

type runeRange struct{ lo, hi rune }

const maxRegexDepth = 200

type regexParser struct {
	s         string
	pos       int
	opt       regexOptions
	groups    int
	open      int
	depth     int
	backtrack bool // the tree needs the backtracking matcher
}

func (p *regexParser) parse() (regexNode, error) {
	n, err := p.alternation()
	if err == nil && p.pos < len(p.s) {
		return n, errInvalid("Unmatched ) or \\)")
	}
	return n, err
}

func (p *regexParser) rest() string { return p.s[p.pos:] }

// token reports whether an operator comes next, escaped in a BRE and bare in an ERE.
func (p *regexParser) token(op string) bool {
	if !p.opt.extended {
		op = `\` + op
	}
	return strings.HasPrefix(p.rest(), op)
}

func (p *regexParser) skip(op string) {
	p.pos += len(op)
	if !p.opt.extended {
		p.pos++
	}
}

func (p *regexParser) alternation() (regexNode, error) {
	if p.depth++; p.depth > maxRegexDepth {
		return regexNode{}, errTooComplex
	}
	defer func() { p.depth-- }()
	alt := regexNode{kind: nodeAlt}
	for {
		seq, err := p.sequence()
		if err != nil {
			return alt, err
		}
		alt.subs = append(alt.subs, seq)
		if !p.token("|") {
			break
		}
		p.skip("|")
	}
	if len(alt.subs) == 1 {
		return alt.subs[0], nil
	}
	return alt, nil
}

func (p *regexParser) sequence() (regexNode, error) {
	seq := regexNode{kind: nodeSeq}
	for p.pos < len(p.s) && !p.token("|") && !(p.token(")") && (p.open > 0 || !p.opt.extended)) {
		atom, err := p.atom(len(seq.subs) == 0 || !p.opt.extended && seq.subs[len(seq.subs)-1].kind == nodeBOL)
		if err != nil {
			return seq, err
		}
		if atom, err = p.repeats(atom); err != nil {
			return seq, err
		}
		seq.subs = append(seq.subs, atom)
	}
	return seq, nil
}

// atom parses one element; first tells that a star here is an ordinary character.
func (p *regexParser) atom(first bool) (regexNode, error) {
	c, size := utf8.DecodeRuneInString(p.rest())
	switch {
	case p.token("("):
		return p.groupNode()
	case c == '[':
		return p.bracket()
	case c == '\\':
		return p.escaped()
	}
	p.pos += size
	switch {
	case c == utf8.RuneError && size == 1:
		return regexNode{kind: nodeChar, char: rune(p.s[p.pos-1])}, nil
	case c == '.':
		return regexNode{kind: nodeAny}, nil
	case c == '^' && (p.opt.extended || first):
		return regexNode{kind: nodeBOL}, nil
	case c == '$' && (p.opt.extended || p.pos == len(p.s) || p.token(")") || p.token("|")):
		return regexNode{kind: nodeEOL}, nil
	}
	return regexNode{kind: nodeChar, char: c}, nil
}

func (p *regexParser) groupNode() (regexNode, error) {
	p.skip("(")
	p.groups++
	p.open++
	n := regexNode{kind: nodeGroup, group: p.groups}
	inner, err := p.alternation()
	if err != nil {
		return n, err
	}
	if !p.token(")") {
		return n, errInvalid("Unmatched ( or \\(")
	}
	p.skip(")")
	p.open--
	n.subs = []regexNode{inner}
	return n, nil
}

func (p *regexParser) escaped() (regexNode, error) {
	if p.pos+1 == len(p.s) {
		return regexNode{}, errInvalid("Trailing backslash")
	}
	c, size := utf8.DecodeRuneInString(p.s[p.pos+1:])
	p.pos += 1 + size
	kinds := map[rune]nodeKind{'b': nodeWordEdge, 'B': nodeNotWordEdge, '<': nodeWordStart, '>': nodeWordEnd,
		'`': nodeBufStart, '\'': nodeBufEnd}
	if kind, ok := kinds[c]; ok {
		p.backtrack = p.backtrack || c == '<' || c == '>'
		return regexNode{kind: kind}, nil
	}
	switch c {
	case 'w', 'W':
		return classNode(c == 'W', "word"), nil
	case 's', 'S':
		return classNode(c == 'S', "space"), nil
	}
	if '1' <= c && c <= '9' {
		n := int(c - '0')
		if n > p.groups {
			return regexNode{}, errInvalid("Invalid back reference")
		}
		p.backtrack = true
		return regexNode{kind: nodeBackref, group: n}, nil
	}
	if p.opt.escapes {
		if r, n, ok := sedEscape(p.s[p.pos-size:]); ok {
			p.pos += n - size
			return regexNode{kind: nodeChar, char: r}, nil
		}
	}
	return regexNode{kind: nodeChar, char: c}, nil
}

// sedEscape reads what follows a backslash in sed: n t f v a r, xHH, oNNN, dNNN, cX.
func sedEscape(s string) (r rune, n int, ok bool) {
	if s == "" {
		return 0, 0, false
	}
	if i := strings.IndexByte("afnrtv", s[0]); i >= 0 {
		return rune("\a\f\n\r\t\v"[i]), 1, true
	}
	if s[0] == 'c' && len(s) > 1 {
		return rune(strings.ToUpper(s[1:2])[0] ^ 0x40), 2, true
	}
	base, limit := map[byte]int{'x': 16, 'o': 8, 'd': 10}[s[0]], map[byte]int{'x': 2, 'o': 3, 'd': 3}[s[0]]
	if base == 0 {
		return 0, 0, false
	}
	v, used := digits(s[1:], base, limit)
	return rune(v & 0xff), 1 + used, used > 0
}

func classNode(negated bool, name string) regexNode {
	return regexNode{kind: nodeClass, class: &charClass{negated: negated, classes: []string{name}}}
}

// repeats applies the repetition operators that follow an atom.
func (p *regexParser) repeats(atom regexNode) (regexNode, error) {
	for count := 0; p.pos < len(p.s); count++ {
		lo, hi, n, err := p.repetition()
		if err != nil {
			return atom, err
		}
		if n == 0 {
			break
		}
		if atom.kind == nodeBOL && !p.opt.extended {
			break // "^*": the star is a character
		}
		if count > 20 {
			return atom, errTooComplex
		}
		p.pos += n
		atom = regexNode{kind: nodeRepeat, subs: []regexNode{atom}, min: lo, max: hi}
	}
	return atom, nil
}

// repetition reads an operator without consuming it; n is its length.
func (p *regexParser) repetition() (lo, hi, n int, err error) {
	width := 1
	if !p.opt.extended {
		width = 2
	}
	switch {
	case p.s[p.pos] == '*':
		return 0, -1, 1, nil
	case p.token("+"):
		return 1, -1, width, nil
	case p.token("?"):
		return 0, 1, width, nil
	case !p.token("{"):
		return 0, 0, 0, nil
	}
	closing := "}"
	if !p.opt.extended {
		closing = `\}`
	}
	body, _, ok := strings.Cut(p.s[p.pos+width:], closing)
	lo, hi, valid := parseBounds(body)
	switch {
	case (!ok || !valid) && p.opt.extended:
		return 0, 0, 0, nil // GNU: an invalid interval stands for itself
	case !ok:
		return 0, 0, 0, errInvalid("Unmatched \\{")
	case !valid:
		return 0, 0, 0, errInvalid("Invalid content of \\{\\}")
	case lo > 1000 || hi > 1000:
		return 0, 0, 0, errInvalid("Regular expression too big")
	}
	return lo, hi, width + len(body) + len(closing), nil
}

func parseBounds(s string) (lo, hi int, ok bool) {
	from, to, comma := strings.Cut(s, ",")
	lo, err := strconv.Atoi(from)
	if from == "" && comma {
		lo, err = 0, nil
	}
	if err != nil || lo < 0 {
		return 0, 0, false
	}
	switch {
	case !comma:
		return lo, lo, true
	case to == "":
		return lo, -1, true
	}
	hi, err = strconv.Atoi(to)
	return lo, hi, err == nil && hi >= lo
}

func (p *regexParser) bracket() (regexNode, error) {
	unmatched := errInvalid("Unmatched [, [^, [:, [., or [=")
	c := &charClass{}
	i := p.pos + 1
	if i < len(p.s) && p.s[i] == '^' {
		c.negated = true
		i++
	}
	for first := true; ; first = false {
		if i >= len(p.s) {
			return regexNode{}, unmatched
		}
		if p.s[i] == ']' && !first {
			p.pos = i + 1
			return regexNode{kind: nodeClass, class: c}, nil
		}
		if strings.HasPrefix(p.s[i:], "[:") {
			name, _, ok := strings.Cut(p.s[i+2:], ":]")
			if !ok {
				return regexNode{}, unmatched
			}
			if trClasses[name] == nil {
				return regexNode{}, errInvalid("Invalid character class name")
			}
			c.classes = append(c.classes, name)
			i += len(name) + 4
			continue
		}
		lo, n, err := p.bracketChar(i)
		if err != nil {
			return regexNode{}, err
		}
		i += n
		hi := lo
		if i+1 < len(p.s) && p.s[i] == '-' && p.s[i+1] != ']' {
			if hi, n, err = p.bracketChar(i + 1); err != nil {
				return regexNode{}, err
			}
			if hi < lo {
				return regexNode{}, errInvalid("Invalid range end")
			}
			i += 1 + n
		}
		c.ranges = append(c.ranges, runeRange{lo, hi})
	}
}

func (p *regexParser) bracketChar(i int) (r rune, n int, err error) {
	s := p.s[i:]
	for _, d := range []string{".", "="} {
		if rest, ok := strings.CutPrefix(s, "["+d); ok {
			name, _, closed := strings.Cut(rest, d+"]")
			if r, size := utf8.DecodeRuneInString(name); closed && size == len(name) && size > 0 {
				return r, len(name) + 4, nil
			}
			return 0, 0, errInvalid("Invalid collation character")
		}
	}
	if p.opt.escapes && s[0] == '\\' {
		if r, n, ok := sedEscape(s[1:]); ok {
			return r, n + 1, nil
		}
	}
	r, n = utf8.DecodeRuneInString(s)
	return r, n, nil
}

// goClasses are the classes as package regexp writes them inside brackets.
var goClasses = map[string]string{
	"alnum": `\pL\pN`, "alpha": `\pL`, "upper": `\p{Lu}`, "lower": `\p{Ll}`, "word": `\pL\pN_`,
}

// write appends the node in the syntax of package regexp.
func (n regexNode) write(b *strings.Builder) {
	switch n.kind {
	case nodeSeq:
		for _, s := range n.subs {
			s.write(b)
		}
	case nodeAlt:
		b.WriteString("(?:")
		for i, s := range n.subs {
			if i > 0 {
				b.WriteByte('|')
			}
			s.write(b)
		}
		b.WriteByte(')')
	case nodeChar:
		b.WriteString(regexp.QuoteMeta(string(n.char)))
	case nodeClass:
		n.class.write(b)
	case nodeGroup:
		b.WriteByte('(')
		n.subs[0].write(b)
		b.WriteByte(')')
	case nodeRepeat:
		b.WriteString("(?:")
		n.subs[0].write(b)
		b.WriteByte(')')
		n.writeCount(b)
	default:
		b.WriteString(map[nodeKind]string{nodeAny: ".", nodeBOL: "^", nodeEOL: "$", nodeWordEdge: `\b`,
			nodeNotWordEdge: `\B`, nodeBufStart: `\A`, nodeBufEnd: `\z`}[n.kind])
	}
}

func (n regexNode) writeCount(b *strings.Builder) {
	switch {
	case n.min == 0 && n.max < 0:
		b.WriteByte('*')
	case n.min == 1 && n.max < 0:
		b.WriteByte('+')
	case n.max < 0:
		fmt.Fprintf(b, "{%d,}", n.min)
	default:
		fmt.Fprintf(b, "{%d,%d}", n.min, n.max)
	}
}

func (c *charClass) write(b *strings.Builder) {
	b.WriteByte('[')
	if c.negated {
		b.WriteByte('^')
	}
	for _, r := range c.ranges {
		fmt.Fprintf(b, `\x{%x}-\x{%x}`, r.lo, r.hi)
	}
	for _, name := range c.classes {
		if g, ok := goClasses[name]; ok {
			b.WriteString(g)
		} else {
			b.WriteString("[:" + name + ":]")
		}
	}
	b.WriteByte(']')
}

// has reports whether a character is in the class.
func (c *charClass) has(r rune, fold bool) bool {
	in := c.contains(r)
	if fold && !in {
		in = c.contains(unicode.ToLower(r)) || c.contains(unicode.ToUpper(r))
	}
	return in != c.negated
}

func (c *charClass) contains(r rune) bool {
	for _, x := range c.ranges {
		if x.lo <= r && r <= x.hi {
			return true
		}
	}
	for _, name := range c.classes {
		switch {
		case name == "word":
			if isWordRune(r) {
				return true
			}
		case r < 128:
			if trClasses[name](byte(r)) {
				return true
			}
		case name == "alpha" || name == "alnum":
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return true
			}
		case name == "upper" && unicode.IsUpper(r), name == "lower" && unicode.IsLower(r):
			return true
		}
	}
	return false
}

func isWordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
