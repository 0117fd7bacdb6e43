package wasm

// Skeleton gives a module with the same types, imports, functions, tables, memories, tags, globals, exports and
// elements, whose bodies do nothing but trap. Machine code that an engine compiled from the real module fits it, and
// an engine that validates a module each time it is loaded has little left to do. The start function is left out, as
// are custom sections: a skeleton is instantiated for a memory that is already initialised, and never by itself.
//
// Data segments that are copied into memory at instantiation are removed. The code may yet name segments by number
// (memory.init, data.drop), and an engine's machine code believes that they exist. So if the module has a data count,
// which those instructions require (3.4.11), every segment stays: passive ones with their contents, active ones as
// empty passive ones, which is what they are once they have been copied (4.5.4).
func Skeleton(module []byte) ([]byte, error) {
	m, err := Parse(module)
	if err != nil {
		return nil, err
	}
	d := m.draft(func(string) bool { return true })
	d.remove(SectionStart)
	if len(m.Functions) > 0 {
		d.set(SectionCode, m.traps())
	}
	m.emptyData(d)
	return d.encode(), nil
}

// emptyData takes out of d what is copied into memory at instantiation.
func (m *Module) emptyData(d *draft) {
	if !m.DataCount.Present {
		d.remove(SectionData)
	} else if s, ok := m.Section(SectionData); ok {
		d.set(SectionData, m.passiveOnly(s))
	}
}

// traps gives the contents of a code section in which every body is `unreachable`.
func (m *Module) traps() []byte {
	body := []byte{3, 0, byte(OpUnreachable), byte(OpEnd)} // size, no locals
	code := appendU32(make([]byte, 0, 5+len(body)*len(m.Functions)), uint32(len(m.Functions)))
	for range m.Functions {
		code = append(code, body...)
	}
	return code
}

// passiveOnly gives the contents of the data section with active segments emptied.
func (m *Module) passiveOnly(s Section) []byte {
	c := m.within(s)
	dst := appendU32(nil, c.u32("number of data segments"))
	for range m.Data {
		start := c.pos
		if m.segment(&c) {
			dst = append(dst, m.data[start:c.pos]...)
		} else {
			dst = append(dst, 1, 0)
		}
	}
	return dst
}
