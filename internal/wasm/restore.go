package wasm

import "fmt"

// GlobalPrefix is what the names begin with that [Restorable] exports globals under.
const GlobalPrefix = "boxer.global."

// Restorable gives the module as it is to be instantiated for a memory that is already initialised: without a start
// function and without data to copy into memory, and with every mutable global of its own exported, see [ExportGlobals].
// globals are the names of all of those, in the order of their indices.
//
// Data segments that are copied into memory at instantiation are treated as in [Skeleton].
func Restorable(module []byte) (rewritten []byte, globals []string, err error) {
	rewritten, _, err = ExportGlobals(module, GlobalPrefix)
	if err != nil {
		return nil, nil, err
	}
	m, err := Parse(rewritten)
	if err != nil {
		return nil, nil, err
	}
	d := m.draft(func(string) bool { return false })
	d.remove(SectionStart)
	m.emptyData(d)
	return d.encode(), m.mutableGlobals(), nil
}

// mutableGlobals gives a name under which each mutable global that the module defines is exported, for those that are.
func (m *Module) mutableGlobals() []string {
	names := make(map[uint32]string)
	for _, e := range m.Exports {
		if e.Kind == ExternGlobal && names[e.Index] == "" {
			names[e.Index] = e.Name
		}
	}
	var globals []string
	for i := m.imported[ExternGlobal]; i < len(m.Globals); i++ {
		if name := names[uint32(i)]; m.Globals[i].Mutable && name != "" {
			globals = append(globals, name)
		}
	}
	return globals
}

// CheckCapturable says why memory and numeric globals are not all of the module's state, if they are not: a table that
// code writes to, a segment that it drops, a global that holds a reference or a vector.
func (m *Module) CheckCapturable() error {
	for i := m.imported[ExternGlobal]; i < len(m.Globals); i++ {
		if t := m.Globals[i].Type; m.Globals[i].Mutable && t < TypeF64 {
			return fmt.Errorf("its global %d, of type %v, can change and cannot be saved", i, t)
		}
	}
	if m.imported[ExternTable]+m.imported[ExternMemory]+m.imported[ExternGlobal] > 0 {
		return fmt.Errorf("it imports a table, a memory or a global")
	}
	for i, body := range m.Bodies {
		x := body.Expr()
		for x.Next() {
			switch x.Op {
			case OpTableSet, OpTableInit, OpTableCopy, OpTableGrow, OpTableFill, OpElemDrop, OpDataDrop:
				return fmt.Errorf("its function %d changes tables or drops segments (%v)", m.imported[ExternFunc]+i, x.Op)
			}
		}
		if x.Err() != nil {
			return x.Err()
		}
	}
	return nil
}
