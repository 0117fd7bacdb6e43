package wasm

// Instruction is one instruction of an expression. Positions are offsets in the module.
type Instruction struct {
	Op    Opcode
	Pos   int    // first byte of the opcode
	Imm   int    // first byte of the immediates
	End   int    // first byte after the instruction
	Index uint32 // the first immediate, if it is an index, a label or the length of a vector of labels
	Depth int    // number of blocks around it, the function's own included; of block … end: within that block
}

// Expr reads the instructions of an expression (5.4.9), one after the other, without allocating:
//
//	for x := body.Expr(); x.Next(); {
//		switch x.Op { … }
//	}
//	if err := x.Err(); err != nil { … }
type Expr struct {
	Instruction
	c     cursor
	depth int
	exact bool // nothing may follow the expression
}

// Next reads the next instruction. It gives false after the expression's end, and at an error.
func (x *Expr) Next() bool {
	c := &x.c
	if x.depth == 0 || c.pos >= c.end {
		return x.stop()
	}
	op := c.data[c.pos]
	x.Pos, x.Op, x.Depth = c.pos, Opcode(op), x.depth
	c.pos++
	s := shapes[op]
	if s == prefix {
		s = x.prefixed(op)
	}
	x.Imm = c.pos
	switch s {
	case bare:
	case index:
		x.Index = c.u32("index")
	case memory:
		c.memarg()
	case int32bits:
		c.signed(32, "constant")
	case int64bits:
		c.signed(64, "constant")
	case opens:
		x.open()
	case closes:
		x.close()
	default:
		x.immediates(s)
	}
	x.End = c.pos
	return c.err == nil
}

// stop ends the reading. After an error, the cursor stands at its end as well.
func (x *Expr) stop() bool {
	if x.depth > 0 {
		x.c.fail(x.c.end, "expression ends within %d blocks", x.depth)
	}
	return false
}

func (x *Expr) close() {
	x.depth--
	if x.depth == 0 && x.exact && x.c.left() > 0 {
		x.c.fail(x.c.pos, "%d bytes after the end of the function", x.c.left())
	}
}

// Err is the error that made Next give false, if it was one.
func (x *Expr) Err() error { return x.c.err }

// Bytes gives the encoded instruction.
func (x *Expr) Bytes() []byte { return x.c.data[x.Pos:x.End] }

// prefixed reads the second part of an opcode. After 0xfd and 0xfe it must be as short as possible: the package's
// comment says why.
func (x *Expr) prefixed(op byte) shape {
	sub := x.c.u32("second part of an opcode")
	x.Op = Opcode(op)<<16 | Opcode(sub&0xffff)
	width := x.c.pos - x.Pos - 1
	if sub > 0xff || op != 0xfc && width != 1+int(sub>>7) {
		return unknown
	}
	switch op {
	case 0xfc:
		return bulkShapes[sub]
	case 0xfd:
		return vectorShapes[sub]
	default:
		return atomicShapes[sub]
	}
}

// open reads what begins a block.
func (x *Expr) open() {
	x.depth++
	x.Depth = x.depth
	x.c.blockType()
}

// blockType reads a block type (5.4.1): nothing, a value type, or an index of a function type.
func (c *cursor) blockType() {
	at := c.pos
	if c.pos < c.end && c.data[c.pos] == blockEmpty {
		c.pos++
		return
	}
	t := c.signed(33, "block type")
	if t >= 0 {
		c.checkType(at, t)
		return
	}
	if c.pos-at > 1 {
		c.fail(at, "block type %d is not in its shortest form", t)
		return
	}
	c.pos = at
	c.valueType()
}

// Labels ranges over the targets of a br_table, the default last.
func (x *Expr) Labels(yield func(uint32) bool) {
	c := cursor{data: x.c.data, pos: x.Imm, end: x.End}
	for range c.u32("number of labels") + 1 {
		if !yield(c.u32("label")) {
			return
		}
	}
}

// appendTry appends the beginning of a try_table, with other labels in its clauses.
func (x *Expr) appendTry(dst []byte, to func(label uint32) (uint32, error)) ([]byte, error) {
	c := cursor{data: x.c.data, pos: x.Imm, end: x.End}
	c.blockType()
	n := c.u32("number of catch clauses")
	dst = append(dst, c.data[x.Pos:c.pos]...)
	for range n {
		start := c.pos
		if c.byte("kind of a catch clause") < 2 {
			c.u32("tag")
		}
		dst = append(dst, c.data[start:c.pos]...)
		label, err := to(c.u32("label"))
		if err != nil {
			return nil, err
		}
		dst = appendU32(dst, label)
	}
	return dst, c.err
}

