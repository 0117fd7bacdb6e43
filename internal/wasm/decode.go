package wasm

func (m *Module) typeSection(c *cursor) {
	n := c.count(2, "number of types")
	m.Types = make([]FuncType, 0, n)
	for i := 0; i < n && c.err == nil; i++ {
		if c.pos < c.end && c.data[c.pos] == 0x4e { // a recursion group (typed function references) holds several
			c.pos++
			for range c.count(3, "size of a recursion group") {
				m.Types = append(m.Types, c.funcType())
			}
			continue
		}
		m.Types = append(m.Types, c.funcType())
	}
	m.checkTypes(c)
}

// checkTypes checks the types that types name, which may come after them.
func (m *Module) checkTypes(c *cursor) {
	for i := 0; i < len(m.Types) && c.err == nil; i++ {
		for _, part := range []ValueTypes{m.Types[i].Params, m.Types[i].Results} {
			in := cursor{data: part.Encoding, end: len(part.Encoding), section: c.section, types: len(m.Types)}
			for in.left() > 0 {
				in.valueType()
			}
			if in.err != nil {
				c.fail(c.pos, "type %d names a type that there is not", i)
			}
		}
	}
}

func (m *Module) importSection(c *cursor) {
	n := c.count(4, "number of imports")
	m.Imports = make([]Import, 0, n)
	for i := 0; i < n && c.err == nil; i++ {
		start := c.pos
		imp := Import{Module: string(c.name("module of an import")), Name: string(c.name("name of an import"))}
		imp.Kind = c.externKind()
		switch imp.Kind {
		case ExternFunc:
			imp.Type = c.index(len(m.Types), "type")
		case ExternTable:
			m.Tables = append(m.Tables, c.tableType())
		case ExternMemory:
			m.Memories = append(m.Memories, c.limits())
		case ExternGlobal:
			m.Globals = append(m.Globals, c.globalType())
		case ExternTag:
			imp.Type = c.tagType(len(m.Types))
			m.tags++
		}
		imp.raw = c.data[start:c.pos:c.pos]
		m.imported[imp.Kind]++
		m.Imports = append(m.Imports, imp)
	}
}

func (c *cursor) externKind() ExternKind {
	at := c.pos
	kind := ExternKind(c.byte("kind of an import or export"))
	if kind > ExternTag {
		c.fail(at, "%#x is no kind of import or export", byte(kind))
		return ExternFunc
	}
	return kind
}

func (m *Module) functionSection(c *cursor) {
	m.Functions = make([]uint32, c.count(1, "number of functions"))
	for i := range m.Functions {
		m.Functions[i] = c.index(len(m.Types), "type")
	}
}

func (m *Module) tableSection(c *cursor) {
	n := c.count(3, "number of tables")
	for i := 0; i < n && c.err == nil; i++ {
		m.Tables = append(m.Tables, m.table(c, nil))
	}
}

// tableWithInitialiser is where the type of a table without is, which cannot have this value.
const tableWithInitialiser = 0x40

// table reads a table and, if it has one (typed function references), the expression that its entries start with.
func (m *Module) table(c *cursor, visit func(reference)) Table {
	if c.left() < 2 || c.data[c.pos] != tableWithInitialiser {
		return c.tableType()
	}
	if c.data[c.pos+1] != 0 {
		c.fail(c.pos+1, "reserved byte of a table with initialiser is %#x, not 0", c.data[c.pos+1])
		return Table{}
	}
	c.pos += 2
	t := c.tableType()
	m.constExpr(c, visit)
	return t
}

func (m *Module) memorySection(c *cursor) {
	n := c.count(2, "number of memories")
	for i := 0; i < n && c.err == nil; i++ {
		m.Memories = append(m.Memories, c.limits())
	}
}

func (m *Module) tagSection(c *cursor) {
	n := c.count(2, "number of tags")
	for i := 0; i < n && c.err == nil; i++ {
		c.tagType(len(m.Types))
		m.tags++
	}
}

func (m *Module) globalSection(c *cursor) {
	n := c.count(4, "number of globals")
	m.Globals = append(make([]Global, 0, len(m.Globals)+n), m.Globals...)
	for i := 0; i < n && c.err == nil; i++ {
		m.Globals = append(m.Globals, c.globalType())
		m.constExpr(c, nil)
	}
}

func (m *Module) exportSection(c *cursor) {
	n := c.count(3, "number of exports")
	m.Exports = make([]Export, 0, n)
	for i := 0; i < n && c.err == nil; i++ {
		e := Export{Name: string(c.name("name of an export")), Kind: c.externKind()}
		spaces := [...]int{m.NumFuncs(), len(m.Tables), len(m.Memories), len(m.Globals), m.tags}
		e.Index = c.index(spaces[e.Kind], e.Kind.String())
		m.Exports = append(m.Exports, e)
	}
}

func (m *Module) startSection(c *cursor) {
	m.Start = Optional{c.index(m.NumFuncs(), "function"), true}
}

func (m *Module) elementSection(c *cursor) {
	for range c.count(3, "number of element segments") {
		if m.element(c, nil); c.err != nil {
			return
		}
	}
}

func (m *Module) dataCountSection(c *cursor) {
	m.DataCount = Optional{c.u32("number of data segments"), true}
}

func (m *Module) dataSection(c *cursor) {
	m.Data = c.count(2, "number of data segments")
	for i := 0; i < m.Data && c.err == nil; i++ {
		m.segment(c)
	}
}

// segment reads a data segment (5.5.14) and reports whether it is passive.
func (m *Module) segment(c *cursor) (passive bool) {
	at := c.pos
	flags := c.u32("flags of a data segment")
	switch flags {
	case 0:
		m.constExpr(c, nil)
	case 1:
	case 2:
		c.index(len(m.Memories), "memory")
		m.constExpr(c, nil)
	default:
		c.fail(at, "flags of a data segment are %#x, above 2", flags)
	}
	c.take(c.count(1, "size of a data segment"), "data segment")
	return flags == 1
}

// codeSection checks that the bodies fill the section, one for each function, and what locals they declare.
func (m *Module) codeSection(c *cursor) {
	at := c.pos
	if n := c.count(3, "number of bodies"); c.err == nil && n != len(m.Functions) {
		c.fail(at, "there are %d bodies for %d functions", n, len(m.Functions))
	}
	for range m.Functions {
		size := c.count(1, "size of a body")
		end := c.pos + size
		in := cursor{data: c.data, pos: c.pos, end: end, section: c.section, err: c.err}
		in.locals()
		if in.left() == 0 {
			in.fail(end, "body without instructions")
		}
		if c.pos, c.err = end, in.err; c.err != nil {
			return
		}
	}
}

// locals reads the locals that a body declares (5.5.13).
func (c *cursor) locals() {
	total := uint64(0)
	for range c.count(2, "number of groups of locals") {
		at := c.pos
		total += uint64(c.u32("number of locals"))
		if total > MaxLocals {
			c.fail(at, "function has more than %d locals", MaxLocals)
		}
		if c.valueType(); c.err != nil {
			return
		}
	}
}
