package wasm

import (
	"cmp"
	"slices"
	"strings"
)

// nameSection is the name of the section that names things for people (7.4.1).
const nameSection = "name"

// Subsections of the name section.
const (
	namesModule    = 0
	namesFunctions = 1
	namesLocals    = 2 // of each function
	namesLabels    = 3 // of each function (extended name section)
)

// subsection reads the header of a part of the name section, and gives a cursor over its contents.
func (c *cursor) subsection() (id byte, in cursor) {
	id = c.byte("kind of names")
	size := c.count(1, "size of names")
	in = *c
	in.end = c.pos + size
	if c.err == nil {
		c.pos = in.end
	}
	return id, in
}

// checkNames holds the counts of the name section against its size. The specification has engines ignore a malformed
// one, but they allocate by its counts first.
func (c *cursor) checkNames() {
	for c.left() > 0 && c.err == nil {
		id, in := c.subsection()
		switch id {
		case namesModule:
			in.name("name of the module")
		case namesFunctions:
			in.nameMap(2, func() { in.name("name of a function") })
		case namesLocals:
			in.nameMap(2, func() { in.nameMap(2, func() { in.name("name of a local") }) })
		default:
			continue
		}
		if in.err == nil && in.left() > 0 {
			in.fail(in.pos, "%d bytes too many in names", in.left())
		}
		c.err = in.err
	}
}

// nameMap reads a vector of indices, each with something that item reads.
func (c *cursor) nameMap(itemSize int, item func()) {
	n := c.count(itemSize, "number of names")
	for i := 0; i < n && c.err == nil; i++ {
		c.u32("index")
		item()
	}
}

// named is an entry of a map from functions to something encoded.
type named struct {
	function uint32
	rest     []byte
}

// renumberNames gives the contents of the name section for other function indices, entries in ascending order again.
// Names of labels are left out: nothing reads them.
func (m *Module) renumberNames(s Section, to *functionMap) ([]byte, error) {
	c := m.within(s)
	var dst []byte
	for c.left() > 0 && c.err == nil {
		start := c.pos
		id, in := c.subsection()
		var contents []byte
		switch id {
		case namesFunctions:
			contents = in.renumberMap(to, func() { in.name("name of a function") })
		case namesLocals:
			contents = in.renumberMap(to, func() { in.nameMap(2, func() { in.name("name of a local") }) })
		case namesLabels:
			continue
		default:
			dst = append(dst, m.data[start:c.pos]...)
			continue
		}
		dst = append(dst, id)
		dst = appendU32(dst, uint32(len(contents)))
		dst = append(dst, contents...)
		c.err = in.err
	}
	return dst, c.err
}

func (c *cursor) renumberMap(to *functionMap, item func()) []byte {
	n := c.count(2, "number of names")
	entries := make([]named, 0, n)
	for range n {
		index := c.u32("function")
		start := c.pos
		if item(); c.err != nil {
			return nil
		}
		if function, ok := to.at(index); ok { // a name for no function is of no use
			entries = append(entries, named{function, c.data[start:c.pos]})
		}
	}
	slices.SortStableFunc(entries, func(a, b named) int { return cmp.Compare(a.function, b.function) })
	dst := appendU32(nil, uint32(len(entries)))
	for _, e := range entries {
		dst = appendU32(dst, e.function)
		dst = append(dst, e.rest...)
	}
	return dst
}

// speaksOfCode reports whether a custom section holds positions in the code, which no pass that changes code keeps up.
func speaksOfCode(name string) bool {
	switch name {
	case "linking", "sourceMappingURL", "external_debug_info", "build_id":
		return true
	}
	for _, prefix := range []string{".debug_", "reloc.", "metadata.code."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
