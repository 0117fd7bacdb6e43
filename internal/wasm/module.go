package wasm

import (
	"bytes"
	"slices"
)

// preamble is the magic number and version 1 of a core module (5.5.16).
var preamble = []byte("\x00asm\x01\x00\x00\x00")

// MaxLocals is how many locals a function may declare besides its parameters. The number is that of the WebAssembly
// JavaScript interface (implementation limits). Without a bound, six bytes make an engine allocate 32 GiB.
const MaxLocals = 50_000

// Module is a parsed module. Everything in it is a view of the bytes given to [Parse], which must not change.
type Module struct {
	Sections []Section // in the order of the file, custom ones included

	Types     []FuncType
	Imports   []Import
	Functions []uint32 // for each function defined (not imported), its type
	Tables    []Table  // imported ones first
	Memories  []Limits // imported ones first
	Globals   []Global // imported ones first
	Exports   []Export
	Start     Optional // index of the start function
	DataCount Optional // contents of the data count section
	Data      int      // number of data segments

	data     []byte
	byID     [SectionTag + 1]int // index into Sections plus one
	imported [ExternTag + 1]int  // number of imports of each kind
	tags     int
}

// Optional is a number that may be absent.
type Optional struct {
	Value   uint32
	Present bool
}

// ExternKind is the kind of an import or export (5.5.5, 5.5.10).
type ExternKind byte

const (
	ExternFunc ExternKind = iota
	ExternTable
	ExternMemory
	ExternGlobal
	ExternTag // exception handling
)

func (k ExternKind) String() string {
	return [...]string{"function", "table", "memory", "global", "tag"}[k]
}

// Import is an import (5.5.5).
type Import struct {
	Module, Name string
	Kind         ExternKind
	Type         uint32 // of a function or tag: index into Types

	raw []byte
}

// Export is an export (5.5.10).
type Export struct {
	Name  string
	Kind  ExternKind
	Index uint32
}

// Parse reads a core module of version 1. It checks everything but the instructions of bodies (see [Module.CheckCode]):
// sizes, order and contents of sections, and that indices outside of the code name something. It does not check types;
// that is the engine's validation.
//
// The error is a *[SyntaxError]; what a file that is no core module is instead, [Identify] says.
func Parse(b []byte) (*Module, error) {
	m := &Module{data: b}
	c := cursor{data: b, end: len(b)}
	if !bytes.HasPrefix(b, preamble) {
		c.fail(0, "this is no WebAssembly core module but %s", Identify(b[:min(len(b), HeadSize)]))
		return nil, c.err
	}
	c.pos = len(preamble)
	m.sections(&c)
	if c.err != nil {
		return nil, c.err
	}
	if err := m.decode(); err != nil {
		return nil, err
	}
	return m, nil
}

// decode reads the sections in their order.
func (m *Module) decode() error {
	decoders := [SectionTag + 1]func(*Module, *cursor){
		SectionType: (*Module).typeSection, SectionImport: (*Module).importSection,
		SectionFunction: (*Module).functionSection, SectionTable: (*Module).tableSection,
		SectionMemory: (*Module).memorySection, SectionTag: (*Module).tagSection,
		SectionGlobal: (*Module).globalSection, SectionExport: (*Module).exportSection,
		SectionStart: (*Module).startSection, SectionElement: (*Module).elementSection,
		SectionDataCount: (*Module).dataCountSection, SectionCode: (*Module).codeSection,
		SectionData: (*Module).dataSection,
	}
	for _, s := range m.Sections {
		c := m.within(s)
		if s.ID == SectionCustom {
			if s.Name == nameSection {
				c.checkNames()
			}
		} else {
			decoders[s.ID](m, &c)
			if c.err == nil && c.left() > 0 {
				c.fail(c.pos, "%d bytes too many", c.left())
			}
		}
		if c.err != nil {
			return c.err
		}
	}
	return m.checkCounts()
}

// checkCounts compares what sections say of one another.
func (m *Module) checkCounts() error {
	c := cursor{data: m.data, pos: len(m.data), end: len(m.data)}
	if m.byID[SectionCode] == 0 && len(m.Functions) > 0 {
		c.fail(c.end, "%d functions are declared, but there is no code section", len(m.Functions))
	}
	if m.DataCount.Present && int64(m.DataCount.Value) != int64(m.Data) {
		c.fail(c.end, "data count is %d, but there are %d data segments", m.DataCount.Value, m.Data)
	}
	return c.err
}

// NumFuncs is the number of functions, imported and defined: indices of functions are below it.
func (m *Module) NumFuncs() int { return m.imported[ExternFunc] + len(m.Functions) }

// NumImported is the number of imports of that kind: the indices below it are imported.
func (m *Module) NumImported(kind ExternKind) int { return m.imported[kind] }

// FuncType is the type of a function, imported or defined.
func (m *Module) FuncType(index uint32) FuncType {
	if defined := int64(index) - int64(m.imported[ExternFunc]); defined >= 0 {
		return m.Types[m.Functions[defined]]
	}
	for _, i := range m.Imports {
		if i.Kind != ExternFunc {
			continue
		}
		if index == 0 {
			return m.Types[i.Type]
		}
		index--
	}
	panic("an index beyond the functions") // Parse has checked what a module names
}

// Export finds an export by its name.
func (m *Module) Export(name string) (Export, bool) {
	i := slices.IndexFunc(m.Exports, func(e Export) bool { return e.Name == name })
	if i < 0 {
		return Export{}, false
	}
	return m.Exports[i], true
}

// Encode gives the binary of the module: the bytes that were parsed.
func (m *Module) Encode() []byte {
	return m.draft(func(string) bool { return false }).encode()
}

// CheckCode reads every instruction, so that an engine meets only opcodes and immediates that are whole, properly
// nested and known to this package. It costs a few nanoseconds an instruction.
func (m *Module) CheckCode() error {
	for _, body := range m.Bodies {
		x := body.Expr()
		for x.Next() {
		}
		if x.Err() != nil {
			return x.Err()
		}
	}
	return nil
}
