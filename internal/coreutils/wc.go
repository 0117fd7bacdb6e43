package coreutils

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

type wcCounts struct{ lines, words, chars, bytes, longest int64 }

func wcMain(c *call) int {
	opts, operands, status, done := c.parse("l|lines w|words c|bytes m|chars L|max-line-length files0-from: total:")
	if done {
		return status
	}
	o := flags(opts)
	if len(o) == 0 {
		o = map[string]string{"l": "", "w": "", "c": ""}
	}
	type row struct {
		counts wcCounts
		name   string
	}
	var rows []row
	var total wcCounts
	c.eachInput(operands, func(name string, r io.Reader) error {
		counts, err := countWords(r)
		if len(operands) == 0 {
			name = ""
		}
		rows = append(rows, row{counts, name})
		total.add(counts)
		return err
	})
	if len(operands) > 1 {
		rows = append(rows, row{total, "total"})
	}
	width := 1
	if columns := len(o); columns > 1 || len(operands) > 1 {
		width = len(fmt.Sprint(total.bytes))
		if len(operands) == 0 {
			width = 7
		}
	}
	for _, r := range rows {
		c.print(r.counts.format(o, width))
		if r.name != "" {
			c.print(" " + r.name)
		}
		c.print("\n")
	}
	return c.status
}

func (a *wcCounts) add(b wcCounts) {
	a.lines += b.lines
	a.words += b.words
	a.chars += b.chars
	a.bytes += b.bytes
	a.longest = max(a.longest, b.longest)
}

func (a wcCounts) format(o map[string]string, width int) string {
	var cols []string
	for _, col := range []struct {
		name string
		n    int64
	}{{"l", a.lines}, {"w", a.words}, {"m", a.chars}, {"c", a.bytes}, {"L", a.longest}} {
		if set(o, col.name) {
			cols = append(cols, fmt.Sprintf("%*d", width, col.n))
		}
	}
	return strings.Join(cols, " ")
}

func countWords(r io.Reader) (wcCounts, error) {
	var n wcCounts
	err := eachLine(r, '\n', func(line []byte, ended bool) bool {
		n.bytes += int64(len(line))
		width, inWord := int64(0), false
		for i := 0; i < len(line); {
			ru, size := rune(line[i]), 1
			if ru >= utf8.RuneSelf {
				ru, size = utf8.DecodeRune(line[i:])
			}
			i += size
			if !(ru == utf8.RuneError && size == 1) {
				n.chars++
			}
			switch {
			case ru == '\t':
				width += 8 - width%8
			case unicode.IsPrint(ru):
				width++
			}
			space := unicode.IsSpace(ru)
			if !space && !inWord {
				n.words++
			}
			inWord = !space
		}
		n.longest = max(n.longest, width)
		if ended {
			n.lines++
			n.bytes++
			n.chars++
		}
		return true
	})
	return n, err
}
