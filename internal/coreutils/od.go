package coreutils

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// odType is one output format of od: -t's letter and the bytes of a unit.
type odType struct {
	kind byte // a c d o u x
	size int
}

// width is the columns of one unit, its leading blank included.
func (t odType) width() int {
	switch t.kind {
	case 'a', 'c':
		return 4
	case 'd':
		return map[int]int{1: 5, 2: 7, 4: 12, 8: 21}[t.size]
	case 'u':
		return map[int]int{1: 4, 2: 6, 4: 11, 8: 21}[t.size]
	case 'o':
		return map[int]int{1: 4, 2: 7, 4: 12, 8: 23}[t.size]
	}
	return 2*t.size + 1
}

func odMain(c *call) int {
	opts, operands, status, done := c.parse("A|address-radix: t|format: N|read-bytes: j|skip-bytes: v|output-duplicates w|width?" +
		" a b c d i l o s x")
	if done {
		return status
	}
	d := &dumper{call: c, radix: "o", width: 16, limit: -1}
	short := map[string]string{"a": "a", "b": "o1", "c": "c", "d": "u2", "i": "d4", "l": "d8", "o": "o2", "s": "d2", "x": "x2"}
	for _, o := range opts {
		var err error
		switch o.name {
		case "A":
			d.radix = o.value
		case "t":
			err = d.addTypes(o.value)
		case "N":
			d.limit, err = parseOffsetSize(o.value)
		case "j":
			d.skip, err = parseOffsetSize(o.value)
		case "v":
			d.all = true
		case "w":
			d.width = 32
			if o.value != "" {
				d.width, err = strconv.Atoi(o.value)
			}
		default:
			err = d.addTypes(short[o.name])
		}
		if err != nil || d.width < 1 || d.width > 4096 || strings.Trim(d.radix, "doxn") != "" {
			c.errorf("invalid argument %s for -%s", quote(o.value), o.name)
			return 1
		}
	}
	if len(d.types) == 0 {
		d.types = []odType{{'o', 2}}
	}
	var readers []io.Reader
	c.eachInput(operands, func(_ string, r io.Reader) error {
		data, err := io.ReadAll(limited(r, d.limit+d.skip, d.limit >= 0))
		readers = append(readers, bytes.NewReader(data))
		return err
	})
	d.dump(io.MultiReader(readers...))
	return c.status
}

func limited(r io.Reader, n int64, bounded bool) io.Reader {
	if bounded {
		return io.LimitReader(r, n)
	}
	return r
}

func parseOffsetSize(s string) (int64, error) {
	if strings.HasPrefix(s, "0x") {
		return strconv.ParseInt(s[2:], 16, 64)
	}
	n, ok := parseSize(s)
	if !ok {
		return 0, errInvalid("invalid number")
	}
	return n, nil
}

type dumper struct {
	*call
	radix       string
	types       []odType
	width       int
	skip, limit int64
	all         bool
}

func (d *dumper) addTypes(s string) error {
	for s != "" {
		t := odType{kind: s[0], size: 1}
		s = s[1:]
		switch t.kind {
		case 'a', 'c':
		case 'd', 'o', 'u', 'x':
			t.size = 4
			if s != "" && strings.IndexByte("CSIL", s[0]) >= 0 {
				t.size = map[byte]int{'C': 1, 'S': 2, 'I': 4, 'L': 8}[s[0]]
				s = s[1:]
			} else if n := len(s) - len(strings.TrimLeft(s, "0123456789")); n > 0 {
				t.size, _ = strconv.Atoi(s[:n])
				s = s[n:]
			}
		default:
			return errInvalid("invalid type")
		}
		if t.size != 1 && t.size != 2 && t.size != 4 && t.size != 8 {
			return errInvalid("invalid type size")
		}
		s = strings.TrimPrefix(s, "z")
		d.types = append(d.types, t)
	}
	return nil
}

func (d *dumper) dump(r io.Reader) {
	if _, err := io.CopyN(io.Discard, r, d.skip); err != nil && d.skip > 0 {
		d.errorf("cannot skip past end of combined input")
		return
	}
	if d.limit >= 0 {
		r = io.LimitReader(r, d.limit)
	}
	offset := d.skip
	var previous []byte
	starred := false
	buf := make([]byte, d.width)
	for !d.stopped() {
		n, err := io.ReadFull(r, buf)
		if n == 0 {
			break
		}
		line := buf[:n]
		switch {
		case !d.all && n == d.width && bytes.Equal(line, previous):
			if !starred {
				d.print("*\n")
			}
			starred = true
		default:
			starred = false
			d.line(offset, line)
		}
		previous = append(previous[:0], line...)
		offset += int64(n)
		if err != nil {
			break
		}
	}
	if d.radix != "n" {
		d.print(d.address(offset) + "\n")
	}
}

func (d *dumper) address(n int64) string {
	switch d.radix {
	case "d":
		return fmt.Sprintf("%07d", n)
	case "x":
		return fmt.Sprintf("%06x", n)
	case "n":
		return ""
	}
	return fmt.Sprintf("%07o", n)
}

