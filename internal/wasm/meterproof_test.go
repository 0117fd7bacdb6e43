package wasm

import (
	"fmt"
	"slices"
	"testing"
)

// Whether there is a way to run on without a test is asked here of what has been rewritten, by following every branch and
// every call of it. Nothing of how tests are placed is used, but what they look like.

// proof follows the ways through a metered module.
type proof struct {
	m       *Module
	counter uint32
	refill  uint32
	calls   [][]int // by function, and behind them by type: what may be called before there is a test
}

// untestedCircle gives an error that names a circle of instructions, or of functions, without a test.
func untestedCircle(metered []byte) error {
	m, err := Parse(metered)
	if err != nil {
		return err
	}
	p := &proof{m: m}
	for _, e := range m.Exports {
		if e.Name == CounterExport {
			p.counter = e.Index
		}
	}
	functions := uint32(0)
	for _, imp := range m.Imports {
		if imp.Module == MeterModule {
			p.refill = functions
		}
		if imp.Kind == ExternFunc {
			functions++
		}
	}
	p.calls = make([][]int, len(m.Functions)+len(m.Types))
	for f, body := range m.Bodies {
		if err := p.follow(f, body); err != nil {
			return fmt.Errorf("function %d: %w", f, err)
		}
	}
	p.pointers()
	if node, ok := circleIn(len(p.calls), func(n int) []int { return p.calls[n] }); ok {
		return fmt.Errorf("calls from %d to itself", node)
	}
	return nil
}

// pointers lets types call the functions that a call by the type may come to.
func (p *proof) pointers() {
	taken := map[uint32]bool{}
	take := func(r reference) { taken[r.index] = true }
	for _, s := range p.m.Sections {
		if s.ID == SectionElement || s.ID == SectionGlobal || s.ID == SectionTable {
			_ = p.m.references(s, take)
		}
	}
	for _, body := range p.m.Bodies {
		for x := body.Expr(); x.Next(); {
			if x.Op == OpRefFunc {
				taken[x.Index] = true
			}
		}
	}
	for t, typ := range p.m.Types {
		for f, of := range p.m.Functions {
			other := p.m.Types[of]
			same := other.Params.shape() == typ.Params.shape() && other.Results.shape() == typ.Results.shape()
			if taken[uint32(f+p.m.imported[ExternFunc])] && same {
				p.calls[len(p.m.Functions)+t] = append(p.calls[len(p.m.Functions)+t], f)
			}
		}
	}
}

// flow is a body as a graph: its instructions, and where each may go on.
type flow struct {
	code []Instruction
	next [][]int
	test []bool
}

func (p *proof) follow(f int, body Body) error {
	g := p.flowOf(body)
	if at, ok := circleIn(len(g.code), func(n int) []int {
		if g.test[n] {
			return nil
		}
		return g.next[n]
	}); ok {
		return fmt.Errorf("a circle of instructions at %#x", g.code[at].Pos)
	}
	seen := make([]bool, len(g.code))
	seen[0] = true
	for todo := []int{0}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if g.test[at] {
			continue
		}
		p.call(f, g.code[at])
		for _, next := range g.next[at] {
			if next < len(seen) && !seen[next] {
				seen[next] = true
				todo = append(todo, next)
			}
		}
	}
	return nil
}

func (p *proof) call(f int, x Instruction) {
	switch x.Op {
	case OpCall, OpReturnCall:
		if callee := int(x.Index) - p.m.imported[ExternFunc]; callee >= 0 {
			p.calls[f] = append(p.calls[f], callee)
		}
	case OpCallIndirect, OpReturnCallIndirect, OpCallRef, OpReturnCallRef:
		p.calls[f] = append(p.calls[f], len(p.m.Functions)+int(x.Index))
	}
}

// flowOf reads a body. Ways that end lead to len(code), which is nowhere.
func (p *proof) flowOf(body Body) *flow {
	g := &flow{}
	var labels [][]uint32 // by instruction: where it may branch, the innermost block being 0
	for x := body.Expr(); x.Next(); {
		g.code = append(g.code, x.Instruction)
		var to []uint32
		switch x.Op {
		case OpBr, OpBrIf, OpBrOnNull, OpBrOnNonNull:
			to = []uint32{x.Index}
		case OpBrTable:
			to = slices.Collect(x.Labels)
		case OpTryTable:
			c := cursor{data: p.m.data, pos: x.Imm, end: x.End}
			c.blockType()
			for range c.u32("clauses") {
				if c.byte("kind") < 2 {
					c.u32("tag")
				}
				to = append(to, c.u32("label"))
			}
		}
		labels = append(labels, to)
	}
	end, other := blockEnds(g.code)
	g.next, g.test = make([][]int, len(g.code)), make([]bool, len(g.code))
	var open []int                                // instructions that opened the blocks around
	label := func(around int, depth uint32) int { // counted from within so many blocks
		at := around - 1 - int(depth)
		switch {
		case at < 0:
			return len(g.code)
		case g.code[open[at]].Op == OpLoop:
			return open[at]
		}
		return end[open[at]]
	}
	for i, x := range g.code {
		next := []int{i + 1}
		for _, l := range labels[i] {
			if x.Op != OpTryTable {
				next = append(next, label(len(open), l))
			}
		}
		switch x.Op {
		case OpBr, OpBrTable:
			next = next[1:]
		case OpReturn, OpUnreachable, OpThrow, OpThrowRef, OpReturnCall, OpReturnCallIndirect, OpReturnCallRef:
			next = nil
		case OpIf:
			next = append(next, other[i]+1)
		case OpElse:
			next = []int{end[open[len(open)-1]]}
		case OpEnd:
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		}
		for around, block := range open { // an exception may be caught by any of them
			if g.code[block].Op == OpTryTable {
				for _, l := range labels[block] {
					next = append(next, label(around, l))
				}
			}
		}
		g.next[i] = next
		switch x.Op {
		case OpBlock, OpLoop, OpIf, OpTryTable:
			open = append(open, i)
		}
	}
	copies := p.copies(g)
	for i := range g.code {
		g.test[i] = p.isTest(g, copies, i) || g.code[i].Op == OpCall && g.code[i].Index == p.refill
	}
	return g
}

