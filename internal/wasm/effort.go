package wasm

import (
	"fmt"
	"time"
)

// What it takes the engine to compile a function grows with its size, with the square of its branches, and with their number
// times that of its locals, since values of locals are followed across all places where ways meet. Ten thousand branches may
// be a few kilobytes. The weights are those of wazero 1.12 on the machine of docs/performance.md, and a little more. CPython
// takes 13 seconds of a processor's time.
const (
	effortByte     = 2 * time.Microsecond
	effortFunction = 10 * time.Microsecond
	effortBranches = 30 * time.Nanosecond // for each pair of branches
	effortLocals   = 2 * time.Microsecond // for each branch and each local
)

// Bounds of what it may take to compile: a function, which nothing can stop, and a module.
const (
	maxFunctionEffort = 15 * time.Second
	maxModuleEffort   = 5 * time.Minute
)

// CheckEffort refuses modules that the engine would compile for long, in time that grows with the module's size.
func (m *Module) CheckEffort() error {
	all := time.Duration(0)
	for f, body := range m.Bodies {
		branches, locals, err := m.shapeOf(f, body)
		if err != nil {
			return err
		}
		effort := effortOf(body.End-body.Entry, branches, locals)
		if effort > maxFunctionEffort {
			return tooMuch(body, fmt.Sprintf("function %d has %d branches and %d locals", body.Index, branches, locals))
		}
		if all += effort; all > maxModuleEffort {
			return tooMuch(body, fmt.Sprintf("the module has %d functions in %d bytes", len(m.Functions), len(m.data)))
		}
	}
	return nil
}

func tooMuch(at Body, what string) error {
	return &SyntaxError{Offset: at.Entry, Section: SectionCode.String(), Message: what + ": compiling it would take too long"}
}

func effortOf(size int, branches, locals int64) time.Duration {
	const most = 1 << 20 // beyond any bound
	b, l := time.Duration(min(branches, most)), time.Duration(min(locals, most))
	return effortFunction + time.Duration(size)*effortByte + min(b*b, 1<<30)*effortBranches + min(b*l, 1<<30)*effortLocals
}

// shapeOf counts what makes a function hard to compile: blocks and branches, and locals with parameters.
func (m *Module) shapeOf(f int, body Body) (branches, locals int64, err error) {
	c := cursor{data: m.data, pos: body.Locals, end: body.Code}
	locals = int64(m.Types[m.Functions[f]].Params.Len)
	for range c.u32("number of groups of locals") {
		locals += int64(c.u32("number of locals"))
		c.valueType()
	}
	if c.err != nil {
		return 0, 0, c.err
	}
	x := body.Expr()
	for x.Next() {
		switch x.Op {
		case OpIf, OpLoop, OpTryTable, OpBrIf, OpBrOnNull, OpBrOnNonNull:
			branches++
		case OpBrTable:
			branches += int64(x.Index)/4 + 1
		}
	}
	return branches, locals, x.Err()
}
