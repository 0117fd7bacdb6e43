package coreutils

import (
	"io"

	"boxer.dev/vfs"
)

func catMain(c *call) int {
	opts, operands, status, done := c.parse("A|show-all b|number-nonblank e E|show-ends n|number s|squeeze-blank t T|show-tabs u v|show-nonprinting")
	if done {
		return status
	}
	p := catPrinter{call: c, line: 1, atStart: true}
	for _, o := range opts {
		switch o.name {
		case "A":
			p.ends, p.tabs, p.visible = true, true, true
		case "b":
			p.number, p.nonblank = true, true
		case "e":
			p.ends, p.visible = true, true
		case "E":
			p.ends = true
		case "n":
			p.number = true
		case "s":
			p.squeeze = true
		case "t":
			p.tabs, p.visible = true, true
		case "T":
			p.tabs = true
		case "v":
			p.visible = true
		}
	}
	plain := !(p.ends || p.tabs || p.visible || p.number || p.squeeze)
	c.eachInput(operands, func(_ string, r io.Reader) error {
		if plain {
			return c.copyOut(r)
		}
		return eachLine(r, '\n', p.print)
	})
	return c.status
}

// copyOut copies r to standard output, passing what a slow producer gives on at once.
func (c *call) copyOut(r io.Reader) error {
	buf := make([]byte, 64<<10)
	for !c.stopped() {
		n, err := r.Read(buf)
		if n > 0 {
			c.out.Write(buf[:n])
			c.out.Flush()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type catPrinter struct {
	*call
	ends, tabs, visible bool
	number, nonblank    bool
	squeeze, blank      bool
	line                int
	atStart             bool
}

func (p *catPrinter) print(line []byte, ended bool) bool {
	empty := len(line) == 0
	if empty && p.squeeze && p.blank && p.atStart {
		return true
	}
	p.blank = empty
	if p.number && p.atStart && !(p.nonblank && empty) {
		p.printf("%6d\t", p.line)
		p.line++
	}
	for _, b := range line {
		p.out.WriteString(p.show(b))
	}
	if ended {
		if p.ends {
			p.out.WriteByte('$')
		}
		p.out.WriteByte('\n')
	}
	p.atStart = ended
	return !p.stopped()
}

// show is a byte in cat -v notation.
func (p *catPrinter) show(b byte) string {
	if b == '\t' && p.tabs {
		return "^I"
	}
	if !p.visible || b == '\t' {
		return string([]byte{b})
	}
	prefix := ""
	if b >= 128 {
		prefix, b = "M-", b-128
	}
	switch {
	case b < 32:
		return prefix + "^" + string([]byte{b + 64})
	case b == 127:
		return prefix + "^?"
	}
	return prefix + string([]byte{b})
}

func teeMain(c *call) int {
	opts, operands, status, done := c.parse("a|append i|ignore-interrupts p")
	if done {
		return status
	}
	flag := vfs.O_TRUNC
	if set(flags(opts), "a") {
		flag = vfs.O_APPEND
	}
	var outs []io.WriteCloser
	for _, name := range operands {
		w, err := c.create(name, flag)
		if err != nil {
			c.failed(err, "%s", bareName(name))
			continue
		}
		defer w.Close()
		outs = append(outs, w)
	}
	buf := make([]byte, 32<<10)
	for c.ctx.Err() == nil {
		n, err := c.stdin.Read(buf)
		c.out.Write(buf[:n])
		c.out.Flush()
		for _, w := range outs {
			if _, werr := w.Write(buf[:n]); werr != nil {
				c.failed(werr, "write error")
				return 1
			}
		}
		if err != nil {
			break
		}
	}
	c.broken = false
	return c.status
}
