package coreutils

import (
	"errors"
	"fmt"
	"strings"
)

func (p *sedParser) substitution(c *sedCommand) error {
	unterminated := errors.New("unterminated `s' command")
	if p.pos >= len(p.s) || p.s[p.pos] == '\n' || p.s[p.pos] == '\\' {
		return unterminated
	}
	delim := p.s[p.pos]
	p.pos++
	re, ok := p.delimited(delim, true)
	if !ok {
		return unterminated
	}
	repl, ok := p.delimited(delim, false)
	if !ok {
		return unterminated
	}
	opt := regexOptions{extended: p.extended, escapes: true, stopped: p.stopped}
	if err := p.substitutionFlags(c, &opt); err != nil {
		return err
	}
	groups := 9
	if re != "" {
		var err error
		if c.re, err = compileRegex(re, opt); err != nil {
			return err
		}
		groups = c.re.groups
	}
	var err error
	c.replacement, err = parseReplacement(repl, groups)
	return err
}

func (p *sedParser) substitutionFlags(c *sedCommand, opt *regexOptions) error {
	for {
		switch b := p.peek(); b {
		case 'g':
			c.global = true
		case 'p':
			c.print = true
		case 'i', 'I':
			opt.fold = true
		case 'm', 'M':
			opt.multiline = true
		case 'e':
			return errors.New("the e flag is not available in a box")
		case 'w':
			p.pos++
			p.skip(" \t")
			if c.file = p.label("\n"); c.file == "" {
				return errors.New("missing filename in r/R/w/W commands")
			}
			return nil
		default:
			if isDigit(b) {
				if c.nth = p.number(); c.nth == 0 {
					return errors.New("number option to `s' command may not be zero")
				}
				continue
			}
			if p.end() != nil {
				return errors.New("unknown option to `s'")
			}
			return nil
		}
		p.pos++
	}
}

// parseReplacement splits the right side of s into text and groups.
func parseReplacement(s string, groups int) ([]sedPart, error) {
	var parts []sedPart
	var text strings.Builder
	fold, once := byte(0), byte(0)
	flush := func() {
		if text.Len() > 0 {
			parts = append(parts, sedPart{text.String(), -1, fold, once})
			text.Reset()
			once = 0
		}
	}
	group := func(n int) {
		flush()
		parts = append(parts, sedPart{"", n, fold, once})
		once = 0
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '&':
			group(0)
		case s[i] != '\\' || i+1 == len(s):
			text.WriteByte(s[i])
		default:
			i++
			switch b := s[i]; {
			case isDigit(b):
				if n := int(b - '0'); n > groups {
					return nil, fmt.Errorf("invalid reference \\%d on `s' command's RHS", n)
				}
				group(int(b - '0'))
			case b == 'U' || b == 'L' || b == 'E':
				flush()
				if fold = b; b == 'E' {
					fold = 0
				}
				once = 0
			case b == 'u' || b == 'l':
				flush()
				once = b
			default:
				if r, n, ok := sedEscape(s[i:]); ok {
					text.WriteString(string(r))
					i += n - 1
				} else {
					text.WriteByte(b)
				}
			}
		}
	}
	flush()
	return parts, nil
}

func (p *sedParser) transliteration(c *sedCommand) error {
	if p.pos >= len(p.s) {
		return errors.New("unterminated `y' command")
	}
	delim := p.s[p.pos]
	p.pos++
	from, ok1 := p.delimited(delim, false)
	to, ok2 := p.delimited(delim, false)
	if !ok1 || !ok2 {
		return errors.New("unterminated `y' command")
	}
	a, b := unescapeRunes(from), unescapeRunes(to)
	if len(a) != len(b) {
		return errors.New("strings for `y' command are different lengths")
	}
	c.table = map[rune]rune{}
	for i, r := range a {
		if _, ok := c.table[r]; !ok {
			c.table[r] = b[i]
		}
	}
	return p.end()
}

func unescapeRunes(s string) []rune {
	var out []rune
	runes := []rune(s)
	for i := 0; i < len(runes); i++ {
		if runes[i] == '\\' && i+1 < len(runes) {
			i++
			if r, _, ok := sedEscape(string(runes[i : i+1])); ok {
				out = append(out, r)
				continue
			}
			if runes[i] != '\\' {
				out = append(out, '\\')
			}
		}
		out = append(out, runes[i])
	}
	return out
}
