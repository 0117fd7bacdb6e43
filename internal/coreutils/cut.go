package coreutils

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// span is an inclusive range of positions counted from 1.
type span struct{ from, to int }

const spanEnd = int(^uint(0) >> 1)

// parseSpans reads a LIST of cut: "1,3-5,7-".
func parseSpans(list string) ([]span, error) {
	var spans []span
	for _, part := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		lo, hi, ranged := strings.Cut(part, "-")
		s := span{1, spanEnd}
		var err error
		if lo != "" {
			s.from, err = strconv.Atoi(lo)
		}
		switch {
		case err != nil:
		case !ranged:
			s.to = s.from
		case hi != "":
			s.to, err = strconv.Atoi(hi)
		case lo == "":
			err = errors.New("empty")
		}
		switch {
		case err != nil:
			return nil, errInvalid("invalid field value " + quote(part))
		case s.from < 1:
			return nil, errInvalid("fields and positions are numbered from 1")
		case s.to < s.from:
			return nil, errInvalid("invalid decreasing range")
		}
		spans = append(spans, s)
	}
	if len(spans) == 0 {
		return nil, errInvalid("invalid field value " + quote(list))
	}
	return spans, nil
}

func cutMain(c *call) int {
	opts, operands, status, done := c.parse("b|bytes: c|characters: f|fields: d|delimiter: s|only-delimited n" +
		" complement output-delimiter: z|zero-terminated")
	if done {
		return status
	}
	o := flags(opts)
	cut := &cutter{call: c, delim: "\t", only: set(o, "s"), complement: set(o, "complement")}
	var list string
	for _, mode := range []string{"b", "c", "f"} {
		if set(o, mode) {
			if cut.mode != 0 {
				return c.usageError("only one type of list may be specified")
			}
			cut.mode, list = mode[0], o[mode]
		}
	}
	if cut.mode == 0 {
		return c.usageError("you must specify a list of bytes, characters, or fields")
	}
	var err error
	if cut.spans, err = parseSpans(list); err != nil {
		return c.usageError("%v", err)
	}
	if set(o, "d") {
		if cut.delim = o["d"]; utf8.RuneCountInString(cut.delim) > 1 {
			return c.usageError("the delimiter must be a single character")
		}
		if cut.delim == "" {
			cut.delim = "\x00"
		}
	}
	cut.join = cut.delim
	if set(o, "output-delimiter") {
		cut.join, cut.joinSet = o["output-delimiter"], true
	}
	delim := lineDelim(set(o, "z"))
	c.eachInput(operands, func(_ string, r io.Reader) error {
		return eachLine(r, delim, func(line []byte, _ bool) bool {
			cut.line(line, delim)
			return !c.stopped()
		})
	})
	return c.status
}

type cutter struct {
	*call
	mode             byte
	spans            []span
	delim, join      string
	joinSet          bool
	only, complement bool
}

func (c *cutter) wants(n int) bool {
	for _, s := range c.spans {
		if s.from <= n && n <= s.to {
			return !c.complement
		}
	}
	return c.complement
}

func (c *cutter) line(line []byte, delim byte) {
	if c.mode == 'f' {
		c.fields(line, delim)
		return
	}
	previous, first := true, true
	for i := range line { // GNU cut counts bytes for -c too
		take := c.wants(i + 1)
		if take {
			if !previous && !first && c.joinSet {
				c.out.WriteString(c.join)
			}
			c.out.WriteByte(line[i])
			first = false
		}
		previous = take
	}
	c.out.WriteByte(delim)
}

func (c *cutter) fields(line []byte, delim byte) {
	sep := []byte(c.delim)
	if !bytes.Contains(line, sep) {
		if !c.only {
			c.out.Write(line)
			c.out.WriteByte(delim)
		}
		return
	}
	first := true
	for n := 1; ; n++ {
		field, rest, more := bytes.Cut(line, sep)
		if c.wants(n) {
			if !first {
				c.out.WriteString(c.join)
			}
			c.out.Write(field)
			first = false
		}
		if !more {
			break
		}
		line = rest
	}
	c.out.WriteByte(delim)
}
