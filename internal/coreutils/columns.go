package coreutils

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"boxer.dev/vfs"
)

func tacMain(c *call) int {
	_, operands, status, done := c.parse("b r s:")
	if done {
		return status
	}
	c.eachInput(operands, func(_ string, r io.Reader) error {
		data, err := io.ReadAll(r)
		lines := splitLines(data, c.stopped)
		for i := len(lines) - 1; i >= 0; i-- {
			c.print(lines[i])
		}
		return err
	})
	return c.status
}

func revMain(c *call) int {
	_, operands, status, done := c.parse("")
	if done {
		return status
	}
	c.eachInput(operands, func(_ string, r io.Reader) error {
		return eachLine(r, '\n', func(line []byte, ended bool) bool {
			for len(line) > 0 {
				_, n := utf8.DecodeLastRune(line)
				c.out.Write(line[len(line)-n:])
				line = line[:len(line)-n]
			}
			c.writeLine(nil, ended, '\n')
			return !c.stopped()
		})
	})
	return c.status
}

func nlMain(c *call) int {
	opts, operands, status, done := c.parse("b|body-numbering: w|number-width: s|number-separator: n|number-format: v|starting-line-number: i|line-increment:")
	if done {
		return status
	}
	o := flags(opts)
	width, n, step, sep := 6, 1, 1, "\t"
	for name, to := range map[string]*int{"w": &width, "v": &n, "i": &step} {
		if s, ok := o[name]; ok {
			v, err := strconv.Atoi(s)
			if err != nil || name == "w" && (v < 1 || v > 100) {
				c.errorf("invalid number %s", quote(s))
				return 1
			}
			*to = v
		}
	}
	if s, ok := o["s"]; ok {
		sep = s
	}
	format := map[string]string{"": "%*d", "rn": "%*d", "ln": "%-*d", "rz": "%0*d"}[o["n"]]
	if format == "" {
		c.errorf("invalid line numbering format: %s", quote(o["n"]))
		return 1
	}
	c.eachInput(operands, func(_ string, r io.Reader) error {
		return eachLine(r, '\n', func(line []byte, _ bool) bool {
			if len(line) > 0 && o["b"] != "n" || o["b"] == "a" {
				c.printf(format+"%s%s\n", width, n, sep, line)
				n += step
			} else {
				c.printf("%s%s\n", strings.Repeat(" ", width+len(sep)), line)
			}
			return !c.stopped()
		})
	})
	return c.status
}

func foldMain(c *call) int {
	opts, operands, status, done := c.parse("b|bytes s|spaces w|width:")
	if done {
		return status
	}
	o := flags(opts)
	width := 80
	if s, ok := o["w"]; ok {
		v, err := strconv.Atoi(s)
		if err != nil || v < 1 {
			c.errorf("invalid number of columns: %s", quote(s))
			return 1
		}
		width = v
	}
	c.eachInput(operands, func(_ string, r io.Reader) error {
		return eachLine(r, '\n', func(line []byte, ended bool) bool {
			for len(line) > width {
				n := width
				if i := bytes.LastIndexAny(line[:n], " \t"); set(o, "s") && i >= 0 {
					n = i + 1
				}
				c.writeLine(line[:n], true, '\n')
				line = line[n:]
			}
			c.writeLine(line, ended, '\n')
			return !c.stopped()
		})
	})
	return c.status
}

// readLines opens every operand as a reader of lines.
func (c *call) readLines(operands []string, delim byte) ([]*lineReader, func(), bool) {
	var readers []*lineReader
	var closers []io.Closer
	closeAll := func() {
		for _, cl := range closers {
			cl.Close()
		}
	}
	for _, name := range operands {
		if name == "-" && len(readers) > 0 && operands[0] == "-" {
			readers = append(readers, readers[0])
			continue
		}
		r, err := c.open(name)
		if err != nil {
			c.failed(err, "%s", bareName(name))
			closeAll()
			return nil, nil, false
		}
		closers = append(closers, r)
		readers = append(readers, newLineReader(r, delim))
	}
	return readers, closeAll, true
}

func pasteMain(c *call) int {
	opts, operands, status, done := c.parse("d|delimiters: s|serial z|zero-terminated")
	if done {
		return status
	}
	o := flags(opts)
	delims := "\t"
	if d, ok := o["d"]; ok {
		delims, _ = unescape(d, false)
		if delims == "" {
			delims = "\x00"
		}
	}
	end := lineDelim(set(o, "z"))
	if len(operands) == 0 {
		operands = []string{"-"}
	}
	readers, closeAll, ok := c.readLines(operands, end)
	if !ok {
		return 1
	}
	defer closeAll()
	if set(o, "s") {
		for _, r := range readers {
			for i := 0; ; i++ {
				line, _, err := r.next()
				if err != nil {
					break
				}
				if i > 0 {
					c.out.WriteByte(delims[(i-1)%len(delims)])
				}
				c.out.Write(line)
			}
			c.out.WriteByte(end)
		}
		return 0
	}
	for !c.stopped() {
		var row bytes.Buffer
		any := false
		for i, r := range readers {
			if i > 0 {
				row.WriteByte(delims[(i-1)%len(delims)])
			}
			if line, _, err := r.next(); err == nil {
				any = true
				row.Write(line)
			}
		}
		if !any {
			break
		}
		c.out.Write(row.Bytes())
		c.out.WriteByte(end)
	}
	return 0
}

