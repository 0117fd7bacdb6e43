package wasm

import (
	"cmp"
	"slices"
)

// Fuel is paid late: what a call has executed is summed up here, in the pass, along each way through its function, and taken from
// the counter where it has to be known: where ways of different lengths meet, at the turns of loops, and where the function
// returns. So most calls pay once, and the counter is not touched around those that they make.
//
// Where ways meet that are about as long, all count as the longest. Others that have come through conditional branches bring what they
// owe in a local, as a constant, and it is paid behind; otherwise the longer ones pay the difference before they branch.

// payment is something to do before an instruction.
type payment struct {
	pos    int
	action paymentAction
	amount int64
}

// paymentAction is in the order in which they are done in one place.
type paymentAction byte

const (
	settles paymentAction = iota // takes what is owed from the counter
	watches                      // from here to the end of the loop the counter is in a local, too
	pays                         // takes an amount from the counter
	owes                         // says what settles will take
	brings                       // says at which level the branches of the instruction are
)

// landing is a block to which conditional branches come with more pending than others. Those have places of their own before its end,
// which pay the difference.
type landing struct {
	pos    int     // where the block begins; 0: the function's
	levels []int64 // what is pending there and on the other ways, in ascending order
}

// rounding is how far ways may differ that count as one, since payments are what counting costs. What Python does takes a fifth more fuel
// by it, and 3 % less time.
const rounding = 32

// maxLevels is how many a block may have.
const maxLevels = 16

// credit is how many instructions a call may execute before it pays. So much for each call on the stack may be executed for
// nothing if none of them returns.
const credit = 1000

// nowhere is what is pending where nothing comes.
const nowhere = -1

// fuelPlanner finds where a body pays.
type fuelPlanner struct {
	throws   bool // there are exceptions in the module: calls may end otherwise than by returning
	rounding int64

	payments []payment
	landings []landing
	around   []int   // lookAt's blocks: which loop it is, or -1
	last     payment // what the function does behind its outermost block, if it has branches to its end
	blocks   []fuelBlock
	loops    []fuelLoop // in order of their beginnings
	begun    int        // so many of them
	watching int        // how many blocks are open around the loop in which the counter is in a local; 0: there is none
	pending  int64      // instructions on every way that leads here since it paid
	catches  bool       // the function pays before every branch, since exceptions may branch anywhere
}

type fuelBlock struct {
	op     Opcode // that opened it; 0: the function's
	pos    int    // where it begins
	begin  edge   // where an if branches from if it has no else
	settle bool   // a loop whose head settles
	edges  []edge // to its label; for a loop that settles the one from above, too
}

// edge is where control goes to a label.
type edge struct {
	pos         int
	pending     int64
	conditional bool
}

// fuelLoop is what has to be known of a loop before it is gone through.
type fuelLoop struct {
	backs  int  // branches to its head
	tables bool // one of them is a br_table
	calls  int  // how many there are in it
}

// plan lists the payments of a function in the order in which they are made.
func (p *fuelPlanner) plan(body Body) error {
	if err := p.lookAt(body); err != nil {
		return err
	}
	p.payments, p.last = p.payments[:0], payment{}
	p.begun, p.watching, p.pending = 0, 0, 0
	p.blocks, p.landings = p.blocks[:0], p.landings[:0]
	p.open(0, 0)
	x := body.Expr()
	for x.Next() {
		p.step(&x)
	}
	slices.SortStableFunc(p.payments, func(a, b payment) int {
		return cmp.Or(cmp.Compare(a.pos, b.pos), cmp.Compare(a.action, b.action))
	})
	slices.SortFunc(p.landings, func(a, b landing) int { return cmp.Compare(a.pos, b.pos) })
	return x.Err()
}

