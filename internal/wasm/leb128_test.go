package wasm

import (
	"math"
	"testing"
	"testing/quick"
)

func reader(b []byte) *cursor { return &cursor{data: b, end: len(b)} }

// What is written is read back, and nothing shorter says the same.
func TestLEB128RoundTrip(t *testing.T) {
	unsigned := func(v uint32) bool {
		b := appendU32(nil, v)
		c := reader(b)
		return c.u32("") == v && c.err == nil && c.left() == 0 && (len(b) == 1 || b[len(b)-1] != 0)
	}
	signed := func(v int64, shift uint8) bool {
		v >>= shift % 64
		b := appendSigned(nil, v)
		for _, width := range []int{32, 33, 64} {
			c := reader(b)
			fits := v<<(64-width)>>(64-width) == v
			if got := c.signed(width, ""); fits && (got != v || c.left() != 0) || fits != (c.err == nil) {
				return false
			}
		}
		last := len(b) - 1
		redundant := last > 0 && (b[last] == 0 && b[last-1]&0x40 == 0 || b[last] == 0x7f && b[last-1]&0x40 != 0)
		return !redundant
	}
	if err := quick.Check(unsigned, nil); err != nil {
		t.Error(err)
	}
	if err := quick.Check(signed, &quick.Config{MaxCount: 20_000}); err != nil {
		t.Error(err)
	}
}

func TestLEB128Limits(t *testing.T) {
	const bad = math.MinInt64 + 1
	for _, test := range []struct {
		bytes string
		width int // 0: unsigned, 32 bits
		want  int64
	}{
		{"\xff\xff\xff\xff\x0f", 0, math.MaxUint32},
		{"\xff\xff\xff\xff\x1f", 0, bad},
		{"\x80\x80\x80\x80\x00", 0, 0}, // padded, as linkers do
		{"\x80\x80\x80\x80\x80\x00", 0, bad},
		{"\x80", 0, bad},
		{"", 0, bad},
		{"\xff\xff\xff\xff\x07", 32, math.MaxInt32},
		{"\x80\x80\x80\x80\x78", 32, math.MinInt32},
		{"\xff\xff\xff\xff\x0f", 32, bad},
		{"\x80\x80\x80\x80\x70", 32, bad},
		{"\xff\xff\xff\xff\x7f", 32, -1},
		{"\xff\xff\xff\xff\x0f", 33, math.MaxUint32},
		{"\x80\x80\x80\x80\x70", 33, -1 << 32},
		{"\xff\xff\xff\xff\x1f", 33, bad},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 64, math.MaxInt64},
		{"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", 64, math.MinInt64},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 64, bad},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80\x00", 64, bad},
		{"\xff", 64, bad},
	} {
		c := reader([]byte(test.bytes))
		var got int64
		if test.width == 0 {
			got = int64(c.u32(""))
		} else {
			got = c.signed(test.width, "")
		}
		if c.err != nil {
			got = bad
		}
		if got != test.want {
			t.Errorf("%x in %d bits: %d, want %d (%v)", test.bytes, test.width, got, test.want, c.err)
		}
	}
}
