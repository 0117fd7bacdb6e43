package coreutils

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// script runs the commands once on the pattern space and reports whether D wants them run again without
// reading a line.
func (s *sed) script() (restart bool) {
	for pc := 0; pc < len(s.commands); {
		if s.ctx.Err() != nil {
			return false
		}
		c := &s.commands[pc]
		if s.selects(c) == c.negate {
			if c.name == '{' {
				pc = c.target
			} else {
				pc++
			}
			continue
		}
		switch c.name {
		case 'b':
			pc = c.target
			continue
		case 't', 'T':
			jump := s.replaced == (c.name == 't')
			s.replaced = false
			if jump {
				pc = c.target
				continue
			}
		default:
			if done, again := s.execute(c); done {
				return again
			}
		}
		pc++
	}
	return false
}

// selects decides whether the addresses of c match the current line.
func (s *sed) selects(c *sedCommand) bool {
	switch {
	case c.first == nil:
		return true
	case c.second == nil:
		return s.at(c.first)
	case c.active:
		return s.inRange(c)
	}
	if c.first.kind == 'n' && c.first.n == 0 { // 0,/re/ may end on the first line
		if s.line == 1 {
			c.active = !s.at(c.second)
			return true
		}
		return false
	}
	if !s.at(c.first) {
		return false
	}
	c.active = true
	switch c.second.kind {
	case 'n':
		c.until = c.second.n
	case '+':
		c.until = s.line + c.second.n
	case 'm':
		c.until = s.line
		if n := c.second.n; n > 0 {
			c.until = (s.line + n - 1) / n * n
		}
	default:
		if c.second.kind == '$' && s.in.last() {
			c.active = false
		}
		return true
	}
	if c.until <= s.line {
		c.active = false
	}
	return true
}

func (s *sed) inRange(c *sedCommand) bool {
	switch c.second.kind {
	case '/', '$':
		if s.at(c.second) {
			c.active = false
		}
		return true
	}
	if s.line >= c.until {
		c.active = false
		return s.line == c.until
	}
	return true
}

func (s *sed) at(a *sedAddress) bool {
	switch a.kind {
	case 'n':
		return s.line == a.n
	case '$':
		return s.in.last()
	case '~':
		if a.step <= 0 {
			return s.line == a.n
		}
		return s.line >= a.n && (s.line-a.n)%a.step == 0
	}
	re := s.regex(a.re)
	return re != nil && re.matches(s.pattern)
}

// regex remembers the expression used last, which an empty one stands for.
func (s *sed) regex(re *regex) *regex {
	if re != nil {
		s.lastRegex = re
	}
	return s.lastRegex
}

// execute runs one command; done ends the cycle.
func (s *sed) execute(c *sedCommand) (done, restart bool) {
	switch c.name {
	case '=':
		s.write(s.w, &s.missingNewline, fmt.Append(nil, s.line), true)
	case 'a':
		s.appended = append(s.appended, sedAppend{text: c.text})
	case 'i':
		s.text(c.text)
	case 'c':
		if c.second == nil || c.negate || !c.active {
			s.text(c.text)
		}
		s.skipPrint = true
		return true, false
	case 'd':
		s.skipPrint = true
		return true, false
	case 'D':
		return s.deleteFirst()
	case 'F':
		s.write(s.w, &s.missingNewline, []byte("-"), true)
	case 'g':
		s.pattern = append(s.pattern[:0], s.hold...)
	case 'G':
		s.pattern = append(append(s.pattern, s.delim), s.hold...)
	case 'h':
		s.hold = append(s.hold[:0], s.pattern...)
	case 'H':
		s.hold = append(append(s.hold, s.delim), s.pattern...)
	case 'l':
		s.write(s.w, &s.missingNewline, s.visible(c.code), true)
	case 'n', 'N':
		return s.readNext(c.name), false
	case 'p':
		s.printPattern()
	case 'P':
		first, _, _ := bytes.Cut(s.pattern, []byte{s.delim})
		s.write(s.w, &s.missingNewline, first, true)
	case 'q', 'Q':
		s.quitting, s.exitCode = true, c.code&0xff
		s.skipPrint = c.name == 'Q'
		return true, false
	case 'r':
		s.appended = append(s.appended, sedAppend{file: c.text})
	case 's':
		s.substitute(c)
	case 'w', 'W':
		line := s.pattern
		if c.name == 'W' {
			line, _, _ = bytes.Cut(line, []byte{s.delim})
		}
		s.writeTo(c.text, line)
	case 'x':
		s.pattern, s.hold = s.hold, s.pattern
	case 'y':
		s.pattern = bytes.Map(func(r rune) rune {
			if to, ok := c.table[r]; ok {
				return to
			}
			return r
		}, s.pattern)
	case 'z':
		s.pattern = s.pattern[:0]
	}
	return false, false
}

