package isolate

import (
	"encoding/binary"
	"errors"
	"reflect"
)

// errMalformed is what the other end is told off for.
var errMalformed = errors.New("malformed message")

// Numbers are unsigned varints, texts a length and bytes, lists a length and items.

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTexts(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

func appendNumber[N ~int | ~int64 | ~uint8](b []byte, n N) []byte {
	return binary.AppendUvarint(b, uint64(n))
}

// appendFields appends what a struct of numbers and switches has, in their order.
func appendFields(b []byte, from any) []byte {
	v := reflect.ValueOf(from).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.CanInt():
			b = binary.AppendVarint(b, f.Int())
		case f.CanUint():
			b = binary.AppendUvarint(b, f.Uint())
		case f.Bool():
			b = append(b, 1)
		default:
			b = append(b, 0)
		}
	}
	return b
}

// parser takes a message apart. After a failure all that it gives is zero.
type parser struct {
	rest   []byte
	failed bool
}

func (p *parser) fail() { p.rest, p.failed = nil, true }

// any gives a number.
func (p *parser) any() uint64 {
	n, size := binary.Uvarint(p.rest)
	if size <= 0 {
		p.fail()
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

// number gives one of at most max.
func (p *parser) number(max int) int {
	n := p.any()
	if n > uint64(max) {
		p.fail()
		return 0
	}
	return int(n)
}

// bytes gives a view of the message.
func (p *parser) bytes() []byte {
	n := p.number(len(p.rest))
	if n > len(p.rest) { // the number itself took some
		p.fail()
		return nil
	}
	b := p.rest[:n:n]
	p.rest = p.rest[n:]
	return b
}

func (p *parser) text() string { return string(p.bytes()) }

func (p *parser) texts() []string {
	n := p.number(len(p.rest)) // each takes a byte at least
	if n == 0 {
		return nil
	}
	list := make([]string, 0, min(n, 64))
	for range n {
		if list = append(list, p.text()); p.failed {
			return nil
		}
	}
	return list
}

// fields gives what appendFields took.
func (p *parser) fields(to any) {
	v := reflect.ValueOf(to).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.CanInt():
			n, size := binary.Varint(p.rest)
			if size <= 0 || f.OverflowInt(n) {
				p.fail()
				return
			}
			p.rest = p.rest[size:]
			f.SetInt(n)
		case f.CanUint():
			n := p.any()
			if f.OverflowUint(n) {
				p.fail()
				return
			}
			f.SetUint(n)
		default:
			f.SetBool(p.number(1) == 1)
		}
	}
}

// end is the error, if there was one, or if something is left.
func (p *parser) end() error {
	if p.failed || len(p.rest) > 0 {
		return errMalformed
	}
	return nil
}