// lookAt finds out about loops, and whether exceptions are caught.
func (p *fuelPlanner) lookAt(body Body) error {
	p.loops, p.catches, p.around = p.loops[:0], false, p.around[:0]
	calls := 0
	x := body.Expr()
	for x.Next() {
		switch x.Op {
		case OpLoop:
			p.around = append(p.around, len(p.loops))
			p.loops = append(p.loops, fuelLoop{calls: calls})
		case OpBlock, OpIf, OpTryTable:
			p.around = append(p.around, -1)
			p.catches = p.catches || x.Op == OpTryTable
		case OpEnd:
			if last := len(p.around) - 1; last >= 0 {
				if at := p.around[last]; at >= 0 {
					p.loops[at].calls = calls - p.loops[at].calls
				}
				p.around = p.around[:last]
			}
		case OpBr, OpBrIf, OpBrOnNull, OpBrOnNonNull:
			p.back(x.Index, false)
		case OpBrTable:
			for label := range x.Labels {
				p.back(label, true)
			}
		default:
			if mayCall(x.Op) {
				calls++
			}
		}
	}
	return x.Err()
}

func (p *fuelPlanner) back(label uint32, table bool) {
	if at := len(p.around) - 1 - int(label); at >= 0 && p.around[at] >= 0 {
		loop := &p.loops[p.around[at]]
		loop.backs++
		loop.tables = loop.tables || table
	}
}

func (p *fuelPlanner) do(pos int, action paymentAction, amount int64) {
	if action != pays || amount > 0 {
		p.payments = append(p.payments, payment{pos, action, amount})
	}
}

// pay pays for everything before an instruction.
func (p *fuelPlanner) pay(pos int) {
	if p.pending > 0 {
		p.do(pos, pays, p.pending)
		p.pending = 0
	}
}

func (p *fuelPlanner) step(x *Expr) {
	if p.pending != nowhere {
		p.pending += cost(x.Op)
		if p.pending >= credit || p.catches && branches(x.Op) || p.throws && mayCall(x.Op) {
			p.pay(x.Pos)
		}
	}
	switch x.Op {
	case OpBlock, OpTryTable, OpIf:
		p.open(x.Op, x.Pos)
		if x.Op == OpIf {
			p.blocks[len(p.blocks)-1].begin = edge{x.Pos, p.pending, true}
		}
	case OpLoop:
		p.loop(x)
	case OpElse:
		at := &p.blocks[len(p.blocks)-1]
		at.op = OpElse
		p.meet(at, edge{x.Pos, p.pending, false})
		p.pending = at.begin.pending
	case OpEnd:
		p.end(x)
	case OpBr:
		p.branch(x, x.Index, false)
		p.pending = nowhere
	case OpBrIf, OpBrOnNull, OpBrOnNonNull:
		p.branch(x, x.Index, true)
	case OpBrTable:
		for label := range x.Labels {
			p.branch(x, label, true)
		}
		p.pending = nowhere
	case OpReturn, OpThrow, OpThrowRef, OpReturnCall, OpReturnCallIndirect, OpReturnCallRef:
		p.pay(x.Pos)
		p.pending = nowhere
	case OpUnreachable: // what ends in a trap is not paid for
		p.pending = nowhere
	}
}

// meet notes that control goes to a block's label.
func (p *fuelPlanner) meet(at *fuelBlock, e edge) {
	last := len(at.edges) - 1
	if e.pending != nowhere && (last < 0 || at.edges[last].pos != e.pos) {
		at.edges = append(at.edges, e)
	}
}

func (p *fuelPlanner) branch(x *Expr, label uint32, conditional bool) {
	i := len(p.blocks) - 1 - int(label)
	if i < 0 || p.pending == nowhere {
		return
	}
	at := &p.blocks[i]
	if at.op == OpLoop && !at.settle {
		p.pay(x.Pos)
		return
	}
	p.meet(at, edge{x.Pos, p.pending, conditional})
}

func (p *fuelPlanner) open(op Opcode, pos int) {
	n := len(p.blocks)
	if n == cap(p.blocks) {
		p.blocks = append(p.blocks, fuelBlock{})
	}
	p.blocks = p.blocks[:n+1]
	p.blocks[n] = fuelBlock{op: op, pos: pos, edges: p.blocks[n].edges[:0]}
}

