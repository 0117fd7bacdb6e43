package wasm

import (
	"fmt"
	"time"
)

// What it takes the engine to compile a function grows with its size, with the square of its branches, and with their number
// times that of its locals, since values of locals are followed across all places where ways meet. Values that branches carry, and
// calls take and give, are moved one by one, those of branches past each other. Ten thousand branches, or five hundred with a
// thousand values, may be a few kilobytes. The weights are those of wazero 1.12 on the machine of docs/performance.md, and a little more. CPython
// takes 13 seconds of a processor's time.
const (
	effortByte     = 2 * time.Microsecond
	effortFunction = 10 * time.Microsecond
	effortBranches = 30 * time.Nanosecond // for each pair of branches
	effortLocals   = 2 * time.Microsecond // for each branch and each local
	effortMoved    = 2 * time.Microsecond // for each value
	effortCrossed  = 8 * time.Nanosecond  // for each pair of values of a branch
)

// Bounds of what it may take to compile: a function, which nothing can stop, and a module.
const (
	maxFunctionEffort = 15 * time.Second
	maxModuleEffort   = 5 * time.Minute
)

// maxLoops is how many loops a function may have. The time that the engine takes to compile one grows with the square of
// their number: 20,000 take minutes. CPython's largest function has 117.
const maxLoops = 2000

// CheckEffort refuses modules that the engine would compile for long, in time that grows with the module's size.
func (m *Module) CheckEffort() error {
	all, moved := time.Duration(0), m.movedByCalls()
	for f, body := range m.Bodies {
		s := hardness{m: m, moved: moved}
		if err := s.look(f, body); err != nil {
			return err
		}
		effort := effortOf(body.End-body.Entry, s.branches, s.locals) + s.effortOfValues()
		if effort > maxFunctionEffort {
			return tooMuch(body, fmt.Sprintf("function %d has %d branches, %d locals and moves %d values", body.Index, s.branches, s.locals, s.values))
		}
		if all += effort; all > maxModuleEffort {
			return tooMuch(body, fmt.Sprintf("the module has %d functions in %d bytes", len(m.Functions), len(m.data)))
		}
	}
	return nil
}

// movedByCalls is how many values a call of each function takes and gives.
func (m *Module) movedByCalls() (moved []int64) {
	for _, i := range m.Imports {
		if i.Kind == ExternFunc {
			moved = append(moved, m.Types[i.Type].values())
		}
	}
	for _, t := range m.Functions {
		moved = append(moved, m.Types[t].values())
	}
	return moved
}

func (t FuncType) values() int64 { return int64(t.Params.Len + t.Results.Len) }

func tooMuch(at Body, what string) error {
	return &SyntaxError{Offset: at.Entry, Section: SectionCode.String(), Message: what + ": compiling it would take too long"}
}

func effortOf(size int, branches, locals int64) time.Duration {
	const most = 1 << 20 // beyond any bound
	b, l := time.Duration(min(branches, most)), time.Duration(min(locals, most))
	return effortFunction + time.Duration(size)*effortByte + min(b*b, 1<<30)*effortBranches + min(b*l, 1<<30)*effortLocals
}

// hardness is what makes a function hard to compile.
type hardness struct {
	m     *Module
	moved []int64 // by calls of functions

	branches, locals int64 // blocks and branches; locals with parameters
	values, crossed  int64 // that branches and calls move; squares of those that each branch does
	labels           []int64
}

// look counts.
func (s *hardness) look(f int, body Body) error {
	m := s.m
	c := cursor{data: m.data, pos: body.Locals, end: body.Code}
	s.locals = int64(m.Types[m.Functions[f]].Params.Len)
	for range c.u32("number of groups of locals") {
		s.locals += int64(c.u32("number of locals"))
		c.valueType()
	}
	if c.err != nil {
		return c.err
	}
	s.labels = append(s.labels, int64(m.Types[m.Functions[f]].Results.Len))
	x, loops := body.Expr(), 0
	for x.Next() {
		switch x.Op {
		case OpLoop:
			if loops++; loops > maxLoops {
				return tooMuch(body, fmt.Sprintf("function %d has more than %d loops", body.Index, maxLoops))
			}
			s.branches++
		case OpIf, OpTryTable, OpBrIf, OpBrOnNull, OpBrOnNonNull:
			s.branches++
		case OpBrTable:
			s.branches += int64(x.Index)/4 + 1
		}
		s.lookAtValues(&x)
	}
	return x.Err()
}

func (s *hardness) lookAtValues(x *Expr) {
	switch x.Op {
	case OpBlock, OpIf, OpTryTable, OpLoop:
		params, results := s.blockType(x)
		if x.Op == OpLoop {
			params, results = results, params
		}
		s.labels = append(s.labels, results)
		s.cross(params)
	case OpEnd:
		last := len(s.labels) - 1
		s.cross(s.labels[last])
		s.labels = s.labels[:last]
	case OpBr, OpBrIf, OpBrOnNull, OpBrOnNonNull:
		s.branch(x.Index)
	case OpBrTable:
		for label := range x.Labels {
			s.branch(label)
		}
	case OpCall, OpReturnCall:
		if int64(x.Index) < int64(len(s.moved)) {
			s.values += s.moved[x.Index]
		}
	case OpCallIndirect, OpReturnCallIndirect, OpCallRef, OpReturnCallRef:
		if int64(x.Index) < int64(len(s.m.Types)) {
			s.values += s.m.Types[x.Index].values()
		}
	}
}

func (s *hardness) branch(label uint32) {
	if at := len(s.labels) - 1 - int(label); at >= 0 {
		s.cross(s.labels[at])
	}
}

// cross counts values that are moved together.
func (s *hardness) cross(values int64) {
	s.values += values
	s.crossed += values * values
}

// blockType is how many values the current block takes and gives.
func (s *hardness) blockType(x *Expr) (params, results int64) {
	c := cursor{data: s.m.data, pos: x.Imm, end: x.End}
	first := c.data[c.pos]
	if first == blockEmpty {
		return 0, 0
	}
	if first&0xc0 == 0x40 { // a negative number: a value type
		return 0, 1
	}
	t := c.signed(33, "block type")
	switch {
	case t < 0:
		return 0, 1
	case t >= int64(len(s.m.Types)):
		return 0, 0
	}
	return int64(s.m.Types[t].Params.Len), int64(s.m.Types[t].Results.Len)
}

func (s *hardness) effortOfValues() time.Duration {
	const most = 1 << 40 // beyond any bound
	return time.Duration(min(s.values, most/1000))*effortMoved + time.Duration(min(s.crossed, most))*effortCrossed
}
