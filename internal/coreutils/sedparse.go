package coreutils

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// sedCommand is one command of a script, with its addresses.
type sedCommand struct {
	first, second *sedAddress
	negate        bool
	name          byte
	text          string // of a, i, c; file of r, w; label of b, t, T
	target        int    // of b, t, T and {: index of the command to go on with
	code          int    // of q, Q
	re            *regex // of s; nil: the last one used
	replacement   []sedPart
	global, print bool
	nth           int
	file          string        // of the w flag
	table         map[rune]rune // of y

	active bool // within its range
	until  int  // line the range ends at
}

// sedAddress is a line number, $, a regular expression, FIRST~STEP, or as a second address +N or ~N.
type sedAddress struct {
	kind byte // n, $, /, ~ (first~step), + or m (multiple)
	n    int
	step int
	re   *regex // nil with kind '/': the last one used
}

// sedPart is a piece of a replacement: text, or a group, each in the case that \U \L \u \l \E select.
type sedPart struct {
	text  string
	group int // -1: text
	fold  byte
	once  byte
}

const maxSedCommands = 10000

type sedParser struct {
	s        string
	pos      int
	extended bool
	quiet    bool // "#n" on the first line
	stopped  func() bool
}

func (p *sedParser) parse() ([]sedCommand, error) {
	if p.s == "#n" || strings.HasPrefix(p.s, "#n\n") {
		p.quiet = true
	}
	var cmds []sedCommand
	var open []int
	labels := map[string]int{}
	for {
		p.skip(" \t\n;")
		if p.pos >= len(p.s) {
			break
		}
		if len(cmds) > maxSedCommands {
			return nil, errors.New("script is too long")
		}
		c, err := p.command()
		if err != nil {
			return nil, err
		}
		switch c.name {
		case '#':
			continue
		case ':':
			labels[c.text] = len(cmds)
			continue
		case '{':
			open = append(open, len(cmds))
		case '}':
			if len(open) == 0 {
				return nil, errors.New("unexpected `}'")
			}
			cmds[open[len(open)-1]].target = len(cmds)
			open = open[:len(open)-1]
			continue
		}
		cmds = append(cmds, c)
	}
	if len(open) > 0 {
		return nil, errors.New("unmatched `{'")
	}
	for i, c := range cmds {
		if c.name == 'b' || c.name == 't' || c.name == 'T' {
			at, ok := labels[c.text]
			if c.text == "" {
				at, ok = len(cmds), true
			}
			if !ok {
				return nil, errors.New("can't find label for jump to `" + c.text + "'")
			}
			cmds[i].target = at
		}
	}
	return cmds, nil
}