// immediates reads those of the shapes that Next leaves to it.
func (x *Expr) immediates(s shape) {
	c := &x.c
	switch s {
	case twoIndices:
		x.Index = c.u32("index")
		c.u32("index")
	case indexZero:
		x.Index = c.u32("index")
		c.zero()
	case zero:
		c.zero()
	case twoZeroes:
		c.zero()
		c.zero()
	case memoryLane:
		c.memarg()
		c.take(1, "lane")
	case bytes1:
		c.take(1, "lane")
	case bytes4:
		c.take(4, "constant")
	case bytes8:
		c.take(8, "constant")
	case bytes16:
		c.take(16, "constant")
	case labels:
		x.Index = c.labels()
	case types:
		c.selectTypes()
	case heap:
		c.heapType()
	case opensTry:
		x.open()
		x.Index = c.catches()
	default:
		c.unknown(x.Pos, x.Op)
	}
}

// zero reads the byte that stands for the only memory, or that is reserved.
func (c *cursor) zero() {
	at := c.pos
	if b := c.byte("zero byte"); b != 0 {
		c.fail(at, "%#x where 0 must be: there is one memory only", b)
	}
}

// memarg reads alignment and offset of a memory access (5.4.6).
func (c *cursor) memarg() {
	if at := c.pos; c.left() >= 2 && c.data[at] < 32 && c.data[at+1] < 0x80 {
		c.pos += 2
		return
	}
	at := c.pos
	if align := c.u32("alignment"); align >= 32 {
		c.fail(at, "alignment of 2**%d", align)
	}
	c.u32("offset")
}

// labels reads the targets of a br_table, and gives their number without the default.
func (c *cursor) labels() uint32 {
	n := c.count(1, "number of labels")
	for i := 0; i <= n && c.err == nil; i++ {
		c.u32("label")
	}
	return uint32(n)
}

func (c *cursor) selectTypes() {
	at := c.pos
	if n := c.byte("number of types"); n != 1 {
		c.fail(at, "select with %d types, not 1", n)
		return
	}
	c.valueType()
}

// catches reads the clauses of a try_table, and gives their number.
func (c *cursor) catches() uint32 {
	n := c.count(2, "number of catch clauses")
	for i := 0; i < n && c.err == nil; i++ {
		at := c.pos
		kind := c.byte("kind of a catch clause")
		if kind > 3 {
			c.fail(at, "%#x is no kind of catch clause", kind)
		}
		if kind < 2 {
			c.u32("tag")
		}
		c.u32("label")
	}
	return uint32(n)
}

func (c *cursor) unknown(at int, op Opcode) {
	switch op {
	case 0x06, 0x07, 0x09, 0x18, 0x19:
		c.fail(at, "%v belongs to the old exception handling; wasm-opt --translate-to-exnref brings it up to date", op)
	default:
		c.fail(at, "%v is not known, or not in its shortest form", op)
	}
}

// Body is a function's entry in the code section (5.5.13). Positions are offsets in the module.
type Body struct {
	Index  int // of the function, imported ones counted
	Entry  int // first byte of the size
	Locals int // first byte of the declaration of locals
	Code   int // first byte of the first instruction
	End    int // first byte after the last instruction

	data  []byte
	types int
}

// Expr reads the body's instructions.
func (b Body) Expr() Expr {
	return Expr{
		c:     cursor{data: b.data, pos: b.Code, end: b.End, section: SectionCode.String(), types: b.types},
		depth: 1,
		exact: true,
	}
}

// Bodies ranges over the functions that are defined, numbered from 0, and their bodies.
func (m *Module) Bodies(yield func(int, Body) bool) {
	s, _ := m.Section(SectionCode)
	c := m.within(s)
	if len(m.Functions) > 0 {
		c.u32("number of bodies")
	}
	for i := range m.Functions {
		b := Body{Index: m.imported[ExternFunc] + i, Entry: c.pos, data: m.data, types: len(m.Types)}
		size := int(c.u32("size of a body"))
		b.Locals, b.End = c.pos, c.pos+size
		c.locals()
		b.Code, c.pos = c.pos, b.End
		if !yield(i, b) {
			return
		}
	}
}

// constExpr reads a constant expression (3.3.11, with extended constants), showing visit the functions it names.
func (m *Module) constExpr(c *cursor, visit func(reference)) {
	x := Expr{c: *c, depth: 1}
	for x.Next() {
		switch op := x.Op; {
		case op == OpRefFunc:
			if visit != nil {
				visit(reference{x.Imm, x.End, x.Index})
			}
		case op == OpGlobalGet:
			if int64(x.Index) >= int64(len(m.Globals)) {
				x.c.fail(x.Pos, "there is no global %d", x.Index)
			}
		case op == OpEnd, op >= OpI32Const && op <= OpF64Const, op == 0xd0, op == 0xfd<<16|12:
		case op >= 0x6a && op <= 0x6c, op >= 0x7c && op <= 0x7e: // add, sub and mul of i32 and i64
		default:
			x.c.fail(x.Pos, "%v in a constant expression", op)
		}
	}
	c.pos, c.err = x.c.pos, x.c.err
}
