package wasm

import (
	"maps"
	"slices"
)

// callGraph is who calls whom. Its nodes are the functions that are defined, numbered from 0, and behind them the types: a
// call through a pointer goes to a type, and from there to every function of the type whose address is taken.
type callGraph struct {
	functions int
	calls     []map[int32]int64 // by function: how often the text of its body calls a node
	cost      []int64           // by function: instructions of its body
	ofType    [][]int32         // by type
	canonical []int32           // by type: the first one that is equal to it
}

// longEntries decides which functions are to have a test at their entry: so many that every circle of calls comes by one,
// and that a call of one without (and without a loop, which has its own) executes no more than limit instructions.
func (m *Module) longEntries(limit int64) (*entryWalk, error) {
	g, err := m.callGraph()
	if err != nil {
		return nil, err
	}
	nodes := g.functions + len(g.ofType)
	w := &entryWalk{callGraph: g, imported: m.imported[ExternFunc], limit: limit, tested: make([]bool, nodes), state: make([]visit, nodes), total: make([]int64, nodes)}
	for f := range g.functions {
		w.from(int32(f))
	}
	return w, nil
}

func (m *Module) callGraph() (*callGraph, error) {
	n := len(m.Functions)
	g := &callGraph{functions: n, calls: make([]map[int32]int64, n), cost: make([]int64, n), ofType: make([][]int32, len(m.Types))}
	taken := make([]bool, n)
	take := func(r reference) {
		if at := int64(r.index) - int64(m.imported[ExternFunc]); at >= 0 && at < int64(n) {
			taken[at] = true
		}
	}
	for _, s := range m.Sections {
		if s.ID == SectionTable || s.ID == SectionGlobal || s.ID == SectionElement {
			if err := m.references(s, take); err != nil {
				return nil, err
			}
		}
	}
	g.canonical = m.canonicalTypes()
	for f, body := range m.Bodies {
		g.calls[f] = map[int32]int64{}
		if err := m.countCalls(g, f, body, take); err != nil {
			return nil, err
		}
	}
	for f, isTaken := range taken {
		if isTaken {
			t := g.canonical[m.Functions[f]]
			g.ofType[t] = append(g.ofType[t], int32(f))
		}
	}
	return g, nil
}

func (m *Module) countCalls(g *callGraph, f int, body Body, take func(reference)) error {
	x := body.Expr()
	for x.Next() {
		g.cost[f] += cost(x.Op)
		switch x.Op {
		case OpCall, OpReturnCall:
			if at := int64(x.Index) - int64(m.imported[ExternFunc]); at >= 0 && at < int64(g.functions) {
				g.calls[f][int32(at)]++
			}
		case OpCallIndirect, OpReturnCallIndirect, OpCallRef, OpReturnCallRef:
			if int64(x.Index) >= int64(len(g.canonical)) { // a call that goes nowhere yet, and anywhere once there are more types
				return &SyntaxError{Offset: x.Pos, Section: SectionCode.String(), Message: "there is no such type"}
			}
			g.calls[f][int32(g.functions)+g.canonical[x.Index]]++
		case OpRefFunc:
			take(reference{x.Imm, x.End, x.Index})
		}
	}
	return x.Err()
}

// canonicalTypes gives, for each type, the first one that may be equal to it. One reference counts as good as another: a
// type of references can be written down in several ways.
func (m *Module) canonicalTypes() []int32 {
	first := map[string]int32{}
	canonical := make([]int32, len(m.Types))
	for i, t := range m.Types {
		key := t.Params.shape() + "|" + t.Results.shape()
		if _, known := first[key]; !known {
			first[key] = int32(i)
		}
		canonical[i] = first[key]
	}
	return canonical
}

// shape gives the types a byte each, all references the same one.
func (ts ValueTypes) shape() string {
	shape := make([]byte, 0, ts.Len)
	for t := range ts.All {
		if t < TypeV128 {
			t = TypeFuncref
		}
		shape = append(shape, byte(t))
	}
	return string(shape)
}

// visit is how far a walk through the graph has come with a node.
type visit byte

const (
	unseen visit = iota
	within
	done
)

// entryWalk walks the call graph depth first. A call to a node that is being walked closes a circle; every circle has one.
type entryWalk struct {
	*callGraph
	imported int
	limit    int64
	tested   []bool
	state    []visit
	total    []int64 // instructions without a test that a call may execute
	path     []step
}

// weight is how many instructions one may execute, those of whom it calls included, before there is a test.
func (w *entryWalk) weight(x *Expr) int64 {
	switch x.Op {
	case OpCall, OpReturnCall:
		if at := int64(x.Index) - int64(w.imported); at >= 0 && at < int64(w.functions) {
			return 1 + w.untested(int32(at))
		}
	case OpCallIndirect, OpReturnCallIndirect, OpCallRef, OpReturnCallRef:
		return 1 + w.untested(int32(w.functions)+w.canonical[x.Index])
	}
	return cost(x.Op)
}

type step struct {
	node    int32
	callees []int32
}

func (w *entryWalk) from(node int32) {
	if w.state[node] != unseen {
		return
	}
	w.enter(node)
	for len(w.path) > 0 {
		top := &w.path[len(w.path)-1]
		if len(top.callees) == 0 {
			w.leave(top.node)
			w.path = w.path[:len(w.path)-1]
			continue
		}
		next := top.callees[0]
		top.callees = top.callees[1:]
		switch {
		case w.state[next] == unseen:
			w.enter(next)
		case w.state[next] == within && int(next) < w.functions:
			w.tested[next] = true
		case w.state[next] == within: // a type has no entry, but who calls it has
			w.tested[top.node] = true
		}
	}
}

func (w *entryWalk) enter(node int32) {
	w.state[node] = within
	if t := int(node) - w.functions; t >= 0 {
		w.path = append(w.path, step{node, w.ofType[t]})
		return
	}
	// A map has no order, and the result must.
	w.path = append(w.path, step{node, slices.Sorted(maps.Keys(w.calls[node]))})
}

// leave adds up what a call may execute. What is more than the limit is tested, so numbers stay small.
func (w *entryWalk) leave(node int32) {
	total := int64(0)
	if t := int(node) - w.functions; t >= 0 {
		for _, callee := range w.ofType[t] {
			total = max(total, w.untested(callee))
		}
	} else {
		total = w.cost[node]
		for callee, times := range w.calls[node] {
			total += times * w.untested(callee)
		}
		w.tested[node] = w.tested[node] || total > w.limit
	}
	w.total[node] = total
	w.state[node] = done
}

func (w *entryWalk) untested(node int32) int64 {
	if w.tested[node] {
		return 0
	}
	return w.total[node]
}
