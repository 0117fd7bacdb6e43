package wasm

import (
	"errors"
	"fmt"
)

// library is what is linked to programs.
type library struct {
	*Module
	exports map[string]uint32
	calls   [][]uint32 // functions that each defined function calls
	data    []byte     // with zeros where there are none in the module
	globals map[uint32]int
}

// parseLibrary reads a library and makes sure that it is what [Linking] says.
func parseLibrary(module []byte) (*library, error) {
	m, err := Parse(module)
	if err != nil {
		return nil, err
	}
	l := &library{Module: m, exports: map[string]uint32{}, globals: map[uint32]int{}}
	if m.Start.Present || len(m.Globals) != m.imported[ExternGlobal] || m.byID[SectionElement] != 0 {
		return nil, errors.New("it has a start function, globals or elements: it holds addresses, which would not move with it")
	}
	for _, e := range m.Exports {
		if e.Kind == ExternFunc {
			l.exports[e.Name] = e.Index
		}
	}
	if err := l.readImports(); err != nil {
		return nil, err
	}
	if err := l.readData(); err != nil {
		return nil, err
	}
	for _, body := range m.Bodies {
		var called []uint32
		x := body.Expr()
		for x.Next() {
			if err := portable(&x); err != nil {
				return nil, err
			}
			if x.Op == OpCall || x.Op == OpReturnCall {
				called = append(called, x.Index)
			}
		}
		if x.Err() != nil {
			return nil, x.Err()
		}
		l.calls = append(l.calls, called)
	}
	return l, nil
}

// portable refuses instructions that name what is not renumbered.
func portable(x *Expr) error {
	switch x.Op {
	case OpCallIndirect, OpReturnCallIndirect, OpCallRef, OpReturnCallRef, OpRefFunc, OpMemoryInit, OpDataDrop, OpTryTable:
		return fmt.Errorf("at %d there is %v, which is not known how to link", x.Pos, x.Op)
	case OpBlock, OpLoop, OpIf:
		if b := x.Bytes(); b[1]&0xc0 != 0x40 {
			return fmt.Errorf("at %d there is a block of a type with a number", x.Pos)
		}
	}
	return nil
}

func (l *library) readImports() error {
	global := uint32(0)
	for _, imp := range l.Imports {
		switch imp.Kind {
		case ExternGlobal:
			switch imp.Name {
			case "__memory_base":
				l.globals[global] = registerBase
			case "__stack_pointer":
				l.globals[global] = registerStack
			case "__table_base":
			default:
				return fmt.Errorf("it imports the global %s.%s", imp.Module, imp.Name)
			}
			global++
		case ExternFunc:
			if imp.Module == envModule {
				return fmt.Errorf("%s is not defined", imp.Name)
			}
		}
	}
	return nil
}

func (l *library) functionImports() (imports []Import) {
	for _, imp := range l.Imports {
		if imp.Kind == ExternFunc {
			imports = append(imports, imp)
		}
	}
	return imports
}

// readData reads the one segment that -shared makes.
func (l *library) readData() error {
	if l.Data != 1 {
		return fmt.Errorf("it has %d data segments, not 1", l.Data)
	}
	s, _ := l.Section(SectionData)
	segments, err := l.segments(s)
	if err == nil {
		l.data = segments[0].contents
	}
	return err
}

// treeAt is where the tree lies, relative to the region.
func (l *library) treeAt() uint32 { return (libraryStack + uint32(len(l.data)) + 15) &^ 15 }

// dataSegment is a data segment as the program has it.
type dataSegment struct {
	passive  bool
	offset   []byte // the expression, with its end
	contents []byte
}

func (m *Module) segments(s Section) ([]dataSegment, error) {
	c := m.within(s)
	segments := make([]dataSegment, c.u32("number of data segments"))
	for i := range segments {
		flags := c.u32("flags")
		if flags == 2 {
			c.u32("memory")
		}
		segments[i].passive = flags == 1
		start := c.pos
		if flags != 1 {
			m.constExpr(&c, nil)
		}
		segments[i].offset = m.data[start:c.pos]
		segments[i].contents = c.take(c.count(1, "size"), "data segment")
	}
	return segments, c.err
}
