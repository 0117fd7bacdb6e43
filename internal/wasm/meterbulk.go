package wasm

// A single instruction may fill or copy four gigabytes, which takes seconds. So that a program can be stopped meanwhile, those
// that are for more than bulkPart bytes are done by functions of ours, in parts, with a call of the host after each. They trap
// as the instructions do: before anything is written, by executing the instruction as it was.

// bulkPart is how many bytes are filled or copied at once: some tens of microseconds.
const bulkPart = 1 << 20

// bulkFunctions are those that a module needs.
type bulkFunctions struct {
	first uint32 // index of the first one
	ops   []bulkOp
	typ   uint32 // (i32, i32, i32) -> (), if there are any
}

// bulkOp is an operation, for OpMemoryInit with the data segment that it copies from.
type bulkOp struct {
	Opcode
	segment uint32
}

// bulkOp gives the operation of an instruction, if it may be for more than a part: few data segments are that long.
func (r *metering) bulkOp(x *Expr) (op bulkOp, ok bool) {
	switch x.Op {
	case OpMemoryFill, OpMemoryCopy:
		return bulkOp{x.Op, 0}, true
	case OpMemoryInit:
		if r.long == nil {
			r.long = r.m.longSegments(bulkPart)
		}
		return bulkOp{x.Op, x.Index}, r.long[x.Index]
	}
	return bulkOp{}, false
}

// longSegments gives the data segments with more bytes than that.
func (m *Module) longSegments(size int) map[uint32]bool {
	long := map[uint32]bool{}
	if s, ok := m.Section(SectionData); ok {
		c := m.within(s)
		c.u32("number of data segments")
		for i := range m.Data {
			start := c.pos
			if m.segment(&c); c.pos-start > size {
				long[uint32(i)] = true
			}
		}
	}
	return long
}

// inParts gives the function that stands in for an operation.
func (r *metering) inParts(op bulkOp) uint32 {
	b := &r.bulk
	for i, known := range b.ops {
		if known == op {
			return b.first + uint32(i)
		}
	}
	if len(b.ops) == 0 {
		b.typ = r.addType(ValueTypes{3, []byte{byte(TypeI32), byte(TypeI32), byte(TypeI32)}}, ValueTypes{})
		b.first = uint32(r.m.NumFuncs() + 1)
	}
	b.ops = append(b.ops, op)
	return b.first + uint32(len(b.ops)-1)
}

// bulkInParts appends an operation on memory whose operands are on the stack, and its length in b.length, too.
func (b *bodyMeter) bulkInParts(op bulkOp) {
	function := b.inParts(op)
	b.op(OpLocalGet)
	b.out = appendU32(b.out, b.length)
	b.out = append(appendSigned(append(b.out, byte(OpI32Const)), bulkPart), opI32GtU, byte(OpIf))
	b.out = appendSigned(b.out, int64(b.bulk.typ))
	b.out = appendU32(append(b.out, byte(OpCall)), function)
	b.op(OpElse)
	b.copy()
	b.op(OpEnd)
}

// bulkCode appends the bodies of the functions, which are told where to, what or where from, and how much.
func (r *metering) bulkCode(dst []byte) []byte {
	const to, from = 0, 1
	for _, op := range r.bulk.ops {
		w := &bulkWriter{r, []byte{0}}
		w.trapBeyond(op, to)
		switch op.Opcode {
		case OpMemoryFill:
			w.forwards(op)
		case OpMemoryInit:
			w.trapBeyondSegment(op, from)
			w.forwards(op, from)
		default:
			w.trapBeyond(op, from)
			// What is copied to higher addresses begins with the last part, or it would copy what it has written.
			w.get(to).get(from).add(opI32LeU, byte(OpIf), blockEmpty)
			w.forwards(op, from)
			w.add(byte(OpElse))
			w.backwards(op)
			w.add(byte(OpEnd))
		}
		w.all(op).add(byte(OpEnd))
		dst = append(appendU32(dst, uint32(len(w.out))), w.out...)
	}
	return dst
}

// bulkWriter writes the body of a function.
type bulkWriter struct {
	r   *metering
	out []byte
}

func (w *bulkWriter) add(code ...byte) *bulkWriter {
	w.out = append(w.out, code...)
	return w
}

func (w *bulkWriter) get(local byte) *bulkWriter { return w.add(byte(OpLocalGet), local) }

func (w *bulkWriter) part() *bulkWriter {
	w.out = appendSigned(w.add(byte(OpI32Const)).out, bulkPart)
	return w
}

// move adds the size of a part to a local, or takes it away.
func (w *bulkWriter) move(local, numeric byte) *bulkWriter {
	return w.get(local).part().add(numeric, byte(OpLocalSet), local)
}

// instruction executes the operation for what is on the stack.
func (w *bulkWriter) instruction(op bulkOp) *bulkWriter {
	w.add(byte(op.Opcode>>16), byte(op.Opcode))
	if op.Opcode == OpMemoryInit {
		w.out = appendU32(w.out, op.segment)
	}
	w.add(0)
	if op.Opcode == OpMemoryCopy {
		w.add(0)
	}
	return w
}

func (w *bulkWriter) all(op bulkOp) *bulkWriter { return w.get(0).get(1).get(2).instruction(op) }

// trapBeyond executes the whole operation if the memory that begins at a local ends before it does: a trap.
func (w *bulkWriter) trapBeyond(op bulkOp, local byte) {
	w.get(local).add(opI64ExtendI32).get(2).add(opI64ExtendI32, opI64Add)
	w.add(byte(OpMemorySize), 0, opI64ExtendI32, byte(OpI64Const), 16, opI64Shl, opI64GtU, byte(OpIf), blockEmpty)
	w.all(op).add(byte(OpEnd))
}

// trapBeyondSegment does so if the data segment ends before: it may have been dropped, so that only the instruction itself can tell,
// asked for nothing from there.
func (w *bulkWriter) trapBeyondSegment(op bulkOp, local byte) {
	w.get(local).get(2).add(opI32Add).get(local).add(opI32LtU, byte(OpIf), blockEmpty) // it wraps
	w.all(op).add(byte(OpEnd))
	w.add(byte(OpI32Const), 0).get(local).get(2).add(opI32Add, byte(OpI32Const), 0).instruction(op)
}

// forwards does part after part while more than one is left.
func (w *bulkWriter) forwards(op bulkOp, moving ...byte) {
	w.add(byte(OpLoop), blockEmpty).get(0).get(1).part().instruction(op)
	for _, local := range append(moving, 0) {
		w.move(local, opI32Add)
	}
	w.move(2, opI32Sub).refill().again()
}

// backwards does so from the end.
func (w *bulkWriter) backwards(op bulkOp) {
	w.add(byte(OpLoop), blockEmpty).move(2, opI32Sub)
	w.get(0).get(2).add(opI32Add).get(1).get(2).add(opI32Add).part().instruction(op)
	w.refill().again()
}

// again ends a loop that goes on while more than a part is left.
func (w *bulkWriter) again() { w.get(2).part().add(opI32GtU, byte(OpBrIf), 0, byte(OpEnd)) }

// refill calls the host in any case: fuel has been charged before, and a part takes longer than the call.
func (w *bulkWriter) refill() *bulkWriter {
	if w.r.meter != Ticks {
		w.out = appendU32(w.add(byte(OpGlobalGet)).out, w.r.counter)
	}
	w.out = appendU32(w.add(byte(OpCall)).out, w.r.refill)
	w.out = appendU32(w.add(byte(OpGlobalSet)).out, w.r.counter)
	return w
}
