package wasm

// bodyMeter rewrites one body after the other.
//
// A loop whose counter has run out leaves its way to a cold place behind it, so that the engine need not keep values in
// registers that a call preserves wherever the loop goes:
//
//	block $out (results)
//	  loop $again
//	    block $cold
//	      br_if $cold (counter < 0), before or behind: charge
//	      …the loop's body; its branches to the loop go to $again…
//	      br $out
//	    end
//	    counter = refill()
//	    br $again
//	  end
//	  unreachable
//	end
//
// A loop that takes values from the stack is left in its place and refills in the middle of its way, as entries do.
//
// Ticks are charged first, since what is written to the counter need not be read again to test it. A leaf, which is a loop without
// calls and other loops in it, does not read it at all: the local has what it wrote the turn before.
//
// Fuel is kept in a local while a function runs, and in the global while others do: engines keep locals in registers.
// Functions that catch exceptions use the global throughout, because what was thrown past a call has been paid there.
type bodyMeter struct {
	*metering
	planner planner

	body   Body
	x      Expr
	out    []byte
	points []point // that are still to come

	locals int    // of the function: parameters and those declared
	cached bool   // the counter is in a local
	local  uint32 // which one; for Ticks what was written to the counter last
	length uint32 // the local for a bulk operation's length

	labels []label // of the blocks that are open in the original
	depth  int     // of the blocks that are open in the output
}

// label is a block of the original.
type label struct {
	at   int  // where in the output's blocks the one is that branches to it go to
	cold bool // a loop with a cold place
	leaf bool
}

func (b *bodyMeter) rewrite(i int, body Body) (err error) {
	if b.points, err = b.planner.plan(i, body); err != nil {
		return err
	}
	results := b.m.Types[b.m.Functions[i]].Results
	b.body, b.out, b.labels, b.depth = body, b.out[:0], append(b.labels[:0], label{}), 1
	if err := b.declare(b.m.Types[b.m.Functions[i]].Params.Len); err != nil {
		return err
	}
	if b.cached { // what falls out of the function, or branches out of it, meets the end of a block first
		b.out = b.giving(append(b.out, byte(OpBlock)), results)
		b.labels[0].at, b.depth = 1, 2
		b.load()
	}
	b.x = body.Expr()
	for b.x.Next() {
		b.chargeHere(false)
		if err := b.instruction(); err != nil {
			return err
		}
	}
	return b.x.Err()
}

// declare copies the declarations of locals and adds those that are needed.
func (b *bodyMeter) declare(params int) error {
	catches, bulks := false, false
	for x := b.body.Expr(); x.Next(); {
		_, isBulk := bulk(x.Op)
		catches, bulks = catches || x.Op == OpTryTable, bulks || isBulk
	}
	c := cursor{data: b.m.data, pos: b.body.Locals, end: b.body.Code}
	groups := c.u32("number of groups of locals")
	start := c.pos
	b.locals = params
	for range groups {
		b.locals += int(c.u32("number of locals"))
		c.valueType()
	}
	var added []byte
	next := uint32(b.locals)
	b.cached = b.meter == Fuel && !catches && len(b.points) > 0
	if b.cached || b.meter == Ticks && len(b.points) > 0 {
		added = append(added, 1, byte(b.numeric(byte(TypeI32), byte(TypeI64))))
		b.local, next, groups = next, next+1, groups+1
	}
	if bulks {
		added = append(added, 1, byte(TypeI32))
		b.length, groups = next, groups+1
	}
	b.out = appendU32(b.out, groups)
	b.out = append(append(b.out, b.m.data[start:b.body.Code]...), added...)
	return c.err
}

// instruction appends the current instruction, as it has to be now.
func (b *bodyMeter) instruction() error {
	x := &b.x
	switch op := x.Op; op {
	case OpBlock, OpIf, OpTryTable:
		return b.open()
	case OpLoop:
		return b.loop()
	case OpEnd:
		b.end()
	case OpBr, OpBrIf, OpBrOnNull, OpBrOnNonNull:
		b.op(op)
		return b.branch(x.Index)
	case OpBrTable:
		b.op(op)
		b.out = appendU32(b.out, x.Index)
		for label := range x.Labels {
			if err := b.branch(label); err != nil {
				return err
			}
		}
	case OpCall, OpCallIndirect, OpCallRef:
		b.store()
		if err := b.copyCall(); err != nil {
			return err
		}
		b.load()
	case OpReturn, OpThrow, OpThrowRef, OpReturnCall, OpReturnCallIndirect, OpReturnCallRef, OpRefFunc:
		if op != OpRefFunc {
			b.store()
		}
		return b.copyCall()
	default:
		if shift, ok := bulk(op); ok {
			b.get() // a few of them take as long as anything, and an i32 counter might come round
			b.test(false)
			b.chargeLength(shift)
			if op, ok := b.bulkOp(x); ok {
				b.bulkInParts(op)
				return nil
			}
		}
		return b.copyAccess()
	}
	return nil
}

