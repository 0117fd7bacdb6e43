package coreutils

import (
	"bytes"
	"io"
	"strconv"

	"boxer.dev/vfs"
)

func uniqMain(c *call) int {
	opts, operands, status, done := c.parse("c|count d|repeated D u|unique i|ignore-case f|skip-fields: s|skip-chars: w|check-chars: z|zero-terminated")
	if done {
		return status
	}
	u := &uniquer{call: c, o: flags(opts), width: -1}
	for _, n := range []struct {
		name string
		to   *int
	}{{"f", &u.fields}, {"s", &u.chars}, {"w", &u.width}} {
		if !set(u.o, n.name) {
			continue
		}
		v, err := strconv.Atoi(u.o[n.name])
		if err != nil || v < 0 {
			c.errorf("%s: invalid number", u.o[n.name])
			return 1
		}
		*n.to = v
	}
	input := "-"
	if len(operands) > 0 {
		input = operands[0]
	}
	u.w = c.out
	if len(operands) > 1 {
		w, err := c.create(operands[1], vfs.O_TRUNC)
		if err != nil {
			c.failed(err, "%s", operands[1])
			return 1
		}
		defer w.Close()
		u.w = w
	}
	delim := lineDelim(set(u.o, "z"))
	c.eachInput([]string{input}, func(_ string, r io.Reader) error {
		err := eachLine(r, delim, func(line []byte, _ bool) bool {
			u.line(line, delim)
			return !c.stopped()
		})
		u.flush(delim)
		return err
	})
	return c.status
}

type uniquer struct {
	*call
	o                    map[string]string
	w                    io.Writer
	fields, chars, width int
	current              []byte
	count                int
	group                [][]byte // with -D
}

func (u *uniquer) key(line []byte) []byte {
	for range u.fields {
		for len(line) > 0 && isBlank(line[0]) {
			line = line[1:]
		}
		for len(line) > 0 && !isBlank(line[0]) {
			line = line[1:]
		}
	}
	line = line[min(u.chars, len(line)):]
	if u.width >= 0 {
		line = line[:min(u.width, len(line))]
	}
	return line
}

func (u *uniquer) same(a, b []byte) bool {
	if set(u.o, "i") {
		return bytes.EqualFold(u.key(a), u.key(b))
	}
	return bytes.Equal(u.key(a), u.key(b))
}

func (u *uniquer) line(line []byte, delim byte) {
	if u.count == 0 || !u.same(u.current, line) {
		u.flush(delim)
		u.current = append(u.current[:0], line...)
	}
	u.count++
	if set(u.o, "D") {
		u.group = append(u.group, bytes.Clone(line))
	}
}

func (u *uniquer) flush(delim byte) {
	if u.count > 0 && !(set(u.o, "d") && u.count == 1) && !(set(u.o, "u") && u.count > 1) {
		u.write(delim)
	}
	u.count, u.group = 0, nil
}

func (u *uniquer) write(delim byte) {
	if set(u.o, "D") {
		for _, l := range u.group {
			if len(u.group) > 1 {
				u.w.Write(append(l, delim))
			}
		}
		return
	}
	line := append(bytes.Clone(u.current), delim)
	if set(u.o, "c") {
		line = append([]byte(sprintf("%7d ", u.count)), line...)
	}
	u.w.Write(line)
}