// loop decides where the turns of a loop are paid for: before its branches back, or behind its head.
func (p *fuelPlanner) loop(x *Expr) {
	loop := p.loops[p.begun]
	p.begun++
	p.open(OpLoop, x.Pos)
	at := &p.blocks[len(p.blocks)-1]
	if p.pending == nowhere || loop.backs == 0 {
		return
	}
	if p.watching == 0 && loop.calls == 0 {
		p.watching = len(p.blocks)
		p.do(x.Pos, watches, 0)
	}
	if loop.tables {
		at.settle = true
		p.meet(at, edge{x.Pos, p.pending, false})
		p.do(x.End, settles, 0)
		p.pending = 0
	} else {
		p.pay(x.Pos)
	}
}

// end goes on behind a block, where those meet that branch to it and those that fall out of it.
func (p *fuelPlanner) end(x *Expr) {
	last := len(p.blocks) - 1
	at := &p.blocks[last]
	p.blocks = p.blocks[:last]
	if p.watching == last+1 {
		p.watching = 0
	}
	switch at.op {
	case OpLoop:
		if at.settle {
			p.owe(at.edges)
		}
		return
	case OpIf:
		p.meet(at, at.begin)
	}
	p.meet(at, edge{x.Pos, p.pending, false})
	switch all, pending := p.alike(at.edges); {
	case p.catches: // and what is caught has paid, too
		p.pending = 0
	case len(at.edges) == 0:
		p.pending = nowhere
	case last == 0:
		p.leave(x, at, all, pending)
	case all || p.land(at, pending):
		p.pending = pending
	default:
		p.owe(at.edges)
		p.do(x.End, settles, 0)
		p.pending = 0
	}
}

// leave goes on behind the function's outermost block: it returns.
func (p *fuelPlanner) leave(x *Expr, at *fuelBlock, all bool, pending int64) {
	conditional := slices.ContainsFunc(at.edges, func(e edge) bool { return e.conditional })
	switch {
	case all && len(at.edges) > 1 || conditional && p.land(at, pending):
		p.last = payment{x.Pos, pays, pending}
	case conditional:
		p.owe(at.edges)
		p.last = payment{x.Pos, settles, 0}
	default:
		for _, e := range at.edges {
			p.do(e.pos, pays, e.pending)
		}
	}
}

// alike reports whether about as much is pending on all edges, and how much that is; if not, where it is least.
func (p *fuelPlanner) alike(edges []edge) (all bool, pending int64) {
	if len(edges) == 0 {
		return true, 0
	}
	byPending := func(a, b edge) int { return cmp.Compare(a.pending, b.pending) }
	least, most := slices.MinFunc(edges, byPending).pending, slices.MaxFunc(edges, byPending).pending
	if most-least <= p.rounding {
		return true, most
	}
	return false, least
}

// land lets those pay that have come further than others: before they branch, or at the block's landing.
func (p *fuelPlanner) land(at *fuelBlock, least int64) bool {
	levels := []int64{least}
	for _, e := range at.edges {
		if e.conditional {
			levels = append(levels, e.pending)
		}
	}
	slices.Sort(levels)
	levels = slices.Compact(levels)
	if len(levels) > 1 && (at.op != 0 && at.op != OpBlock || len(levels) > maxLevels) {
		return false
	}
	for _, e := range at.edges {
		switch {
		case !e.conditional:
			p.do(e.pos, pays, e.pending-least)
		case e.pending > least:
			p.do(e.pos, brings, e.pending)
		}
	}
	if len(levels) > 1 {
		p.landings = append(p.landings, landing{at.pos, levels})
	}
	return true
}

func (p *fuelPlanner) owe(edges []edge) {
	for _, e := range edges {
		p.do(e.pos, owes, e.pending)
	}
}

// branches reports whether control may go elsewhere from an instruction, or come from elsewhere behind it.
func branches(op Opcode) bool {
	switch op {
	case OpTryTable, OpLoop, OpIf, OpElse, OpEnd, OpBr, OpBrIf, OpBrTable, OpBrOnNull, OpBrOnNonNull:
		return true
	}
	return mayCall(op)
}