func (b *bodyMeter) op(op Opcode) { b.out = append(b.out, byte(op)) }

func (b *bodyMeter) copy() { b.out = append(b.out, b.x.Bytes()...) }

// copyCall copies what may name a function.
func (b *bodyMeter) copyCall() error {
	switch b.x.Op {
	case OpCall, OpReturnCall, OpRefFunc:
		index, ok := b.functions.at(b.x.Index)
		if !ok {
			return b.missing("function")
		}
		b.op(b.x.Op)
		b.out = appendU32(b.out, index)
	default:
		b.copy()
	}
	return nil
}

// copyAccess copies what may name a local or a global, which must not be one of those added.
func (b *bodyMeter) copyAccess() error {
	switch b.x.Op {
	case OpLocalGet, OpLocalSet, OpLocalTee:
		if int64(b.x.Index) >= int64(b.locals) {
			return b.missing("local")
		}
	case OpGlobalGet, OpGlobalSet:
		if int64(b.x.Index) >= int64(len(b.m.Globals)) {
			return b.missing("global")
		}
	}
	b.copy()
	return nil
}

func (b *bodyMeter) missing(what string) error {
	return &SyntaxError{Offset: b.x.Pos, Section: SectionCode.String(), Message: "there is no such " + what}
}

// branch appends a label's number, counted from the inside out.
func (b *bodyMeter) branch(depth uint32) error {
	label, err := b.label(depth)
	if err != nil {
		return err
	}
	b.out = appendU32(b.out, label)
	return nil
}

// label is what a label of the original has become.
func (b *bodyMeter) label(depth uint32) (uint32, error) {
	at := len(b.labels) - 1 - int(depth)
	if at < 0 {
		return 0, b.missing("label")
	}
	return uint32(b.depth - 1 - b.labels[at].at), nil
}

// open appends the beginning of a block that is no loop. Clauses that catch branch out of the block.
func (b *bodyMeter) open() error {
	if b.x.Op == OpTryTable {
		var err error
		if b.out, err = b.x.appendTry(b.out, b.label); err != nil {
			return err
		}
	} else {
		b.copy()
	}
	b.labels = append(b.labels, label{at: b.depth})
	b.depth++
	return nil
}

func (b *bodyMeter) loop() error {
	takes, err := b.takesValues()
	if err != nil {
		return err
	}
	if takes {
		b.copy()
		b.labels = append(b.labels, label{at: b.depth})
		b.depth++
		return nil
	}
	leaf := len(b.points) > 0 && b.points[0].leaf && b.points[0].pos == b.x.End
	if leaf {
		b.get()
		b.onLocal(OpLocalSet)
	}
	b.op(OpBlock)
	b.out = append(b.out, b.m.data[b.x.Imm:b.x.End]...)
	b.out = append(b.out, byte(OpLoop), blockEmpty, byte(OpBlock), blockEmpty)
	b.labels = append(b.labels, label{at: b.depth + 1, cold: true, leaf: leaf})
	b.depth += 3
	b.chargeHere(true)
	return nil
}

// onLocal appends an instruction on the counter's local.
func (b *bodyMeter) onLocal(op Opcode) { b.out = appendU32(append(b.out, byte(op)), b.local) }

// takesValues reports whether the current block has parameters.
func (b *bodyMeter) takesValues() (bool, error) {
	c := cursor{data: b.m.data, pos: b.x.Imm, end: b.x.End}
	if first := c.data[c.pos]; first&0xc0 == 0x40 { // a negative number: nothing, or a value type
		return false, nil
	}
	t := c.signed(33, "block type")
	if t < 0 {
		return false, nil
	}
	if t >= int64(len(b.m.Types)) {
		return false, b.missing("type")
	}
	return b.m.Types[t].Params.Len > 0, nil
}

