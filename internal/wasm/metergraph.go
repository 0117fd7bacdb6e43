package wasm

import "slices"

// callGraph is who calls whom. Its nodes are the functions that are defined, numbered from 0, and behind them the types: a
// call through a pointer goes to a type, and from there to every function of the type whose address is taken.
type callGraph struct {
	functions int
	imported  int
	early     [][]int32 // by node: those that it may call before it has come by a loop
	all       [][]int32 // by node: those that it may call
	canonical []int32   // by type: the first one that is equal to it
	values    []int32   // by node: how many it takes and gives
}

func (m *Module) callGraph() (*callGraph, error) {
	n := len(m.Functions)
	nodes := n + len(m.Types)
	g := &callGraph{
		functions: n, imported: m.imported[ExternFunc], early: make([][]int32, nodes), all: make([][]int32, nodes), canonical: m.canonicalTypes(),
		values: make([]int32, nodes),
	}
	for t, typ := range m.Types {
		g.values[n+t] = int32(typ.Params.Len + typ.Results.Len)
	}
	for f, t := range m.Functions {
		g.values[f] = g.values[n+int(t)]
	}
	taken := make([]bool, n)
	take := func(r reference) {
		if at := int64(r.index) - int64(g.imported); at >= 0 && at < int64(n) {
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
	var p path
	for f, body := range m.Bodies {
		if err := g.addCalls(f, body, &p, take); err != nil {
			return nil, err
		}
	}
	for f, isTaken := range taken {
		if isTaken {
			t := n + int(g.canonical[m.Functions[f]])
			g.early[t] = append(g.early[t], int32(f))
		}
	}
	for t := n; t < nodes; t++ {
		g.all[t] = g.early[t]
	}
	return g, nil
}

func (g *callGraph) addCalls(f int, body Body, p *path, take func(reference)) error {
	var early, all []int32
	p.begin()
	x := body.Expr()
	for x.Next() {
		if x.Op == OpRefFunc {
			take(reference{x.Imm, x.End, x.Index})
		}
		node, ok := g.callee(&x)
		switch {
		case ok && int(node) >= len(g.all): // it goes nowhere yet, and anywhere once there are more types
			return &SyntaxError{Offset: x.Pos, Section: SectionCode.String(), Message: "there is no such type"}
		case ok && p.fresh():
			early, all = append(early, node), append(all, node)
		case ok:
			all = append(all, node)
		}
		p.step(&x, 1)
	}
	g.early[f], g.all[f] = distinct(early), distinct(all)
	return x.Err()
}

func distinct(nodes []int32) []int32 {
	slices.Sort(nodes)
	return slices.Clone(slices.Compact(nodes))
}

// callee gives the node that an instruction calls. There is no node for what is imported, and none that is in the graph for
// a type that the module has not.
func (g *callGraph) callee(x *Expr) (int32, bool) {
	switch x.Op {
	case OpCall, OpReturnCall:
		at := int64(x.Index) - int64(g.imported)
		return int32(at), at >= 0 && at < int64(g.functions)
	case OpCallIndirect, OpReturnCallIndirect, OpCallRef, OpReturnCallRef:
		if int64(x.Index) >= int64(len(g.canonical)) {
			return int32(len(g.all)), true
		}
		return int32(g.functions) + g.canonical[x.Index], true
	}
	return 0, false
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
