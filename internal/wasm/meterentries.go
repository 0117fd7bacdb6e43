package wasm

// entries tells where tests have to be besides those of loops: so many that every circle of calls comes by one, and that a
// call which does not come by one executes no more than a limit.
type entries struct {
	*callGraph
	tested []bool  // by node. A function is tested at its entry, a type where it is called, if there was no test before
	total  []int64 // by node: how many instructions a call may execute before it comes by a test
	circle []int32 // by node: which others it can be called by again
}

// entries decides. A way through the graph that comes by no test leads from a function's entry to a call that may come before
// any loop of it, and so on from there: only such calls have to be looked at. A call of an untested function can then run
// through finitely many others, and what the longest way takes is added up from the last of them on.
func (m *Module) entries(limit int64) (*entries, error) {
	g, err := m.callGraph()
	if err != nil {
		return nil, err
	}
	c := newCycles(g.early)
	c.cutAll()
	e := &entries{callGraph: g, tested: c.cut, total: make([]int64, len(g.all)), circle: circles(g.all)}
	bodies := make([]Body, g.functions)
	for f, body := range m.Bodies {
		bodies[f] = body
	}
	var p path
	for _, node := range g.calleesFirst(c.cut) {
		total := int64(0)
		if f := int(node); f < g.functions {
			if total, err = e.longest(bodies[f], &p); err != nil {
				return nil, err
			}
		} else {
			for _, callee := range g.early[node] {
				total = max(total, e.untested(callee))
			}
		}
		e.total[node] = total
		e.tested[node] = e.tested[node] || total > limit && int(node) < g.functions
	}
	return e, nil
}

// calleesFirst orders the nodes so that each comes behind those that it calls early. There are no circles among those that
// are not cut, and those that are cut count for nothing.
func (g *callGraph) calleesFirst(cut []bool) []int32 {
	order := make([]int32, 0, len(g.early))
	seen := make([]bool, len(g.early))
	var way []cycleStep
	for root := range g.early {
		if seen[root] {
			continue
		}
		seen[root] = true
		way = append(way, cycleStep{node: int32(root)})
		for len(way) > 0 {
			top := &way[len(way)-1]
			if top.edge == len(g.early[top.node]) {
				order = append(order, top.node)
				way = way[:len(way)-1]
				continue
			}
			to := g.early[top.node][top.edge]
			top.edge++
			if !seen[to] && !cut[to] {
				seen[to] = true
				way = append(way, cycleStep{node: to})
			}
		}
	}
	return order
}

// longest is how many instructions the longest way through a body has that comes by no test.
func (e *entries) longest(body Body, p *path) (int64, error) {
	p.begin()
	x := body.Expr()
	for x.Next() {
		if e.testedCall(&x) {
			p.test()
		}
		p.step(&x, e.weight(&x))
	}
	return p.longest, x.Err()
}

// testedCall reports whether a call is one through a pointer before which there has to be a test.
func (e *entries) testedCall(x *Expr) bool {
	node, ok := e.callee(x)
	return ok && int(node) >= e.functions && e.tested[node]
}

// weight is how many instructions one may execute, those of whom it calls included, before there is a test. A call moves the values
// that it takes and gives.
func (e *entries) weight(x *Expr) int64 {
	if node, ok := e.callee(x); ok {
		return 1 + int64(e.values[node]) + e.untested(node)
	}
	if x.Op == OpMemoryGrow {
		return weightOfGrowth
	}
	return cost(x.Op)
}

// weightOfGrowth is about what it takes to ask the host for memory.
const weightOfGrowth = 1000

func (e *entries) untested(node int32) int64 {
	if e.tested[node] {
		return 0
	}
	return e.total[node]
}

// recursive reports whether a call in a function may lead to another call of the function.
func (e *entries) recursive(function int, x *Expr) bool {
	node, ok := e.callee(x)
	return ok && e.circle[node] != 0 && e.circle[node] == e.circle[function]
}
