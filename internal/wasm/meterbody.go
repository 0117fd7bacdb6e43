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
// Fuel is tested there, and paid for where fuelPlanner says. It is taken from the global, but for loops that call nothing: the
// local has what they wrote last.
type bodyMeter struct {
	*metering
	planner planner
	payer   fuelPlanner

	body   Body
	x      Expr
	out    []byte
	points []point // that are still to come
	owed   []payment
	lands  []landing
	level  int64 // that the branches of the current instruction bring to landings

	locals  int    // of the function: parameters and those declared
	watched int    // in the loop that has so many blocks around it the counter is in a local, too; 0: in none
	local   uint32 // which one; for Ticks what was written to the counter last
	due     uint32 // the local for what settles takes
	length  uint32 // the local for a bulk operation's length

	labels []label // of the blocks that are open in the original
	depth  int     // of the blocks that are open in the output
}

// label is a block of the original.
type label struct {
	at   int  // where in the output's blocks the one is that branches to it go to
	cold bool // a loop with a cold place
	leaf bool

	levels []int64 // that branches to it may bring; nil: any is the same
}

func (b *bodyMeter) rewrite(i int, body Body) (err error) {
	b.points = nil
	if b.circles {
		if b.points, err = b.planner.plan(i, body); err != nil {
			return err
		}
	}
	if b.meter != Ticks {
		if err := b.payer.plan(body); err != nil {
			return err
		}
		b.owed, b.lands = b.payer.payments, b.payer.landings
	}
	results := b.m.Types[b.m.Functions[i]].Results
	b.body, b.out, b.labels, b.depth, b.watched = body, b.out[:0], append(b.labels[:0], label{}), 1, 0
	if err := b.declare(b.m.Types[b.m.Functions[i]].Params.Len); err != nil {
		return err
	}
	if b.meter != Ticks && b.payer.last.pos > 0 { // what falls out of the function, or branches out of it, meets the end of a block first
		b.labels[0], b.depth = label{at: 1, levels: b.landing(0)}, 1
		for range max(1, len(b.labels[0].levels)) {
			b.out = b.giving(append(b.out, byte(OpBlock)), results)
			b.depth++
		}
	}
	b.x = body.Expr()
	for b.x.Next() {
		b.level = nowhere
		b.chargeHere(false)
		if err := b.instruction(); err != nil {
			return err
		}
	}
	return b.x.Err()
}

