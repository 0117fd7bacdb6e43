package wasi

// argsGet: argv (pointers), argv_buf (strings).
func argsGet(c call) errno { return c.writeStrings(c.Args) }

// argsSizesGet: count, size of strings.
func argsSizesGet(c call) errno { return c.writeSizes(c.Args) }

// environGet: environ (pointers), environ_buf (strings).
func environGet(c call) errno { return c.writeStrings(c.Env) }

// environSizesGet: count, size of strings.
func environSizesGet(c call) errno { return c.writeSizes(c.Env) }

func sizeOf(list []string) (n uint32) {
	for _, s := range list {
		n += uint32(len(s)) + 1
	}
	return n
}

func (c call) writeSizes(list []string) errno {
	count, e := c.out(0, 4)
	if e != 0 {
		return e
	}
	size, e := c.out(1, 4)
	if e != 0 {
		return e
	}
	putU32(count, 0, uint32(len(list)))
	putU32(size, 0, sizeOf(list))
	return 0
}

// writeStrings stores list as C's argv: an array of pointers to strings that
// end in NUL.
func (c call) writeStrings(list []string) errno {
	pointers, e := c.out(0, uint32(len(list))*4)
	if e != 0 {
		return e
	}
	strings, e := c.out(1, sizeOf(list))
	if e != 0 {
		return e
	}
	at := 0
	for i, s := range list {
		putU32(pointers, i*4, c.u32(1)+uint32(at))
		at += copy(strings[at:], s)
		strings[at] = 0
		at++
	}
	return 0
}