func (s *sed) text(text string) {
	if text != "" {
		s.write(s.w, &s.missingNewline, []byte(strings.TrimSuffix(text, "\n")), true)
	}
}

// deleteFirst is D: deletes up to the first newline and starts again without reading.
func (s *sed) deleteFirst() (done, restart bool) {
	s.skipPrint = true
	_, rest, ok := bytes.Cut(s.pattern, []byte{s.delim})
	if !ok {
		return true, false
	}
	s.pattern = append([]byte(nil), rest...)
	return true, true
}

// readNext is n and N. Without a next line GNU sed prints the pattern space and ends.
func (s *sed) readNext(name byte) (done bool) {
	if s.in.last() {
		return true
	}
	if name == 'n' {
		if !s.quiet {
			s.printPattern()
		}
		s.flushAppended()
		replaced := s.replaced
		s.nextLine()
		s.replaced = replaced
		return false
	}
	s.flushAppended()
	line, ended, _ := s.in.take()
	s.pattern = append(append(s.pattern, s.delim), line...)
	s.ended = ended
	s.line++
	return false
}

func (s *sed) writeTo(name string, line []byte) {
	if name == "/dev/stdout" {
		s.write(s.w, &s.missingNewline, line, true)
		return
	}
	f, err := s.output(name)
	if err != nil {
		s.errorf("%v", err)
		s.quitting, s.exitCode = true, 4
		return
	}
	s.write(f.w, &f.missing, line, s.ended)
}

func (s *sed) substitute(c *sedCommand) {
	re := s.regex(c.re)
	if re == nil {
		s.errorf("no previous regular expression")
		s.quitting, s.exitCode = true, 1
		return
	}
	limit := max(1, c.nth)
	if c.global {
		limit = -1
	}
	matches := re.all(s.pattern, limit)
	if len(matches) < max(1, c.nth) {
		return
	}
	var out []byte
	at := 0
	for i, m := range matches[max(1, c.nth)-1:] {
		if i%looks == 0 && s.stopped() {
			return
		}
		out = append(out, s.pattern[at:m[0]]...)
		out = c.appendReplacement(out, s.pattern, m)
		at = m[1]
	}
	s.pattern = append(out, s.pattern[at:]...)
	s.replaced = true
	if c.print {
		s.printPattern()
	}
	if c.file != "" {
		s.writeTo(c.file, s.pattern)
	}
}

func (c *sedCommand) appendReplacement(out, src []byte, m []int) []byte {
	once := byte(0)
	for _, p := range c.replacement {
		text := p.text
		if p.group >= 0 {
			text = ""
			if 2*p.group+1 < len(m) && m[2*p.group] >= 0 {
				text = string(src[m[2*p.group]:m[2*p.group+1]])
			}
		}
		if p.once != 0 {
			once = p.once
		}
		switch p.fold {
		case 'U':
			text = strings.ToUpper(text)
		case 'L':
			text = strings.ToLower(text)
		}
		if once != 0 && text != "" {
			r := []rune(text)
			first := strings.ToUpper(string(r[0]))
			if once == 'l' {
				first = strings.ToLower(string(r[0]))
			}
			text, once = first+string(r[1:]), 0
		}
		out = append(out, text...)
	}
	return out
}

// visible is the l command: the pattern space with escapes, folded to width columns and ended by $.
func (s *sed) visible(width int) []byte {
	if width == 0 {
		width = 70
	}
	var out bytes.Buffer
	col := 0
	put := func(text string) {
		if width > 1 && col+len(text) > width-1 {
			io.WriteString(&out, "\\\n")
			col = 0
		}
		out.WriteString(text)
		col += len(text)
	}
	for _, b := range s.pattern {
		switch {
		case b == '\\':
			put(`\\`)
		case b >= 32 && b < 127:
			put(string([]byte{b}))
		default:
			put(escapeByte(b))
		}
	}
	out.WriteByte('$')
	return out.Bytes()
}