// line prints the bytes once in each type. With several types, units are spread to line up.
func (d *dumper) line(offset int64, line []byte) {
	perByte := 0
	for _, t := range d.types {
		perByte = max(perByte, (t.width()+t.size-1)/t.size)
	}
	for i, t := range d.types {
		address := d.address(offset)
		if i > 0 {
			address = strings.Repeat(" ", len(address))
		}
		d.print(address)
		width := t.width()
		if len(d.types) > 1 {
			width = perByte * t.size
		}
		for at := 0; at < len(line); at += t.size {
			unit := make([]byte, t.size)
			copy(unit, line[at:])
			d.printf("%*s", width, t.format(unit))
		}
		d.print("\n")
	}
}

func (t odType) format(unit []byte) string {
	switch t.kind {
	case 'a':
		const names = "nul soh stx etx eot enq ack bel bs ht nl vt ff cr so si dle dc1 dc2 dc3 dc4 nak syn etb can em sub esc fs gs rs us sp"
		b := unit[0] & 0x7f
		if b <= 32 {
			return strings.Fields(names)[b]
		}
		if b == 127 {
			return "del"
		}
		return string([]byte{b})
	case 'c':
		switch b := unit[0]; {
		case b == 0:
			return `\0`
		case b >= 7 && b <= 13:
			return escapeByte(b)
		case b >= 32 && b < 127:
			return string([]byte{b})
		default:
			return fmt.Sprintf("%03o", b)
		}
	}
	var wide [8]byte
	copy(wide[:], unit)
	v := binary.LittleEndian.Uint64(wide[:])
	switch t.kind {
	case 'd':
		shift := 64 - 8*t.size
		return strconv.FormatInt(int64(v<<shift)>>shift, 10)
	case 'u':
		return strconv.FormatUint(v, 10)
	case 'o':
		return fmt.Sprintf("%0*o", t.width()-1, v)
	}
	return fmt.Sprintf("%0*x", 2*t.size, v)
}

// hexdumpMain is hexdump with -C or its default of two-byte words.
func hexdumpMain(c *call) int {
	opts, operands, status, done := c.parse("C|canonical n|length: s|skip: v|no-squeezing")
	if done {
		return status
	}
	o := flags(opts)
	d := &dumper{call: c, radix: "x", width: 16, limit: -1, all: set(o, "v")}
	for name, to := range map[string]*int64{"n": &d.limit, "s": &d.skip} {
		if v := o[name]; v != "" {
			n, err := parseOffsetSize(v)
			if err != nil {
				c.errorf("invalid argument %s for -%s", quote(v), name)
				return 1
			}
			*to = n
		}
	}
	c.eachInput(operands, func(_ string, r io.Reader) error {
		if set(o, "C") {
			return d.canonical(r)
		}
		return d.words(r)
	})
	return c.status
}

func (d *dumper) canonical(r io.Reader) error {
	return d.rows(r, func(offset int64, line []byte) {
		d.printf("%08x ", offset)
		for i := range 16 {
			if i%8 == 0 {
				d.print(" ")
			}
			if i < len(line) {
				d.printf("%02x ", line[i])
			} else {
				d.print("   ")
			}
		}
		text := bytes.Map(func(r rune) rune {
			if r < 32 || r > 126 {
				return '.'
			}
			return r
		}, latin1(line))
		d.printf(" |%s|\n", text)
	}, "%08x\n")
}

// latin1 makes each byte one character.
func latin1(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		out = append(out, string(rune(c))...)
	}
	return out
}

func (d *dumper) words(r io.Reader) error {
	return d.rows(r, func(offset int64, line []byte) {
		d.printf("%07x", offset)
		for at := 0; at < len(line); at += 2 {
			v := uint16(line[at])
			if at+1 < len(line) {
				v |= uint16(line[at+1]) << 8
			}
			d.printf(" %04x", v)
		}
		d.print(strings.Repeat("     ", (16-len(line))/2) + "\n")
	}, "%07x\n")
}

// rows calls show for every 16 bytes, with repeated rows as one star, and prints the final offset.
func (d *dumper) rows(r io.Reader, show func(offset int64, line []byte), last string) error {
	if _, err := io.CopyN(io.Discard, r, d.skip); err != nil {
		return err
	}
	r = limited(r, d.limit, d.limit >= 0)
	offset := d.skip
	var previous []byte
	starred := false
	buf := make([]byte, 16)
	for !d.stopped() {
		n, _ := io.ReadFull(r, buf)
		if n == 0 {
			break
		}
		if !d.all && n == 16 && bytes.Equal(buf, previous) {
			if !starred {
				d.print("*\n")
			}
			starred = true
		} else {
			starred = false
			show(offset, buf[:n])
		}
		previous = append(previous[:0], buf[:n]...)
		offset += int64(n)
	}
	if offset > d.skip {
		d.printf(last, offset)
	}
	return nil
}