// declare copies the declarations of locals and adds those that are needed.
func (b *bodyMeter) declare(params int) error {
	bulks := false
	for x := b.body.Expr(); x.Next(); {
		_, isBulk := bulk(x.Op)
		bulks = bulks || isBulk
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
	if len(b.points)+len(b.owed) > 0 {
		number := byte(b.number())
		added = append(added, 1, number)
		b.local, next, groups = next, next+1, groups+1
		if b.meter != Ticks {
			added = append(added, 1, number)
			b.due, next, groups = next, next+1, groups+1
		}
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
	case OpCall, OpReturnCall, OpRefFunc:
		if b.meter != Ticks && op != OpRefFunc && int64(b.x.Index) < int64(b.m.imported[ExternFunc]) {
			b.get() // nothing is to be seen of a program that has run out
			b.test(false)
		}
		return b.copyCall()
	default:
		if shift, ok := bulk(op); ok {
			if b.circles {
				b.get() // a few of them take as long as anything, and an i32 counter might come round
				b.test(false)
			}
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

// copyCall copies what names a function.
func (b *bodyMeter) copyCall() error {
	index, ok := b.functions.at(b.x.Index)
	if !ok {
		return b.missing("function")
	}
	b.op(b.x.Op)
	b.out = appendU32(b.out, index)
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
	to := b.labels[at].at
	for i, level := range b.labels[at].levels {
		if level == b.level {
			to += i
		}
	}
	return uint32(b.depth - 1 - to), nil
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
	levels := b.landing(b.x.Pos)
	b.labels = append(b.labels, label{at: b.depth, levels: levels})
	b.depth++
	for range len(levels) - 1 {
		b.copy()
		b.depth++
	}
	return nil
}

// landing gives the levels of the block that begins at a position.
func (b *bodyMeter) landing(pos int) []int64 {
	if len(b.lands) == 0 || b.lands[0].pos != pos {
		return nil
	}
	levels := b.lands[0].levels
	b.lands = b.lands[1:]
	return levels
}

// land ends the blocks of a landing but the outermost.
func (b *bodyMeter) land(levels []int64) {
	if len(levels) == 0 {
		return
	}
	b.op(OpBr)
	b.out = appendU32(b.out, uint32(len(levels)-1))
	for i := len(levels) - 1; i > 0; i-- {
		b.op(OpEnd)
		b.depth--
		b.pay(payment{action: pays, amount: levels[i] - levels[i-1]})
	}
}

func (b *bodyMeter) loop() error {
	takes, err := b.takesValues()
	if err != nil {
		return err
	}
	if takes || !b.pointHere(b.x.End) {
		b.copy()
		b.labels = append(b.labels, label{at: b.depth})
		b.depth++
		return nil
	}
	leaf := b.points[0].leaf && b.meter == Ticks
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
	cold, leaf, levels := b.labels[last].cold, b.labels[last].leaf, b.labels[last].levels
	b.labels = b.labels[:last]
	switch {
	case last == 0 && b.depth > 1:
		b.land(levels)
		b.op(OpEnd)
		b.pay(b.payer.last)
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
		b.land(levels)
		b.op(OpEnd)
		b.depth--
	}
	if last == b.watched {
		b.watched = 0
	}
}

// pointHere reports whether the next point is at a position.
func (b *bodyMeter) pointHere(pos int) bool { return len(b.points) > 0 && b.points[0].pos == pos }

// chargeHere appends what the next point asks for, if it is here: before the current instruction, or behind the loop that
// the current instruction begins.
func (b *bodyMeter) chargeHere(loop bool) {
	pos := b.x.Pos
	if loop {
		pos = b.x.End
	}
	tested := b.pointHere(pos)
	if tested {
		p := b.points[0]
		b.points = b.points[1:]
		if b.meter == Ticks {
			b.charge(p)
			b.onLocal(OpLocalGet)
		} else {
			b.get()
		}
		if loop && b.meter != Ticks && b.watched == 0 && b.settlesHere(pos) { // what has been read need not be read again
			b.onLocal(OpLocalTee)
			b.test(loop)
			b.onLocal(OpLocalGet)
			b.take(b.owed[0])
			b.owed = b.owed[1:]
			return
		}
		b.test(loop)
	}
	for len(b.owed) > 0 && b.owed[0].pos == pos && (!loop || b.owed[0].action == settles) {
		b.pay(b.owed[0])
		b.owed = b.owed[1:]
	}
}

func (b *bodyMeter) settlesHere(pos int) bool {
	return len(b.owed) > 0 && b.owed[0].pos == pos && b.owed[0].action == settles
}

// pay appends what a payment is.
func (b *bodyMeter) pay(p payment) {
	switch p.action {
	case brings:
		b.level = p.amount
	case watches:
		b.get()
		b.onLocal(OpLocalSet)
		b.watched = len(b.labels)
	case owes:
		b.out = b.constant(b.out, p.amount)
		b.out = appendU32(append(b.out, byte(OpLocalSet)), b.due)
	case settles:
		b.get()
		b.take(p)
	case pays:
		if p.amount > 0 {
			b.get()
			b.take(p)
		}
	}
}

// take takes a payment from the counter, which is on top of the stack.
func (b *bodyMeter) take(p payment) {
	if p.action == settles {
		b.out = appendU32(append(b.out, byte(OpLocalGet)), b.due)
	} else {
		b.out = b.constant(b.out, p.amount)
	}
	b.out = append(b.out, opI64Sub)
	b.set()
}

// charge takes what a point costs from the counter, for Ticks, and notes what is left.
func (b *bodyMeter) charge(p point) {
	if p.leaf {
		b.onLocal(OpLocalGet)
	} else {
		b.get()
	}
	b.out = append(b.constant(b.out, p.cost), opI32Sub)
	b.onLocal(OpLocalTee)
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
	if b.meter != Ticks {
		b.out = append(b.out, opI64ExtendI32)
	}
	b.out = append(b.out, b.numeric(opI32Sub, opI64Sub))
	b.set()
}

// refillCounter appends the call that says how it goes on, if it does.
func (b *bodyMeter) refillCounter() {
	if b.meter != Ticks {
		b.get()
	}
	b.op(OpCall)
	b.out = appendU32(b.out, b.refill)
	b.set()
}

func (b *bodyMeter) get() {
	if b.watched > 0 {
		b.onLocal(OpLocalGet)
	} else {
		b.out = appendU32(append(b.out, byte(OpGlobalGet)), b.counter)
	}
}

func (b *bodyMeter) set() {
	if b.watched > 0 {
		b.onLocal(OpLocalTee)
	}
	b.out = appendU32(append(b.out, byte(OpGlobalSet)), b.counter)
}

// constant appends one of the counter's type.
func (r *metering) constant(dst []byte, value int64) []byte {
	return appendSigned(append(dst, r.numeric(byte(OpI32Const), byte(OpI64Const))), value)
}

// numeric chooses an instruction by the counter's type.
func (r *metering) numeric(i32, i64 byte) byte {
	if r.meter != Ticks {
		return i64
	}
	return i32
}
