package coreutils

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// counted is the common part of head and tail: how much, of what, with which headers.
type counted struct {
	*call
	n          int64
	bytes      bool
	fromStart  bool // tail -n +N
	butLast    bool // head -n -N
	zero       bool
	headers    bool
	shownFirst bool
	onStdin    bool // the current input is standard input
}

func (c *call) parseCounted() (k *counted, operands []string, status int, done bool) {
	// The historical "-5" stands for "-n 5".
	if len(c.Args) > 1 && isDashNumber(c.Args[1]) {
		c.Args = append([]string{c.Args[0], "-n" + c.Args[1][1:]}, c.Args[2:]...)
	}
	opts, operands, status, done := c.parse("n|lines: c|bytes: q|quiet|silent v|verbose z|zero-terminated f|follow? F retry pid: s:")
	if done {
		return nil, nil, status, true
	}
	k = &counted{call: c, n: 10, headers: len(operands) > 1}
	for _, o := range opts {
		switch o.name {
		case "n", "c":
			k.bytes = o.name == "c"
			if !k.count(o.value) {
				kind := "lines"
				if k.bytes {
					kind = "bytes"
				}
				c.errorf("invalid number of %s: %s", kind, quote(o.value))
				return nil, nil, 1, true
			}
		case "q":
			k.headers = false
		case "v":
			k.headers = true
		case "z":
			k.zero = true
		case "f", "F":
			c.errorf("following a file is not possible in a box")
			return nil, nil, 1, true
		}
	}
	return k, operands, 0, false
}

func isDashNumber(s string) bool {
	return len(s) > 1 && s[0] == '-' && strings.Trim(s[1:], "0123456789") == ""
}

func (k *counted) count(s string) bool {
	k.fromStart, k.butLast = strings.HasPrefix(s, "+"), strings.HasPrefix(s, "-")
	n, ok := parseSize(strings.TrimLeft(s, "+-"))
	k.n = n
	return ok
}

// parseSize reads a count with an optional GNU multiplier: K M G … are powers of 1024, KB MB … of 1000.
func parseSize(s string) (int64, bool) {
	end := len(s) - len(strings.TrimLeft(s, "0123456789"))
	n, err := strconv.ParseInt(s[:end], 10, 64)
	if err != nil {
		return 0, false
	}
	unit := s[end:]
	switch unit {
	case "":
		return n, true
	case "b":
		return n * 512, true
	case "k":
		unit = "K"
	}
	exp := strings.IndexByte("KMGTPE", unit[0])
	if exp < 0 {
		return 0, false
	}
	base := int64(1024)
	switch unit[1:] {
	case "", "iB":
	case "B":
		base = 1000
	default:
		return 0, false
	}
	for range exp + 1 {
		if n > (1<<63-1)/base {
			return 0, false
		}
		n *= base
	}
	return n, true
}

func (k *counted) each(operands []string, do func(r io.Reader) error) int {
	k.eachInput(operands, func(name string, r io.Reader) error {
		k.onStdin = name == "-"
		if k.headers {
			if name == "-" {
				name = "standard input"
			}
			if k.shownFirst {
				k.print("\n")
			}
			k.shownFirst = true
			k.printf("==> %s <==\n", name)
		}
		return do(r)
	})
	return k.status
}

func headMain(c *call) int {
	k, operands, status, done := c.parseCounted()
	if done {
		return status
	}
	return k.each(operands, func(r io.Reader) error {
		switch {
		case k.butLast:
			return k.allButLast(r)
		case k.bytes:
			_, err := io.CopyN(c.out, r, k.n)
			if err == io.EOF {
				err = nil
			}
			return err
		case k.n == 0:
			return nil
		}
		return k.firstLines(r)
	})
}

// firstLines leaves a seekable standard input right after the lines it printed, for the command that comes next.
func (k *counted) firstLines(r io.Reader) error {
	lines := newLineReader(r, lineDelim(k.zero))
	for n := int64(0); n < k.n && !k.stopped(); n++ {
		line, ended, err := lines.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		k.writeLine(line, ended, lineDelim(k.zero))
	}
	if s, ok := k.stdin.(io.Seeker); ok && k.onStdin {
		if rest := lines.r.Buffered(); rest > 0 {
			s.Seek(-int64(rest), io.SeekCurrent)
		}
	}
	return nil
}

func (c *call) writeLine(line []byte, ended bool, delim byte) {
	c.out.Write(line)
	if ended {
		c.out.WriteByte(delim)
	}
}

func (k *counted) allButLast(r io.Reader) error {
	units, err := k.units(r)
	if err != nil {
		return err
	}
	for _, u := range units[:max(0, int64(len(units))-k.n)] {
		k.out.Write(u)
	}
	return nil
}

// units reads everything as lines with their ends, or single bytes.
func (k *counted) units(r io.Reader) ([][]byte, error) {
	var units [][]byte
	if k.bytes {
		data, err := io.ReadAll(r)
		for i := range data {
			units = append(units, data[i:i+1])
		}
		return units, err
	}
	err := eachLine(r, lineDelim(k.zero), func(line []byte, ended bool) bool {
		u := append(make([]byte, 0, len(line)+1), line...)
		if ended {
			u = append(u, lineDelim(k.zero))
		}
		units = append(units, u)
		return true
	})
	return units, err
}

func tailMain(c *call) int {
	k, operands, status, done := c.parseCounted()
	if done {
		return status
	}
	return k.each(operands, func(r io.Reader) error {
		if k.fromStart {
			return k.from(r)
		}
		return k.last(r)
	})
}

func (k *counted) from(r io.Reader) error {
	if k.bytes {
		br := bufio.NewReader(r)
		if _, err := io.CopyN(io.Discard, br, k.n-1); err != nil && err != io.EOF {
			return err
		}
		return k.copyOut(br)
	}
	n := int64(1)
	return eachLine(r, lineDelim(k.zero), func(line []byte, ended bool) bool {
		if n >= k.n {
			k.writeLine(line, ended, lineDelim(k.zero))
		}
		n++
		return !k.stopped()
	})
}

// last keeps the last n lines, or bytes, in a ring.
func (k *counted) last(r io.Reader) error {
	if k.bytes {
		return k.lastBytes(r)
	}
	type line struct {
		text  []byte
		ended bool
	}
	var ring []line
	next := 0
	err := eachLine(r, lineDelim(k.zero), func(text []byte, ended bool) bool {
		switch {
		case k.n == 0:
		case int64(len(ring)) < k.n:
			ring = append(ring, line{append([]byte(nil), text...), ended})
		default:
			ring[next] = line{append(ring[next].text[:0], text...), ended}
			next = (next + 1) % len(ring)
		}
		return k.ctx.Err() == nil
	})
	for i := range ring {
		l := ring[(next+i)%len(ring)]
		k.writeLine(l.text, l.ended, lineDelim(k.zero))
	}
	return err
}

func (k *counted) lastBytes(r io.Reader) error {
	var tail []byte
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		tail = append(tail, buf[:n]...)
		if extra := int64(len(tail)) - k.n; extra > 0 && (extra > int64(len(buf)) || err != nil) {
			tail = append(tail[:0], tail[extra:]...)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	_, err := k.out.Write(tail)
	return err
}
