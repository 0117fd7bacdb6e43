package wasm

// point is a place in a body where the counter is charged.
type point struct {
	pos  int   // of the instruction before which it is
	cost int64 // of what follows, up to the next point
	test bool  // the counter is tested first
}

// planner finds the points of a body: for Ticks its loops, for Fuel every place where instructions begin of which all are
// executed if the first one is.
type planner struct {
	points  []point
	blocks  []plannedBlock
	current int // the point that pays for instructions
}

type plannedBlock struct {
	op     Opcode // that opened it; 0: the function's
	target bool   // something branches to its label
}

// plan lists the points in the order of their positions. What costs nothing and tests nothing is left out.
func (p *planner) plan(body Body, meter Meter, entry bool) ([]point, error) {
	p.points, p.blocks = p.points[:0], append(p.blocks[:0], plannedBlock{})
	p.add(body.Code, entry)
	if meter == Ticks && entry {
		p.points[0].cost = 1
	}
	x := body.Expr()
	for x.Next() {
		if meter == Ticks {
			if x.Op == OpLoop {
				p.add(x.End, true)
				p.points[p.current].cost = 1
			}
			continue
		}
		p.points[p.current].cost += cost(x.Op)
		p.flow(&x)
	}
	kept := p.points[:0]
	for _, at := range p.points {
		if at.cost > 0 || at.test {
			kept = append(kept, at)
		}
	}
	return kept, x.Err()
}

func (p *planner) add(pos int, test bool) {
	p.points = append(p.points, point{pos: pos, test: test})
	p.current = len(p.points) - 1
}

// flow begins a new point where control may come from elsewhere, or may have gone.
func (p *planner) flow(x *Expr) {
	switch x.Op {
	case OpBlock:
		p.blocks = append(p.blocks, plannedBlock{op: x.Op})
	case OpTryTable:
		p.blocks = append(p.blocks, plannedBlock{op: x.Op})
		for i := range p.blocks {
			p.blocks[i].target = true
		}
	case OpIf, OpLoop:
		p.blocks = append(p.blocks, plannedBlock{op: x.Op, target: true})
		p.add(x.End, x.Op == OpLoop)
	case OpEnd:
		last := len(p.blocks) - 1
		target := p.blocks[last].target
		p.blocks = p.blocks[:last]
		if target && last > 0 {
			p.add(x.End, false)
		}
	case OpBr, OpBrIf, OpBrOnNull, OpBrOnNonNull:
		p.branch(x.Index)
		p.add(x.End, false)
	case OpBrTable:
		for label := range x.Labels {
			p.branch(label)
		}
		p.add(x.End, false)
	case OpElse, OpReturn, OpUnreachable, OpThrow, OpThrowRef, OpReturnCall, OpReturnCallIndirect, OpReturnCallRef:
		p.add(x.End, false)
	}
}

func (p *planner) branch(label uint32) {
	if at := len(p.blocks) - 1 - int(label); at >= 0 {
		p.blocks[at].target = true
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
