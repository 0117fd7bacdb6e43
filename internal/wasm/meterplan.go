package wasm

// point is a place in a body where the counter is tested.
type point struct {
	pos  int   // of the instruction before which it is
	cost int64 // in ticks
	leaf bool  // it is the head of a loop in which there are no other points, calls and bulk operations

	accesses int64 // to memory, in a leaf
}

// planner finds the points of a body. Those with a test are at its loops, at its entry and at calls through pointers if that
// is to be, and wherever more than reach instructions may have been executed since the last one: there is then no way
// through a function, however long, without a test in time.
//
// A tick is a turn of a loop, or more if the longest way through it is long.
type planner struct {
	entries *entries
	path    path
	points  []point
	blocks  []plannedBlock
	targets int // that many of the outermost blocks are known to be where exceptions may lead
	current int // the point that pays for instructions; -1: there has been none
	others  int // how many things there were so far that a leaf has not
	reads   int // how many accesses to memory
	at      distance
}

// distance is how many instructions may have been executed, on the longest way.
type distance struct {
	test int64 // since the last test
	back int64 // since the first return from a call that may be recursive, if that came later; 0: it did not
}

func (d *distance) add(weight int64) {
	d.test += weight
	if d.back > 0 {
		d.back += weight
	}
}

func (d *distance) join(other distance) {
	d.test, d.back = max(d.test, other.test), max(d.back, other.back)
}

// tooFar reports whether there has to be a test before so many more.
func (d *distance) tooFar(weight int64) bool {
	return weight > 0 && d.test > 0 && (d.test+weight > reach || d.back > 0 && d.back+weight > unwind)
}

type plannedBlock struct {
	op      Opcode   // that opened it; 0: the function's
	head    int      // of a loop: its point
	others  int      // planner.others where a loop begins
	reads   int      // planner.reads there
	current int      // the point before the block: it may pay for what follows it, and for its else
	before  distance // where the block begins
	end     distance // of those that come to its end otherwise than from above
}

// tickUnit is how many instructions make a tick where there are that many.
const tickUnit = 250

// A leaf keeps the counter to itself, so that nobody can take from it what it has left: it is charged by what its turns may take
// at worst, where every division is slow and no access to memory finds anything in a cache. A tick is then some 20 ns.
const (
	leafUnit     = 4 // instructions for a tick
	accessTicks  = 8 // for each access
	leafAccesses = 8 // as many as a leaf may have
)

// plan lists the points of a function in the order of their positions.
func (p *planner) plan(function int, body Body) ([]point, error) {
	p.points, p.blocks = p.points[:0], append(p.blocks[:0], plannedBlock{})
	p.at, p.targets, p.others, p.reads, p.current = distance{}, 0, 0, 0, -1
	p.path.begin()
	if p.entries.tested[function] {
		p.test(body.Code)
	}
	x := body.Expr()
	for x.Next() {
		weight := p.entries.weight(&x)
		if p.path.fresh() && p.entries.testedCall(&x) {
			p.test(x.Pos)
		}
		if p.at.tooFar(weight) {
			p.test(x.Pos)
		}
		if mayCall(x.Op) {
			p.others++
		}
		if accessesMemory(x.Op) {
			p.reads++
		}
		p.path.step(&x, 0)
		p.at.add(weight)
		if p.current >= 0 {
			p.points[p.current].cost = max(p.points[p.current].cost, p.at.test)
		}
		if p.at.back == 0 && p.entries.recursive(function, &x) {
			p.at.back = 1
		}
		p.flow(&x)
	}
	for i := range p.points {
		if at := &p.points[i]; at.leaf {
			at.cost = 1 + at.cost/leafUnit + at.accesses*accessTicks
		} else {
			at.cost = 1 + at.cost/tickUnit
		}
	}
	return p.points, x.Err()
}

// test adds a test, if there is none in that place.
func (p *planner) test(pos int) {
	if last := len(p.points) - 1; last < 0 || p.points[last].pos != pos {
		p.points = append(p.points, point{pos: pos})
	}
	p.current, p.at = len(p.points)-1, distance{}
	p.others++
	p.path.test()
}

// flow follows control to where blocks end.
func (p *planner) flow(x *Expr) {
	switch x.Op {
	case OpBlock, OpTryTable, OpIf, OpLoop:
		p.open(x)
	case OpElse:
		at := &p.blocks[len(p.blocks)-1]
		at.end.join(p.at)
		p.at, p.current, at.op = at.before, at.current, OpElse
	case OpEnd:
		p.end()
	case OpBr, OpBrIf, OpBrOnNull, OpBrOnNonNull:
		p.branch(x.Index)
	case OpBrTable:
		for label := range x.Labels {
			p.branch(label)
		}
	}
}

func (p *planner) open(x *Expr) {
	p.blocks = append(p.blocks, plannedBlock{op: x.Op, current: p.current, before: p.at})
	switch x.Op {
	case OpTryTable: // whatever it calls may branch from there to any label
		for i := p.targets; i < len(p.blocks); i++ {
			p.blocks[i].end = distance{reach, unwind}
		}
		p.targets = len(p.blocks)
	case OpLoop:
		p.test(x.End)
		at := &p.blocks[len(p.blocks)-1]
		at.head, at.others, at.reads = p.current, p.others, p.reads
	}
}

// end goes on behind a block, where those meet that branch to it and those that fall out of it.
func (p *planner) end() {
	last := len(p.blocks) - 1
	at := p.blocks[last]
	p.blocks, p.targets = p.blocks[:last], min(p.targets, last)
	if last == 0 {
		return
	}
	// What went before may have been paid for by a point that pays for what comes now, too, whatever tests there were meanwhile.
	p.at.join(at.before)
	if at.op == OpLoop {
		head, reads := &p.points[at.head], p.reads-at.reads
		head.leaf = p.others == at.others && reads <= leafAccesses
		head.accesses = int64(reads)
	} else {
		p.at.join(at.end)
	}
	p.current = at.current
}

func (p *planner) branch(label uint32) {
	if at := len(p.blocks) - 1 - int(label); at >= 0 {
		p.blocks[at].end.join(p.at)
	}
}

// accessesMemory reports whether an instruction reads or writes memory, and takes no more of it than that.
func accessesMemory(op Opcode) bool {
	switch second := op & 0xffff; op >> 16 {
	case 0:
		return second >= 0x28 && second <= 0x3e
	case 0xfd:
		return second <= 11 || second >= 84 && second <= 93
	}
	return false
}

// mayCall reports whether an instruction may call a function, of the pass's own or the engine's too.
func mayCall(op Opcode) bool {
	switch op {
	case OpMemoryGrow, OpRefFunc, OpCall, OpCallIndirect, OpCallRef, OpReturnCall, OpReturnCallIndirect, OpReturnCallRef:
		return true
	}
	_, isBulk := bulk(op)
	return isBulk || op>>16 == 0xfe
}

// cost is the fuel that an instruction takes.
func cost(op Opcode) int64 {
	switch op {
	case OpNop, OpBlock, OpLoop, OpElse, OpEnd, OpTryTable:
		return 0
	}
	return 1
}

// bulk tells how a bulk operation is charged by its length, which is on top of the stack: per 2**shift bytes of memory, or
// entries of a table.
func bulk(op Opcode) (shift int64, ok bool) {
	switch op {
	case OpMemoryInit, OpMemoryCopy, OpMemoryFill:
		return 6, true
	case OpTableInit, OpTableCopy, OpTableGrow, OpTableFill:
		return 2, true
	}
	return 0, false
}
