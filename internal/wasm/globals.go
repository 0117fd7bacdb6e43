package wasm

import "strconv"

// ExportGlobals exports every mutable global that the module defines and does not export yet, so that all of a
// module's state can be saved and restored from outside. Global number n gets the name prefix+n, which must be free.
// The names of the new exports are given in order of their indices. Imported globals belong to whoever provides them.
func ExportGlobals(module []byte, prefix string) (rewritten []byte, names []string, err error) {
	m, err := Parse(module)
	if err != nil {
		return nil, nil, err
	}
	exported := make(map[uint32]bool)
	for _, e := range m.Exports {
		if e.Kind == ExternGlobal {
			exported[e.Index] = true
		}
	}
	var added []byte
	for i := m.imported[ExternGlobal]; i < len(m.Globals); i++ {
		if !m.Globals[i].Mutable || exported[uint32(i)] {
			continue
		}
		name := prefix + strconv.Itoa(i)
		names = append(names, name)
		added = appendU32(append(appendName(added, name), byte(ExternGlobal)), uint32(i))
	}
	if len(names) == 0 {
		return module, nil, nil
	}
	if err := m.nameFree(names); err != nil {
		return nil, nil, err
	}
	s, _ := m.Section(SectionExport)
	d := m.draft(func(string) bool { return false })
	d.set(SectionExport, m.extended(s, len(names), added))
	return d.encode(), names, nil
}

// nameFree checks that nothing is exported under one of these names.
func (m *Module) nameFree(names []string) error {
	taken := make(map[string]bool, len(m.Exports))
	for _, e := range m.Exports {
		taken[e.Name] = true
	}
	for _, name := range names {
		if taken[name] {
			s, _ := m.Section(SectionExport)
			return &SyntaxError{Offset: s.Offset, Section: s.ID.String(), Message: "name " + strconv.Quote(name) + " is taken"}
		}
	}
	return nil
}

// extended gives the contents of a section that is a vector, or of an absent one, with items added at its end.
func (m *Module) extended(s Section, n int, items []byte) []byte {
	c := m.within(s)
	if len(s.Data) > 0 {
		n += int(c.u32("number of items"))
	}
	dst := appendU32(make([]byte, 0, len(s.Data)+len(items)+5), uint32(n))
	dst = append(dst, m.data[c.pos:c.end]...)
	return append(dst, items...)
}
