package wasi

// Dialogue is what a program is asked by the host between its calls, and what it says to that.
type Dialogue struct {
	Source string // what source gives
	// Result, if not nil, takes the parts of a result. The text is the program's and valid only until Result returns.
	Result func(kind uint32, text []byte)
}

// source: buf, buf_len, which must be that of the text.
func source(c call) errno {
	buf, e := c.out(0, c.u32(1))
	if e != 0 {
		return e
	}
	if len(buf) != len(c.Dialogue.Source) {
		return errnoRange
	}
	copy(buf, c.Dialogue.Source)
	return 0
}

// result: kind, text, text_len.
func result(c call) errno {
	text, e := c.mem.view(c.u32(1), c.u32(2))
	if e != 0 {
		return e
	}
	if c.Dialogue.Result == nil {
		return errnoNosys
	}
	c.Dialogue.Result(c.u32(0), text)
	return 0
}
