package wasm

// A single instruction may fill or copy four gigabytes, which takes seconds. So that a program can be stopped meanwhile, those
// that are for more than bulkPart bytes are done by functions of ours, in parts, with a call of the host after each. They trap
// as the instructions do: before anything is written, by executing the instruction as it was.

// bulkPart is how many bytes are filled or copied at once: some tens of microseconds.
const bulkPart = 1 << 20

// bulkFunctions are those that a module needs.
type bulkFunctions struct {
	first uint32 // index of the first one
	ops   []Opcode
	typ   uint32 // (i32, i32, i32) -> (), if there are any
}

// inParts gives the function that stands in for an instruction.
func (r *metering) inParts(op Opcode) uint32 {
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
func (b *bodyMeter) bulkInParts() {
	function := b.inParts(b.x.Op)
	b.op(OpLocalGet)
	b.out = appendU32(b.out, b.length)
	b.out = append(appendSigned(append(b.out, byte(OpI32Const)), bulkPart), opI32GtU, byte(OpIf))
	b.out = appendSigned(b.out, int64(b.bulk.typ))
	b.store()
	b.out = appendU32(append(b.out, byte(OpCall)), function)
	b.load()
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
		if op == OpMemoryFill {
			w.forwards(op)
		} else {
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
func (w *bulkWriter) instruction(op Opcode) *bulkWriter {
	w.add(byte(op>>16), byte(op), 0)
	if op == OpMemoryCopy {
		w.add(0)
	}
	return w
}

func (w *bulkWriter) all(op Opcode) *bulkWriter { return w.get(0).get(1).get(2).instruction(op) }

// trapBeyond executes the whole operation if the memory that begins at a local ends before it does: a trap.
func (w *bulkWriter) trapBeyond(op Opcode, local byte) {
	w.get(local).add(opI64ExtendI32).get(2).add(opI64ExtendI32, opI64Add)
	w.add(byte(OpMemorySize), 0, opI64ExtendI32, byte(OpI64Const), 16, opI64Shl, opI64GtU, byte(OpIf), blockEmpty)
	w.all(op).add(byte(OpEnd))
}

// forwards does part after part while more than one is left.
func (w *bulkWriter) forwards(op Opcode, moving ...byte) {
	w.add(byte(OpLoop), blockEmpty).get(0).get(1).part().instruction(op)
	for _, local := range append(moving, 0) {
		w.move(local, opI32Add)
	}
	w.move(2, opI32Sub).refill().again()
}

// backwards does so from the end.
func (w *bulkWriter) backwards(op Opcode) {
	w.add(byte(OpLoop), blockEmpty).move(2, opI32Sub)
	w.get(0).get(2).add(opI32Add).get(1).get(2).add(opI32Add).part().instruction(op)
	w.refill().again()
}

// again ends a loop that goes on while more than a part is left.
func (w *bulkWriter) again() { w.get(2).part().add(opI32GtU, byte(OpBrIf), 0, byte(OpEnd)) }

// refill calls the host in any case: fuel has been charged before, and a part takes longer than the call.
func (w *bulkWriter) refill() *bulkWriter {
	if w.r.meter == Fuel {
		w.out = appendU32(w.add(byte(OpGlobalGet)).out, w.r.counter)
	}
	w.out = appendU32(w.add(byte(OpCall)).out, w.r.refill)
	w.out = appendU32(w.add(byte(OpGlobalSet)).out, w.r.counter)
	return w
}
