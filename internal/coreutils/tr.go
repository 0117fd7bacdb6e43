package coreutils

import (
	"errors"
	"strconv"
	"strings"
)

func trMain(c *call) int {
	opts, operands, status, done := c.parse("+c|complement C d|delete s|squeeze-repeats t|truncate-set1")
	if done {
		return status
	}
	o := flags(opts)
	del, squeeze, complement := set(o, "d"), set(o, "s"), set(o, "c") || set(o, "C")
	switch {
	case len(operands) == 0:
		return c.missingOperand(nil)
	case len(operands) == 1 && (!del && !squeeze || del && squeeze):
		c.errorf("missing operand after %s", quote(operands[0]))
		return 1
	case len(operands) > 2:
		return c.usageError("extra operand %s", quote(operands[2]))
	case len(operands) == 2 && del && !squeeze:
		return c.usageError("extra operand %s", quote(operands[1]))
	}
	t, err := newTranslator(operands, complement, del, squeeze, set(o, "t"))
	if err != nil {
		c.errorf("%v", err)
		return 1
	}
	buf := make([]byte, 32<<10)
	for !c.stopped() {
		n, err := c.stdin.Read(buf)
		c.out.Write(t.apply(buf[:n]))
		c.out.Flush()
		if err != nil {
			break
		}
	}
	return 0
}

// translator is tr's work on bytes: characters beyond ASCII are translated byte by byte, as GNU does.
type translator struct {
	table           [256]byte
	remove, squeeze [256]bool
	last            int
}

func newTranslator(sets []string, complement, del, squeeze, truncate bool) (*translator, error) {
	t := &translator{last: -1}
	for i := range t.table {
		t.table[i] = byte(i)
	}
	set1, err := expandSet(sets[0], 0)
	if err != nil {
		return nil, err
	}
	if complement {
		set1 = complementSet(set1)
	}
	var set2 []byte
	if len(sets) > 1 {
		if set2, err = expandSet(sets[1], len(set1)); err != nil {
			return nil, err
		}
	}
	translate := len(sets) > 1 && !del
	switch {
	case del:
		mark(&t.remove, set1)
	case translate && len(set2) == 0:
		return nil, errors.New("when not truncating set1, string2 must be non-empty")
	case translate:
		t.translate(set1, set2, truncate)
	}
	if squeeze {
		if len(sets) > 1 {
			mark(&t.squeeze, set2)
		} else {
			mark(&t.squeeze, set1)
		}
	}
	return t, nil
}

func (t *translator) translate(from, to []byte, truncate bool) {
	for i, b := range from {
		switch {
		case i < len(to):
			t.table[b] = to[i]
		case !truncate:
			t.table[b] = to[len(to)-1]
		}
	}
}

func mark(set *[256]bool, members []byte) {
	for _, b := range members {
		set[b] = true
	}
}

func complementSet(set []byte) []byte {
	var in [256]bool
	mark(&in, set)
	var out []byte
	for i, member := range in {
		if !member {
			out = append(out, byte(i))
		}
	}
	return out
}

// apply translates in place.
func (t *translator) apply(buf []byte) []byte {
	out := buf[:0]
	for _, b := range buf {
		if t.remove[b] {
			continue
		}
		b = t.table[b]
		if int(b) == t.last && t.squeeze[b] {
			continue
		}
		t.last = int(b)
		out = append(out, b)
	}
	return out
}

var trClasses = map[string]func(b byte) bool{
	"alnum": func(b byte) bool { return isAlpha(b) || isDigit(b) },
	"alpha": isAlpha,
	"blank": func(b byte) bool { return b == ' ' || b == '\t' },
	"cntrl": func(b byte) bool { return b < 32 || b == 127 },
	"digit": isDigit,
	"graph": func(b byte) bool { return 32 < b && b < 127 },
	"lower": func(b byte) bool { return 'a' <= b && b <= 'z' },
	"print": func(b byte) bool { return 32 <= b && b < 127 },
	"punct": func(b byte) bool { return 32 < b && b < 127 && !isAlpha(b) && !isDigit(b) },
	"space": func(b byte) bool { return b == ' ' || 9 <= b && b <= 13 },
	"upper": func(b byte) bool { return 'A' <= b && b <= 'Z' },
	"xdigit": func(b byte) bool {
		return isDigit(b) || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
	},
}

func isAlpha(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }
func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// expandSet expands ranges, escapes, classes, [=c=] and [c*n]; fill is the length that [c*] fills up to.
func expandSet(s string, fill int) ([]byte, error) {
	var out []byte
	for i := 0; i < len(s); {
		if s[i] == '[' {
			members, n, err := bracketItem(s[i:], fill-len(out))
			if err != nil {
				return nil, err
			}
			if n > 0 {
				out = append(out, members...)
				i += n
				continue
			}
		}
		lo, n := trChar(s[i:])
		i += n
		if i+1 < len(s) && s[i] == '-' {
			hi, n := trChar(s[i+1:])
			if hi < lo {
				return nil, errors.New("range-endpoints of " + quote(s[i-1:i+2]) + " are in reverse collating sequence order")
			}
			i += n + 1
			for b := int(lo); b <= int(hi); b++ {
				out = append(out, byte(b))
			}
			continue
		}
		out = append(out, lo)
	}
	return out, nil
}

// bracketItem parses what a "[" starts; n is 0 if it is a plain character.
func bracketItem(s string, fill int) (members []byte, n int, err error) {
	switch {
	case strings.HasPrefix(s, "[:"):
		name, _, ok := strings.Cut(s[2:], ":]")
		if !ok {
			return nil, 0, nil
		}
		class := trClasses[name]
		if class == nil {
			return nil, 0, errors.New("invalid character class " + quote(name))
		}
		for b := range 256 {
			if class(byte(b)) {
				members = append(members, byte(b))
			}
		}
		return members, len(name) + 4, nil
	case strings.HasPrefix(s, "[=") && len(s) >= 5 && s[3:5] == "=]":
		return []byte{s[2]}, 5, nil
	}
	if len(s) < 4 {
		return nil, 0, nil
	}
	b, used := trChar(s[1:])
	rest := s[1+used:]
	end := strings.IndexByte(rest, ']')
	if !strings.HasPrefix(rest, "*") || end < 0 || strings.Trim(rest[1:end], "0123456789") != "" {
		return nil, 0, nil
	}
	count := max(fill, 0)
	if digits := rest[1:end]; digits != "" {
		base := 10
		if digits[0] == '0' {
			base = 8
		}
		v, err := strconv.ParseUint(digits, base, 16)
		if err != nil {
			return nil, 0, errors.New("invalid repeat count " + quote(digits) + " in [c*n] construct")
		}
		if v > 0 {
			count = int(v)
		}
	}
	return []byte(strings.Repeat(string([]byte{b}), count)), 1 + used + end + 1, nil
}

// trChar reads one character, perhaps escaped.
func trChar(s string) (b byte, n int) {
	if s[0] != '\\' || len(s) == 1 {
		return s[0], 1
	}
	if i := strings.IndexByte("abfnrtv", s[1]); i >= 0 {
		return "\a\b\f\n\r\t\v"[i], 2
	}
	v, digits := 0, 0
	for digits < 3 && 1+digits < len(s) && '0' <= s[1+digits] && s[1+digits] <= '7' && v*8+int(s[1+digits]-'0') < 256 {
		v = v*8 + int(s[1+digits]-'0')
		digits++
	}
	if digits > 0 {
		return byte(v), 1 + digits
	}
	return s[1], 2
}
