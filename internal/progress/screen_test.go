package progress

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// screen is a model of a terminal: as much of ECMA-48 as displays may use, and an error for everything else.
type screen struct {
	columns, rows int
	lines         [][]rune // what has scrolled off the top too
	row, column   int      // of the cursor, from 0
	wraps, cursor bool
	shownBetween  []string // the screen after each write
	errors        []string
}

func newScreen(columns, rows int) *screen {
	return &screen{columns: columns, rows: rows, wraps: true, cursor: true, lines: [][]rune{nil}}
}

func (s *screen) Write(p []byte) (int, error) {
	for rest := string(p); rest != ""; {
		rest = s.next(rest)
	}
	if !s.wraps || !s.cursor {
		s.fail("a write leaves the terminal without wrapping or cursor")
	}
	s.shownBetween = append(s.shownBetween, s.String())
	return len(p), nil
}

func (s *screen) fail(format string, args ...any) {
	s.errors = append(s.errors, fmt.Sprintf(format, args...))
}

func (s *screen) next(text string) (rest string) {
	r, n := utf8.DecodeRuneInString(text)
	switch {
	case r == '\x1b':
		return s.sequence(text)
	case r == '\n':
		s.row, s.column = s.row+1, 0
		if s.row == len(s.lines) {
			s.lines = append(s.lines, nil)
		}
	case r == '\r':
		s.column = 0
	case r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError && n == 1:
		s.fail("control character %q", r)
	default:
		s.put(r)
	}
	return text[n:]
}

func (s *screen) put(r rune) {
	if s.column >= s.columns {
		if !s.wraps {
			s.fail("%q beyond the right edge", r)
			return
		}
		s.next("\n")
	}
	line := s.lines[s.row]
	for len(line) <= s.column {
		line = append(line, ' ')
	}
	line[s.column] = r
	s.lines[s.row] = line
	s.column++
}

func (s *screen) sequence(text string) (rest string) {
	var number int
	end := strings.IndexFunc(text[2:], func(r rune) bool { return r >= 0x40 && r <= 0x7e })
	if text[1] != '[' || end < 0 {
		s.fail("sequence %q", text)
		return ""
	}
	parameter, final := text[2:2+end], text[2+end]
	fmt.Sscan(strings.TrimPrefix(parameter, "?"), &number)
	switch {
	case final == 'A':
		top := max(0, len(s.lines)-s.rows)
		s.row = max(top, s.row-number)
	case final == 'G':
		s.column = number - 1
	case final == 'K':
		s.erase()
	case final == 'J':
		s.lines = s.lines[:s.row+1]
		s.erase()
	case final == 'm':
	case parameter == "?7":
		s.wraps = final == 'h'
	case parameter == "?25":
		s.cursor = final == 'h'
	default:
		s.fail("sequence %q", text[:3+end])
	}
	return text[3+end:]
}

// erase erases from the cursor to the end of its line. Behind the last column, it is still on it.
func (s *screen) erase() {
	from := min(s.column, s.columns-1)
	s.lines[s.row] = s.lines[s.row][:min(len(s.lines[s.row]), from)]
}

// narrow makes the screen narrower, as terminals do that break lines anew.
func (s *screen) narrow(columns int) {
	var lines [][]rune
	for _, line := range s.lines {
		for len(line) > columns {
			lines = append(lines, line[:columns:columns])
			line = line[columns:]
		}
		lines = append(lines, line)
	}
	s.lines, s.columns, s.row = lines, columns, len(lines)-1
}

// String is all that was ever shown and not written over, without blanks at the ends of lines.
func (s *screen) String() string {
	var b strings.Builder
	for i, line := range s.lines {
		if i == len(s.lines)-1 && len(line) == 0 {
			break
		}
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return b.String()
}

func (s *screen) check(t *testing.T) {
	t.Helper()
	for _, problem := range s.errors {
		t.Error(problem)
	}
}