func commMain(c *call) int {
	opts, operands, status, done := c.parse("1 2 3 z|zero-terminated check-order nocheck-order output-delimiter:")
	if done {
		return status
	}
	if len(operands) != 2 {
		return c.missingOperand(operands)
	}
	o := flags(opts)
	end := lineDelim(set(o, "z"))
	r, closeAll, ok := c.readLines(operands, end)
	if !ok {
		return 1
	}
	defer closeAll()
	show := func(column int, line string) {
		if set(o, strconv.Itoa(column)) {
			return
		}
		for i := 1; i < column; i++ {
			if !set(o, strconv.Itoa(i)) {
				c.print("\t")
			}
		}
		c.print(line + string([]byte{end}))
	}
	next := func(i int) (string, bool) {
		line, _, err := r[i].next()
		return string(line), err == nil
	}
	a, aok := next(0)
	b, bok := next(1)
	for (aok || bok) && !c.stopped() {
		switch {
		case !bok || aok && a < b:
			show(1, a)
			a, aok = next(0)
		case !aok || b < a:
			show(2, b)
			b, bok = next(1)
		default:
			show(3, a)
			a, aok = next(0)
			b, bok = next(1)
		}
	}
	return 0
}

func splitMain(c *call) int {
	opts, operands, status, done := c.parse("l|lines: b|bytes: a|suffix-length: d|numeric-suffixes additional-suffix:")
	if done {
		return status
	}
	o := flags(opts)
	s := &splitter{call: c, o: o, prefix: "x", length: 2}
	if len(operands) > 1 {
		s.prefix = operands[1]
	}
	if v, ok := o["a"]; ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 100 {
			return c.usageError("invalid suffix length: %s", quote(v))
		}
		s.length = n
	}
	size, ok := int64(1000), true
	byBytes := set(o, "b")
	switch {
	case byBytes:
		size, ok = parseSize(o["b"])
	case set(o, "l"):
		size, ok = parseSize(o["l"])
	}
	if !ok || size < 1 {
		return c.usageError("invalid number")
	}
	c.eachInput(operands[:min(1, len(operands))], func(_ string, r io.Reader) error {
		if byBytes {
			return s.bytes(r, size)
		}
		count := int64(0)
		var w io.WriteCloser
		var fail error
		err := eachLine(r, '\n', func(line []byte, ended bool) bool {
			if count%size == 0 {
				if w != nil {
					w.Close()
				}
				if w, fail = s.next(); fail != nil {
					return false
				}
			}
			count++
			if ended {
				line = append(bytes.Clone(line), '\n')
			}
			_, fail = w.Write(line)
			return fail == nil && !c.stopped()
		})
		if w != nil {
			w.Close()
		}
		if err == nil {
			err = fail
		}
		return err
	})
	return c.status
}

type splitter struct {
	*call
	o      map[string]string
	prefix string
	length int
	count  int
}

// next opens the next output file: xaa, xab, … or with -d x00, x01, ….
func (s *splitter) next() (io.WriteCloser, error) {
	digits, base := "abcdefghijklmnopqrstuvwxyz", 26
	if set(s.o, "d") {
		digits, base = "0123456789", 10
	}
	suffix, n := make([]byte, s.length), s.count
	for i := s.length - 1; i >= 0; i-- {
		suffix[i] = digits[n%base]
		n /= base
	}
	if n > 0 {
		return nil, errInvalid("output file suffixes exhausted")
	}
	s.count++
	return s.create(s.prefix+string(suffix)+s.o["additional-suffix"], vfs.O_TRUNC)
}

func (s *splitter) bytes(r io.Reader, size int64) error {
	buf := make([]byte, min(size, 64<<10))
	for !s.stopped() {
		n, err := io.ReadFull(r, buf[:min(int64(len(buf)), size)])
		if n == 0 {
			return nil
		}
		w, werr := s.next()
		if werr != nil {
			return werr
		}
		w.Write(buf[:n])
		if err == nil {
			_, err = io.CopyN(w, r, size-int64(n))
		}
		if cerr := w.Close(); cerr != nil {
			return cerr
		}
		if err != nil {
			return nil
		}
	}
	return nil
}