// blockEnds gives for what opens a block where it ends, and for an if where its other arm begins, or it ends.
func blockEnds(code []Instruction) (end, other map[int]int) {
	end, other = map[int]int{}, map[int]int{}
	var open []int
	for i, x := range code {
		switch x.Op {
		case OpBlock, OpLoop, OpIf, OpTryTable:
			open = append(open, i)
		case OpElse:
			other[open[len(open)-1]] = i
		case OpEnd:
			if len(open) == 0 {
				continue
			}
			top := open[len(open)-1]
			open = open[:len(open)-1]
			end[top] = i
			if _, ok := other[top]; !ok {
				other[top] = i - 1 // its end is what follows
			}
		}
	}
	return end, other
}

// isTest reports whether an instruction that is not the call of the host itself is the branch of a test: the counter has been held against 0 just before it, and
// where it is taken the host is called.
func (p *proof) isTest(g *flow, copies map[uint32]bool, i int) bool {
	if i < 3 || g.code[i].Op != OpBrIf && g.code[i].Op != OpIf {
		return false
	}
	get, zero, less := g.code[i-3], g.code[i-2], g.code[i-1]
	data := p.m.data
	if data[zero.Imm] != 0 || zero.End != zero.Imm+1 {
		return false
	}
	isI32 := zero.Op == OpI32Const && less.Op == Opcode(opI32LtS)
	isI64 := zero.Op == OpI64Const && less.Op == Opcode(opI64LtS)
	if get.Op == OpLocalTee && i > 3 { // what has been read is kept
		get = g.code[i-4]
	}
	if !isI32 && !isI64 || get.Op != OpLocalGet && (get.Op != OpGlobalGet || get.Index != p.counter) {
		return false
	}
	if get.Op == OpLocalGet && !copies[get.Index] {
		return false
	}
	at := g.next[i][0] // of an if; br_if goes where its label is
	if g.code[i].Op == OpBrIf {
		at = g.next[i][1]
	}
	for range 4 { // end, get, call
		if at >= len(g.code) {
			return false
		}
		if g.code[at].Op == OpCall {
			return g.code[at].Index == p.refill
		}
		at++
	}
	return false
}

// copies are the locals that have what the counter has: ours, since what was there before cannot name the counter.
func (p *proof) copies(g *flow) map[uint32]bool {
	copies := map[uint32]bool{}
	for i := 1; i < len(g.code); i++ {
		from, to := g.code[i-1], g.code[i]
		switch {
		case from.Op == OpGlobalGet && from.Index == p.counter && to.Op == OpLocalSet:
			copies[to.Index] = true
		case from.Op == OpLocalTee && to.Op == OpGlobalSet && to.Index == p.counter:
			copies[from.Index] = true
		}
	}
	return copies
}

// circleIn gives a node from which a way leads back to it.
func circleIn(n int, next func(int) []int) (int, bool) {
	const within, done = 1, 2
	state := make([]byte, n)
	type step struct {
		node int
		to   []int
	}
	for root := range n {
		if state[root] != 0 {
			continue
		}
		state[root] = within
		for way := []step{{root, next(root)}}; len(way) > 0; {
			top := &way[len(way)-1]
			if len(top.to) == 0 {
				state[top.node] = done
				way = way[:len(way)-1]
				continue
			}
			to := top.to[0]
			top.to = top.to[1:]
			switch {
			case to >= n:
			case state[to] == within:
				return to, true
			case state[to] == 0:
				state[to] = within
				way = append(way, step{to, next(to)})
			}
		}
	}
	return 0, false
}

// No module goes round without a test, and one that does is found out.
func TestMeteredCirclesAreTested(t *testing.T) {
	engine := newEngine(t)
	for _, meter := range []Meter{Ticks, Fuel} {
		modules := map[string][]byte{"the guest": guestModule(t)}
		for name, bodies := range endless {
			modules[name] = program(name, bodies)
		}
		eachSpecModule(t, func(name string, module []byte) {
			if accepts(module) == nil {
				modules[name] = module
			}
		})
		for name, module := range modules {
			metered, err := Metered(module, meter)
			if err != nil {
				continue // TestSpecModules knows which may be refused
			}
			if compiles(engine, metered) != nil {
				continue
			}
			if err := untestedCircle(metered); err != nil {
				t.Errorf("%s, meter %d: %v", name, meter, err)
			}
		}
	}
}

func TestProofFindsCircles(t *testing.T) {
	for name, bodies := range endless {
		if name == "tree of calls" { // long, but no circle
			continue
		}
		if untestedCircle(program(name, bodies)) == nil {
			t.Errorf("%s goes round, and is not found", name)
		}
	}
}
