package wasm

// Integers are LEB128 (5.2.2): seven bits a byte, low ones first, the top bit saying that more follow. An N-bit number
// takes at most ceil(N/7) bytes, and the bits of the last byte beyond N are zero, or copies of the sign.

// u32 reads an unsigned 32-bit number.
func (c *cursor) u32(what string) uint32 {
	if c.pos < c.end && c.data[c.pos] < 0x80 {
		c.pos++
		return uint32(c.data[c.pos-1])
	}
	return c.longU32(what)
}

func (c *cursor) longU32(what string) uint32 {
	at := c.pos
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		if c.pos >= c.end {
			c.fail(at, "%s is cut off", what)
			return 0
		}
		b := c.data[c.pos]
		c.pos++
		if shift == 28 && b > 0x0f {
			break
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	c.fail(at, "%s does not fit into 32 bits", what)
	return 0
}

// signed reads a signed number of the given width: 32, 33 or 64 bits.
func (c *cursor) signed(width int, what string) int64 {
	if c.pos < c.end && c.data[c.pos] < 0x80 {
		c.pos++
		return int64(int8(c.data[c.pos-1]<<1) >> 1)
	}
	return c.longSigned(width, what)
}

func (c *cursor) longSigned(width int, what string) int64 {
	at := c.pos
	var v int64
	for shift := 0; shift < width; shift += 7 {
		if c.pos >= c.end {
			c.fail(at, "%s is cut off", what)
			return 0
		}
		b := c.data[c.pos]
		c.pos++
		v |= int64(b&0x7f) << shift
		if b >= 0x80 {
			continue
		}
		used := width - shift // bits of b that belong to the number
		if used < 7 && !signExtends(b, used) {
			break
		}
		if shift+7 < 64 && b&0x40 != 0 {
			v |= -1 << (shift + 7)
		}
		return v
	}
	c.fail(at, "%s does not fit into %d bits", what, width)
	return 0
}

// signExtends reports whether the bits of b above the used ones equal the highest used one.
func signExtends(b byte, used int) bool {
	rest := int8(b<<1) >> used // arithmetic shift: all copies of the sign, or it is wrong
	return rest == 0 || rest == -1
}

// appendU32 appends the shortest encoding of v.
func appendU32(dst []byte, v uint32) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// appendSigned appends the shortest encoding of v, whatever its width.
func appendSigned(dst []byte, v int64) []byte {
	for v < -0x40 || v > 0x3f {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v)&0x7f)
}

// appendName appends a name (5.2.4).
func appendName[T string | []byte](dst []byte, name T) []byte {
	return append(appendU32(dst, uint32(len(name))), name...)
}