func (p *sedParser) skip(set string) {
	for p.pos < len(p.s) && strings.IndexByte(set, p.s[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *sedParser) peek() byte {
	if p.pos < len(p.s) {
		return p.s[p.pos]
	}
	return 0
}

func (p *sedParser) command() (c sedCommand, err error) {
	if c.first, err = p.address(false); err != nil {
		return c, err
	}
	p.skip(" \t")
	if c.first != nil && p.peek() == ',' {
		p.pos++
		p.skip(" \t")
		if c.second, err = p.address(true); err != nil {
			return c, err
		}
		if c.second == nil {
			return c, errors.New("unexpected `,'")
		}
	}
	p.skip(" \t")
	for p.peek() == '!' {
		c.negate = true
		p.pos++
		p.skip(" \t")
	}
	if p.pos >= len(p.s) {
		return c, errors.New("missing command")
	}
	c.name = p.s[p.pos]
	p.pos++
	return c, p.arguments(&c)
}

func (p *sedParser) address(second bool) (*sedAddress, error) {
	switch b := p.peek(); {
	case isDigit(b):
		n := p.number()
		if p.peek() == '~' && !second {
			p.pos++
			return &sedAddress{kind: '~', n: n, step: p.number()}, nil
		}
		return &sedAddress{kind: 'n', n: n}, nil
	case b == '$':
		p.pos++
		return &sedAddress{kind: '$'}, nil
	case b == '/' || b == '\\':
		return p.regexAddress(b)
	case second && (b == '+' || b == '~'):
		p.pos++
		kind := byte('+')
		if b == '~' {
			kind = 'm'
		}
		return &sedAddress{kind: kind, n: p.number()}, nil
	}
	return nil, nil
}

func (p *sedParser) number() int {
	start := p.pos
	for isDigit(p.peek()) {
		p.pos++
	}
	n, _ := strconv.Atoi(p.s[start:p.pos])
	return n
}

func (p *sedParser) regexAddress(b byte) (*sedAddress, error) {
	p.pos++
	delim := b
	if b == '\\' {
		if p.pos >= len(p.s) {
			return nil, errors.New("unexpected end of script")
		}
		delim = p.s[p.pos]
		p.pos++
	}
	text, ok := p.delimited(delim, true)
	if !ok {
		return nil, errors.New("unterminated address regex")
	}
	opt := regexOptions{extended: p.extended, escapes: true, stopped: p.stopped}
	for {
		switch p.peek() {
		case 'I':
			opt.fold = true
		case 'M':
			opt.multiline = true
		default:
			a := &sedAddress{kind: '/'}
			var err error
			if text != "" {
				a.re, err = compileRegex(text, opt)
			}
			return a, err
		}
		p.pos++
	}
}

// delimited reads up to an unescaped delim, which it skips. An escaped delim loses its backslash; in a regular
// expression "\n" stays and brackets shield the delimiter.
func (p *sedParser) delimited(delim byte, regex bool) (string, bool) {
	var b strings.Builder
	bracket := false
	for ; p.pos < len(p.s); p.pos++ {
		ch := p.s[p.pos]
		switch {
		case ch == '\\' && p.pos+1 < len(p.s) && !bracket:
			p.pos++
			if next := p.s[p.pos]; next == delim && delim != '\\' {
				if regex && strings.IndexByte(".*[]^$+?{}()|", delim) >= 0 {
					b.WriteByte('\\') // s.a\.b.c. means a literal dot
				}
				b.WriteByte(delim)
			} else {
				b.WriteByte('\\')
				b.WriteByte(next)
			}
			continue
		case regex && ch == '[' && !bracket:
			bracket = true
			b.WriteByte(ch)
			for _, c := range []byte{'^', ']'} { // a ] in front is a member
				if p.pos+1 < len(p.s) && p.s[p.pos+1] == c {
					p.pos++
					b.WriteByte(c)
				}
			}
			continue
		case ch == ']' && bracket:
			bracket = false
		case ch == '[' && bracket && p.pos+1 < len(p.s) && strings.IndexByte(":.=", p.s[p.pos+1]) >= 0:
			if end := strings.Index(p.s[p.pos+2:], p.s[p.pos+1:p.pos+2]+"]"); end >= 0 {
				b.WriteString(p.s[p.pos : p.pos+4+end])
				p.pos += 3 + end
				continue
			}
		case ch == delim && !bracket:
			p.pos++
			return b.String(), true
		case ch == '\n' && regex && delim != '\n':
			return "", false
		}
		b.WriteByte(ch)
	}
	return "", false
}

func (p *sedParser) arguments(c *sedCommand) error {
	switch c.name {
	case '{':
		return nil
	case '}', ':', '#':
		if c.first != nil && c.name != '#' {
			return errors.New(string(c.name) + " doesn't want any addresses")
		}
		if c.name == ':' {
			p.skip(" \t")
			if c.text = p.label(" \t\n;"); c.text == "" {
				return errors.New("\":\" lacks a label")
			}
		}
		if c.name == '#' {
			p.label("\n")
		}
		if c.name == '}' {
			return p.end()
		}
		return nil
	case '=', 'd', 'D', 'F', 'g', 'G', 'h', 'H', 'n', 'N', 'p', 'P', 'x', 'z':
		return p.end()
	case 'l', 'q', 'Q', 'L':
		p.skip(" \t")
		c.code = p.number()
		return p.end()
	case 'a', 'i', 'c':
		return p.textArgument(c)
	case 'b', 't', 'T':
		p.skip(" \t")
		c.text = strings.TrimRight(p.label("\n;}"), " \t")
		return p.end()
	case 'r', 'w', 'R', 'W':
		p.skip(" \t")
		if c.text = p.label("\n"); c.text == "" {
			return errors.New("missing filename in r/R/w/W commands")
		}
		return nil
	case 's':
		return p.substitution(c)
	case 'y':
		return p.transliteration(c)
	case 'e':
		return errors.New("the e command is not available in a box")
	}
	return fmt.Errorf("unknown command: `%c'", c.name)
}

func (p *sedParser) label(stop string) string {
	start := p.pos
	for p.pos < len(p.s) && strings.IndexByte(stop, p.s[p.pos]) < 0 {
		p.pos++
	}
	return p.s[start:p.pos]
}

// end checks that nothing but a separator follows a command.
func (p *sedParser) end() error {
	p.skip(" \t")
	switch p.peek() {
	case 0, '\n', ';':
		return nil
	case '}', '#':
		return nil
	}
	return errors.New("extra characters after command")
}

// textArgument reads the text of a, i and c: "a\" and lines, or GNU's "a text".
func (p *sedParser) textArgument(c *sedCommand) error {
	p.skip(" \t")
	if p.pos >= len(p.s) {
		return errors.New("expected \\ after `a', `c' or `i'")
	}
	if p.peek() == '\\' {
		p.pos++
		start := p.pos
		if p.skip(" \t"); p.peek() == '\n' {
			p.pos++
		} else {
			p.pos = start // "a\  text" keeps its blanks
		}
		if p.pos >= len(p.s) {
			return nil
		}
	}
	var b strings.Builder
	for ; p.pos < len(p.s) && p.s[p.pos] != '\n'; p.pos++ {
		if p.s[p.pos] == '\\' && p.pos+1 < len(p.s) {
			p.pos++
			if r, n, ok := sedEscape(p.s[p.pos:]); ok {
				b.WriteString(string(r))
				p.pos += n - 1
				continue
			}
		}
		b.WriteByte(p.s[p.pos])
	}
	c.text = b.String() + "\n"
	return nil
}
