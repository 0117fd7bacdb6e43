package wasm

import "fmt"

// point is a place in a body where the counter is charged.
type point struct {
	pos  int   // of the instruction before which it is
	cost int64 // of what follows, up to the next point
	test bool  // the counter is tested first
	late bool  // a test for the sole reason that the last one is far away
}

// planner finds the points of a body. Those with a test are at its loops, at its entry if that is to be, and wherever more
// than reach instructions may have been executed since the last one: there is then no way through a function, however
// long, without a test in time. For Fuel there are others besides, so that of the instructions up to the next point all are
// executed if the first one is.
//
// A tick is a turn of a loop, or more if that turn is long. Which way it will take through its body is not known, and an
// interpreter's loop has thousands; so it is the sum of all, up to a bound that keeps such loops from calling all the time.
type planner struct {
	meter   Meter
	entries *entryWalk
	points  []point
	blocks  []plannedBlock
	targets int   // that many of the outermost blocks are known to be targets
	current int   // the point that pays for instructions
	gap     int64 // how many instructions may have been executed since the last test
}

type plannedBlock struct {
	op      Opcode // that opened it; 0: the function's
	target  bool   // something branches to its label
	current int    // the point that pays for what follows the block, and for its else: for Ticks
	before  int64  // the gap where the block begins
	gap     int64  // the largest one of those that come to its end otherwise than from above
}

// tickUnit is how many instructions make a tick where there are that many.
const tickUnit = 2000

// maxLoops is how many loops a function may have. The time that the engine takes to compile one grows with the square of
// their number: 20,000 take minutes. CPython's largest function has 117.
const maxLoops = 2000

// plan lists the points in the order of their positions. What costs nothing and tests nothing is left out.
func (p *planner) plan(body Body, entry bool) ([]point, error) {
	p.points, p.blocks = p.points[:0], append(p.blocks[:0], plannedBlock{})
	p.gap, p.targets = 0, 0
	loops := 0
	p.add(body.Code, entry)
	x := body.Expr()
	for x.Next() {
		if x.Op == OpLoop {
			if loops++; loops > maxLoops {
				return nil, &SyntaxError{
					Offset: x.Pos, Section: SectionCode.String(),
					Message: fmt.Sprintf("function has more than %d loops", maxLoops),
				}
			}
		}
		weight := p.entries.weight(&x)
		if p.gap > 0 && weight > 0 && p.gap+weight > reach {
			p.test(x.Pos)
		}
		p.gap += weight
		if p.meter == Fuel {
			weight = cost(x.Op)
		}
		p.points[p.current].cost += weight
		p.flow(&x)
	}
	kept := p.points[:0]
	for i, at := range p.points {
		if p.meter == Ticks {
			at.cost = 1 + min(at.cost, p.most(i))/tickUnit
		}
		if at.test || at.cost > 0 && p.meter == Fuel {
			kept = append(kept, at)
		}
	}
	return kept, x.Err()
}

// most is what a test for Ticks may cost, in instructions.
func (p *planner) most(point int) int64 {
	if point == 0 || p.points[point].late { // an entry is no turn of an interpreter's loop: whom it calls may take as long as that
		return reach
	}
	return stride
}

func (p *planner) add(pos int, test bool) {
	p.points = append(p.points, point{pos: pos, test: test})
	p.current = len(p.points) - 1
	if test {
		p.gap = 0
	}
}

// charge adds a point where Fuel has to have one.
func (p *planner) charge(pos int) {
	if p.meter == Fuel {
		p.add(pos, false)
	}
}

// test adds a test, to the point that is there already if there is one. A tick of it is worth as much as there may be up to
// the next one.
func (p *planner) test(pos int) {
	if last := len(p.points) - 1; p.points[last].pos != pos {
		p.add(pos, true)
	} else {
		p.points[last].test, p.current, p.gap = true, last, 0
	}
	if p.meter == Ticks {
		p.points[p.current].cost, p.points[p.current].late = reach, true
	}
}

// flow begins a new point where control may come from elsewhere, or may have gone.
func (p *planner) flow(x *Expr) {
	switch x.Op {
	case OpBlock, OpTryTable, OpIf, OpLoop:
		p.open(x)
	case OpElse:
		at := &p.blocks[len(p.blocks)-1]
		at.gap = max(at.gap, p.gap)
		p.gap, at.op = at.before, OpElse
		p.resume(at, x.End)
	case OpEnd:
		p.end(x)
	case OpBr, OpBrIf, OpBrOnNull, OpBrOnNonNull:
		p.branch(x.Index)
		p.charge(x.End)
	case OpBrTable:
		for label := range x.Labels {
			p.branch(label)
		}
		p.charge(x.End)
	case OpReturn, OpUnreachable, OpThrow, OpThrowRef, OpReturnCall, OpReturnCallIndirect, OpReturnCallRef:
		p.charge(x.End)
	}
}

func (p *planner) open(x *Expr) {
	p.blocks = append(p.blocks, plannedBlock{op: x.Op, current: p.current, before: p.gap})
	switch x.Op {
	case OpTryTable: // whatever it calls may branch from there to any label
		for i := p.targets; i < len(p.blocks); i++ {
			p.blocks[i].target, p.blocks[i].gap = true, reach
		}
		p.targets = len(p.blocks)
	case OpIf:
		p.blocks[len(p.blocks)-1].target = true
		p.charge(x.End)
	case OpLoop:
		p.blocks[len(p.blocks)-1].target = true
		p.add(x.End, true)
	}
}

// end goes on behind a block, where those meet that branch to it and those that fall out of it.
func (p *planner) end(x *Expr) {
	last := len(p.blocks) - 1
	at := p.blocks[last]
	p.blocks, p.targets = p.blocks[:last], min(p.targets, last)
	if last == 0 {
		return
	}
	// What went before may have been paid for by a point that pays for what comes now, too, whatever tests there were meanwhile.
	p.gap = max(p.gap, at.before)
	if at.op != OpLoop {
		p.gap = max(p.gap, at.gap)
	}
	if p.meter == Ticks || at.target {
		p.resume(&at, x.End)
	}
}

// resume lets a point pay for what follows an arm of a block, which may not have been executed.
func (p *planner) resume(at *plannedBlock, pos int) {
	if p.meter == Fuel {
		p.add(pos, false)
	} else {
		p.current = at.current
	}
}

func (p *planner) branch(label uint32) {
	if at := len(p.blocks) - 1 - int(label); at >= 0 {
		p.blocks[at].target = true
		p.blocks[at].gap = max(p.blocks[at].gap, p.gap)
	}
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
