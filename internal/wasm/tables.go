package wasm

import "math"

// BoundTables gives the module with a bound to what its tables take of the host's memory, which no limit of its own memory covers: they
// grow to no more entries in all than the given number, each by the same share of what their initial entries leave. To the
// module, table.grow fails early, as it always may (4.4.9). Initial entries of more than that are an error. A module whose
// tables are bounded already is given back as it is.
func (m *Module) BoundTables(entries uint32) ([]byte, error) {
	s, ok := m.Section(SectionTable)
	own := m.Tables[m.imported[ExternTable]:]
	if !ok || len(own) == 0 {
		return m.data, nil
	}
	var initial uint64
	for _, t := range own {
		initial += uint64(t.Limits.Min)
	}
	if initial > uint64(entries) {
		return nil, &SyntaxError{Offset: s.Offset, Section: s.ID.String(), Message: "the tables begin with too many entries"}
	}
	share := uint32((uint64(entries) - initial) / uint64(len(own)))
	contents, changed := m.withGrowth(s, share)
	if !changed {
		return m.data, nil
	}
	d := m.draft(func(string) bool { return false })
	d.set(SectionTable, contents)
	return d.encode(), nil
}

// withGrowth gives the table section, with maxima that leave each table at most so many entries to grow by.
func (m *Module) withGrowth(s Section, share uint32) (contents []byte, changed bool) {
	c := m.within(s)
	n := c.u32("number of tables")
	contents = appendU32(nil, n)
	for range n {
		start, limits := c.pos, c
		m.table(&c, nil)
		if limits.data[start] == tableWithInitialiser {
			limits.pos += 2
		}
		limits.refType()
		front := limits.data[start:limits.pos]
		old := limits.limits()
		fresh := old.growing(share)
		changed = changed || fresh != old
		contents = append(fresh.appendTo(append(contents, front...)), limits.data[limits.pos:c.pos]...)
	}
	return contents, changed
}

// growing gives limits that allow for no more growth than that.
func (l Limits) growing(by uint32) Limits {
	most := uint32(min(uint64(l.Min)+uint64(by), math.MaxUint32))
	if !l.HasMax || l.Max > most {
		l.Max, l.HasMax = most, true
	}
	return l
}

// appendTo appends encoded limits that have a maximum.
func (l Limits) appendTo(dst []byte) []byte {
	flags := byte(1)
	if l.Shared {
		flags |= 2
	}
	return appendU32(appendU32(append(dst, flags), l.Min), l.Max)
}