func (b *bodyMeter) end() {
	last := len(b.labels) - 1
	cold, leaf := b.labels[last].cold, b.labels[last].leaf
	b.labels = b.labels[:last]
	switch {
	case last == 0 && b.cached:
		b.op(OpEnd)
		b.store()
		b.op(OpEnd)
	case cold:
		b.out = append(b.out, byte(OpBr), 2, byte(OpEnd))
		b.refillCounter()
		if leaf {
			b.get()
			b.onLocal(OpLocalSet)
		}
		b.out = append(b.out, byte(OpBr), 0, byte(OpEnd), byte(OpUnreachable), byte(OpEnd))
		b.depth -= 3
	default:
		b.op(OpEnd)
		b.depth--
	}
}

// chargeHere appends what the next point asks for, if it is here: before the current instruction, or behind the loop that
// the current instruction begins.
func (b *bodyMeter) chargeHere(loop bool) {
	pos := b.x.Pos
	if loop {
		pos = b.x.End
	}
	if len(b.points) == 0 || b.points[0].pos != pos {
		return
	}
	p := b.points[0]
	b.points = b.points[1:]
	if b.meter == Ticks {
		b.charge(p)
		b.onLocal(OpLocalGet)
		b.test(loop)
		return
	}
	if p.test {
		b.get()
		b.test(loop)
	}
	if p.cost > 0 {
		b.charge(p)
	}
}

// charge takes what a point costs from the counter, and notes for Ticks what is left.
func (b *bodyMeter) charge(p point) {
	if p.leaf {
		b.onLocal(OpLocalGet)
	} else {
		b.get()
	}
	b.out = b.constant(b.out, p.cost)
	b.out = append(b.out, b.numeric(opI32Sub, opI64Sub))
	if b.meter == Ticks {
		b.onLocal(OpLocalTee)
	}
	b.set()
}

// test asks whether the number on top of the stack, the counter's, is below 0: at the head of a loop, to leave for its cold place,
// and elsewhere to refill in the middle of the way.
func (b *bodyMeter) test(loop bool) {
	b.out = b.constant(b.out, 0)
	b.out = append(b.out, b.numeric(opI32LtS, opI64LtS))
	if loop {
		b.out = append(b.out, byte(OpBrIf), 0)
		return
	}
	b.out = append(b.out, byte(OpIf), blockEmpty)
	b.refillCounter()
	b.op(OpEnd)
}

// chargeLength charges by the number on top of the stack.
func (b *bodyMeter) chargeLength(shift int64) {
	b.op(OpLocalTee)
	b.out = appendU32(b.out, b.length)
	b.get()
	b.op(OpLocalGet)
	b.out = appendU32(b.out, b.length)
	b.out = append(appendSigned(append(b.out, byte(OpI32Const)), shift), opI32ShrU)
	if b.meter == Fuel {
		b.out = append(b.out, opI64ExtendI32)
	}
	b.out = append(b.out, b.numeric(opI32Sub, opI64Sub))
	b.set()
}

// refillCounter appends the call that says how it goes on, if it does.
func (b *bodyMeter) refillCounter() {
	if b.meter == Fuel {
		b.get()
	}
	b.op(OpCall)
	b.out = appendU32(b.out, b.refill)
	b.set()
}

func (b *bodyMeter) get() {
	if b.cached {
		b.onLocal(OpLocalGet)
	} else {
		b.out = appendU32(append(b.out, byte(OpGlobalGet)), b.counter)
	}
}

func (b *bodyMeter) set() {
	if b.cached {
		b.onLocal(OpLocalSet)
	} else {
		b.out = appendU32(append(b.out, byte(OpGlobalSet)), b.counter)
	}
}

// store puts a counter that is in a local where others find it; load gets it back.
func (b *bodyMeter) store() {
	if b.cached {
		b.onLocal(OpLocalGet)
		b.out = appendU32(append(b.out, byte(OpGlobalSet)), b.counter)
	}
}

func (b *bodyMeter) load() {
	if b.cached {
		b.out = appendU32(append(b.out, byte(OpGlobalGet)), b.counter)
		b.onLocal(OpLocalSet)
	}
}

// constant appends one of the counter's type.
func (r *metering) constant(dst []byte, value int64) []byte {
	return appendSigned(append(dst, r.numeric(byte(OpI32Const), byte(OpI64Const))), value)
}

// numeric chooses an instruction by the counter's type.
func (r *metering) numeric(i32, i64 byte) byte {
	if r.meter == Fuel {
		return i64
	}
	return i32
}
