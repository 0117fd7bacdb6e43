package wasm

// reference is a place where a function is named by its index.
type reference struct {
	pos, end int
	index    uint32
}

// references shows visit every function index in a section other than code, in order of their places.
func (m *Module) references(s Section, visit func(reference)) error {
	c := m.within(s)
	switch s.ID {
	case SectionStart:
		c.funcIndex(visit)
	case SectionExport:
		for range c.u32("number of exports") {
			c.name("name of an export")
			if c.byte("kind") == byte(ExternFunc) {
				c.funcIndex(visit)
			} else {
				c.u32("index")
			}
		}
	case SectionTable:
		for range c.u32("number of tables") {
			m.table(&c, visit)
		}
	case SectionGlobal:
		for range c.u32("number of globals") {
			c.globalType()
			m.constExpr(&c, visit)
		}
	case SectionElement:
		for range c.u32("number of element segments") {
			m.element(&c, visit)
		}
	}
	return c.err
}

// codeReferences shows visit every function index in a body.
func (b Body) codeReferences(visit func(reference)) error {
	x := b.Expr()
	for x.Next() {
		switch x.Op {
		case OpCall, OpReturnCall, OpRefFunc:
			visit(reference{x.Imm, x.End, x.Index})
		}
	}
	return x.Err()
}

func (c *cursor) funcIndex(visit func(reference)) {
	at := c.pos
	index := c.u32("function")
	if visit != nil && c.err == nil {
		visit(reference{at, c.pos, index})
	}
}

// Bits of the flags of an element segment (5.5.12).
const (
	elementNotActive = 1 << iota // passive, or declarative with the next bit
	elementExplicit              // active: has an index of a table; otherwise: declarative
	elementExprs                 // entries are expressions, not indices of functions
)

// element reads an element segment, showing visit the functions it names.
func (m *Module) element(c *cursor, visit func(reference)) {
	at := c.pos
	flags := c.u32("flags of an element segment")
	if flags > 7 {
		c.fail(at, "flags of an element segment are %#x, above 7", flags)
		return
	}
	if flags&elementNotActive == 0 {
		if flags&elementExplicit != 0 {
			c.index(len(m.Tables), "table")
		}
		m.constExpr(c, visit)
	}
	if flags&elementExprs != 0 {
		if flags&(elementNotActive|elementExplicit) != 0 {
			c.refType()
		}
		n := c.count(2, "number of elements")
		for i := 0; i < n && c.err == nil; i++ {
			m.constExpr(c, visit)
		}
		return
	}
	if flags&(elementNotActive|elementExplicit) != 0 {
		c.elementKind()
	}
	n := c.count(1, "number of elements")
	for i := 0; i < n && c.err == nil; i++ {
		c.funcIndex(visit)
	}
}

func (c *cursor) elementKind() {
	at := c.pos
	if kind := c.byte("kind of elements"); kind != 0 {
		c.fail(at, "kind of elements is %#x, not 0", kind)
	}
}

// functionMap gives functions new indices: imported ones by a table, defined ones by a distance.
type functionMap struct {
	total   int
	imports []uint32
	shift   int
}

// at gives the new index, and whether the module has the function at all.
func (f *functionMap) at(index uint32) (uint32, bool) {
	switch {
	case int64(index) >= int64(f.total):
		return index, false
	case int(index) < len(f.imports):
		return f.imports[index], true
	default:
		return uint32(int(index) + f.shift), true
	}
}

// patch copies a stretch of a module, but for the numbers that change.
type patch struct {
	src    []byte
	dst    []byte
	copied int // up to where src has been copied
	to     *functionMap
	err    error
}

func (p *patch) visit(r reference) {
	index, ok := p.to.at(r.index)
	if !ok && p.err == nil {
		p.err = &SyntaxError{Offset: r.pos, Message: "there is no such function"}
	}
	if index == r.index {
		return
	}
	p.dst = append(p.dst, p.src[p.copied:r.pos]...)
	p.dst = appendU32(p.dst, index)
	p.copied = r.end
}

// renumber gives the contents of a section other than code with other function indices, and whether they differ.
func (m *Module) renumber(s Section, to *functionMap) (contents []byte, changed bool, err error) {
	p := patch{src: m.data, copied: s.Offset, to: to}
	if err := m.references(s, p.visit); err != nil {
		return nil, false, err
	}
	if p.copied == s.Offset {
		return s.Data, false, p.err
	}
	return append(p.dst, m.data[p.copied:s.Offset+len(s.Data)]...), true, p.err
}

// renumberCode appends all entries of the code section, with other function indices.
func (m *Module) renumberCode(dst []byte, to *functionMap) ([]byte, error) {
	p := patch{src: m.data, to: to}
	for _, body := range m.Bodies {
		p.dst, p.copied = p.dst[:0], body.Locals
		if err := body.codeReferences(p.visit); err != nil {
			return nil, err
		}
		if p.copied == body.Locals {
			dst = append(dst, m.data[body.Entry:body.End]...)
			continue
		}
		p.dst = append(p.dst, m.data[p.copied:body.End]...)
		dst = appendU32(dst, uint32(len(p.dst)))
		dst = append(dst, p.dst...)
	}
	return dst, p.err
}
