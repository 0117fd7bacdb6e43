package coreutils

import (
	"bufio"
	"io"
	"strings"
)

func cmpMain(c *call) int {
	opts, operands, status, done := c.parse("l|verbose s|silent|quiet b|print-bytes n|bytes: i|ignore-initial:")
	if done {
		return status
	}
	o := flags(opts)
	switch len(operands) {
	case 0:
		c.missingOperand(nil)
		return 2
	case 1:
		operands = append(operands, "-")
	}
	limit := int64(1<<63 - 1)
	if set(o, "n") {
		n, ok := parseSize(o["n"])
		if !ok {
			c.usageError("invalid --bytes value %s", quote(o["n"]))
			return 2
		}
		limit = n
	}
	result := 0
	err := c.input(operands[0], func(_ string, a io.Reader) error {
		return c.input(operands[1], func(_ string, b io.Reader) error {
			result = c.compare(operands, bufio.NewReader(a), bufio.NewReader(b), limit, o)
			return nil
		})
	})
	if err != nil {
		name := operands[0]
		if strings.Contains(err.Error(), operands[1]) {
			name = operands[1]
		}
		if !set(o, "s") {
			c.failed(err, "%s", name)
		}
		return 2
	}
	return result
}

func (c *call) compare(names []string, a, b *bufio.Reader, limit int64, o map[string]string) int {
	quiet, all := set(o, "s"), set(o, "l")
	line, result := 1, 0
	for at := int64(1); at <= limit; at++ {
		x, aerr := a.ReadByte()
		y, berr := b.ReadByte()
		switch {
		case aerr != nil && berr != nil:
			return result
		case aerr != nil || berr != nil:
			name := names[0]
			if berr != nil {
				name = names[1]
			}
			if !quiet {
				c.reportShorter(name, at-1, line, all)
			}
			return 1
		case x != y && all:
			c.printf("%d %3o %3o\n", at, x, y)
			result = 1
		case x != y:
			if !quiet {
				c.printf("%s %s differ: byte %d, line %d\n", names[0], names[1], at, line)
			}
			return 1
		}
		if x == '\n' {
			line++
		}
	}
	return result
}

func (c *call) reportShorter(name string, bytes int64, line int, all bool) {
	switch {
	case bytes == 0:
		c.errorf("EOF on %s which is empty", name)
	case all:
		c.errorf("EOF on %s after byte %d", name, bytes)
	default:
		c.errorf("EOF on %s after byte %d, in line %d", name, bytes, line)
	}
}
