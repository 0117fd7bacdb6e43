package wasm

import (
	"errors"
	"fmt"
	"slices"
)

// Linking is what [Link] puts into a program.
//
// The library is a module made with -fPIC and -shared that has neither tables nor elements nor a start function. Each of its
// exports called MODULE.NAME takes the place of what the program imports as NAME from MODULE. Those called part.… are what the
// memory instructions and the start of the program are made of:
//
//	part.size() -> i32            the program's memory, in pages
//	part.plan(more) -> i32        by how many pages the library has to move for that to grow; -1: it cannot
//	part.span() -> i32            how many bytes there are to move
//	part.settle(more) -> i32      the program's memory has grown; what it was
//	part.reset(pages)             the program's memory is as large as at first
//	part.foreign() -> i32         whether the memory image does not fit what the run is given
//
// From the module link it imports base() -> i32, the address of its region, tree() -> i32, what lies in Tree relative to that,
// and read(to, from, length), which copies out of Packed. All else that it imports are functions of the host's.
//
// The region begins with the library's stack; then come its data, Tree, and what it allocates. It lies above the program's
// memory, of which the program does not see more than its own part, and moves up when that grows.
type Linking struct {
	Library []byte
	Tree    []byte // laid behind the library's data, at TreeAt
	Packed  []byte // what is only ever read; it takes no memory
	Image   *Image // nil: the program initialises itself
}

// Image is a program's memory as its initialisation has left it. The original data stay in the module, since a run may want
// what the image cannot do: the export boxer.serves, if there is one, or part.foreign says so.
type Image struct {
	Memory  []byte
	Globals map[string]uint64 // by the names of [Restorable]
}

// How far the linker's parts of a region are apart, and what the program may grow by before the library has to move. A larger gap
// would make an image sparse: wasmtime maps initial memory from the compiled file only if half of it is given.
const (
	libraryStack = 64 << 10
	pageSize     = 64 << 10
	initialSlack = 16 // pages
)

// Names that linker and library agree on.
const (
	linkModule = "link"
	partPrefix = "part."
	envModule  = "env"
	memoryName = "memory"
	startName  = "_start"
)

// TreeAt is where Tree will lie, relative to the beginning of the library's region, in bytes.
func (l *Linking) TreeAt() (uint32, error) {
	lib, err := parseLibrary(l.Library)
	if err != nil {
		return 0, err
	}
	return lib.treeAt(), nil
}

// InitialPages is how large the program's memory is at first, in pages, and how large it may become.
func InitialPages(program []byte, image *Image) (pages, most uint32, err error) {
	m, err := Parse(program)
	if err != nil {
		return 0, 0, err
	}
	most = 1 << 16
	if len(m.Memories) > 0 {
		pages = m.Memories[0].Min
		if m.Memories[0].HasMax {
			most = min(most, m.Memories[0].Max)
		}
	}
	if image != nil {
		pages = uint32(len(image.Memory) / pageSize)
	}
	return pages, most, nil
}

// ErrNotLinkable is what errors are that say of a program why nothing can be linked to it.
var ErrNotLinkable = errors.New("the program cannot be linked")

func notLinkable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrNotLinkable, fmt.Errorf(format, args...))
}

// Link gives a module that is the program with the library in it: it has one memory, exports that and _start, and imports what
// the library needs of the host. The program must be a command: export _start, and import nothing but functions that the
// library has.
func Link(program []byte, l *Linking) ([]byte, error) {
	m, err := Parse(program)
	if err != nil {
		return nil, err
	}
	lib, err := parseLibrary(l.Library)
	if err != nil {
		return nil, fmt.Errorf("reading the library: %w", err)
	}
	k := &linker{Linking: l, program: m, library: lib}
	if err := k.check(); err != nil {
		return nil, err
	}
	if err := k.choose(); err != nil {
		return nil, err
	}
	if err := k.number(); err != nil {
		return nil, err
	}
	return k.encode()
}

// linker is a program and a library being put together. Functions are numbered: the host's, the program's, the library's, and
// those that the linker makes.
type linker struct {
	*Linking
	program *Module
	library *library

	chosen    []bool // functions of the library that are needed
	functions functionMap
	numbers   []uint32 // new indices of the library's functions; of those not chosen, nothing
	imports   []Import // of the library, from the host
	made      uint32   // the first of the linker's own
	base      uint32   // page at which the region begins
	referred  []uint32 // functions that the program's code takes references of
	fresh     []byte   // code that sets the program's memory and globals as they are without an image
	data      dataList
}

// The functions that the linker makes, in their order.
const (
	madeBase = iota
	madeTree
	madeRead
	madeSize
	madeGrow
	madeStart
)

var madeNames = map[string]uint32{"base": madeBase, "tree": madeTree, "read": madeRead}

func (k *linker) check() error {
	m := k.program
	if start, ok := m.Export(startName); !ok || start.Kind != ExternFunc {
		return notLinkable("it exports no function %s, so it is a library, not a program", startName)
	}
	if m.Start.Present && k.Image != nil && m.imported[ExternFunc] > int(m.Start.Value) {
		return notLinkable("its start function is imported")
	}
	for _, imp := range m.Imports {
		if imp.Kind != ExternFunc {
			return notLinkable("it imports a %v, %s.%s", imp.Kind, imp.Module, imp.Name)
		}
		bound, ok := k.library.exports[imp.Module+"."+imp.Name]
		if !ok || imp.Module == "part" {
			return notLinkable("it imports %s.%s, which other runtimes do not have", imp.Module, imp.Name)
		}
		if have, want := k.library.FuncType(bound).String(), m.Types[imp.Type].String(); have != want {
			return notLinkable("it imports %s.%s as %s, which is %s", imp.Module, imp.Name, want, have)
		}
	}
	switch {
	case len(m.Memories) > 1:
		return notLinkable("it has %d memories", len(m.Memories))
	case len(m.Memories) == 1 && m.Memories[0].Shared:
		return notLinkable("its memory is shared with threads")
	}
	return nil
}

// choose finds the library's functions that are needed: those that the program imports, the parts, and what these call.
func (k *linker) choose() error {
	k.chosen = make([]bool, k.library.NumFuncs())
	var pending []uint32
	need := func(f uint32) {
		if !k.chosen[f] {
			k.chosen[f] = true
			pending = append(pending, f)
		}
	}
	for _, imp := range k.program.Imports {
		need(k.library.exports[imp.Module+"."+imp.Name])
	}
	for _, part := range []string{"size", "plan", "span", "settle", "reset", "foreign"} {
		f, ok := k.library.exports[partPrefix+part]
		if !ok {
			return fmt.Errorf("the library has no %s%s", partPrefix, part)
		}
		need(f)
	}
	imported := uint32(k.library.imported[ExternFunc])
	for len(pending) > 0 {
		f := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if f < imported {
			continue
		}
		for _, called := range k.library.calls[f-imported] {
			need(called)
		}
	}
	return nil
}

// number gives every function its new index.
func (k *linker) number() error {
	m, lib := k.program, k.library
	k.numbers = make([]uint32, lib.NumFuncs())
	var own []uint32
	i := uint32(0)
	for _, imp := range lib.Imports {
		if imp.Kind != ExternFunc {
			continue
		}
		if imp.Module == linkModule {
			if _, ok := madeNames[imp.Name]; !ok {
				return fmt.Errorf("the library imports %s.%s, which there is not", imp.Module, imp.Name)
			}
		} else if k.chosen[i] {
			k.numbers[i] = uint32(len(k.imports))
			k.imports = append(k.imports, imp)
		}
		i++
	}
	k.made = uint32(len(k.imports) + len(m.Functions))
	for f := i; int(f) < lib.NumFuncs(); f++ {
		if k.chosen[f] {
			own = append(own, f)
		}
	}
	for n, f := range own {
		k.numbers[f] = k.made + uint32(n)
	}
	k.made += uint32(len(own))
	for i, imp := range lib.functionImports() {
		if imp.Module == linkModule {
			k.numbers[i] = k.made + madeNames[imp.Name]
		}
	}
	k.functions = functionMap{total: m.NumFuncs(), shift: len(k.imports) - m.imported[ExternFunc]}
	for _, imp := range m.Imports {
		k.functions.imports = append(k.functions.imports, k.numbers[lib.exports[imp.Module+"."+imp.Name]])
	}
	return nil
}

// encode puts the sections together.
func (k *linker) encode() ([]byte, error) {
	m := k.program
	d := m.draft(func(name string) bool { return name != nameSection || k.bindsTwice() })
	if err := k.layOut(); err != nil {
		return nil, err
	}
	code, types, err := k.code()
	if err != nil {
		return nil, err
	}
	if err := m.renumberRest(d, &k.functions); err != nil {
		return nil, err
	}
	if err := k.declare(d); err != nil {
		return nil, err
	}
	d.remove(SectionStart)
	d.set(SectionFunction, types)
	d.set(SectionCode, code)
	var imports, libraryTypes []byte
	for _, imp := range k.imports {
		imports = append(appendName(appendName(imports, imp.Module), imp.Name), byte(ExternFunc))
		imports = appendU32(imports, imp.Type+uint32(len(m.Types)))
	}
	d.set(SectionImport, append(appendU32(nil, uint32(len(k.imports))), imports...))
	for _, t := range k.library.Types {
		libraryTypes = appendFuncType(libraryTypes, t)
	}
	libraryTypes = appendFuncType(libraryTypes, FuncType{})
	if err := d.extend(SectionType, len(k.library.Types)+1, libraryTypes); err != nil {
		return nil, err
	}
	if err := k.globals(d); err != nil {
		return nil, err
	}
	pages := k.base + (k.library.treeAt()+uint32(len(k.Tree)))/pageSize + 2
	d.set(SectionMemory, appendU32([]byte{1, 0}, pages))
	exports := append(appendName([]byte{2}, memoryName), byte(ExternMemory), 0)
	exports = appendU32(append(appendName(exports, startName), byte(ExternFunc)), k.made+madeStart)
	d.set(SectionExport, exports)
	d.set(SectionDataCount, appendU32(nil, uint32(k.data.count)))
	d.set(SectionData, append(appendU32(nil, uint32(k.data.count)), k.data.encoded...))
	return d.encode(), nil
}

// bindsTwice reports whether two imports of the program have become one function, for which there cannot be two names.
func (k *linker) bindsTwice() bool {
	sorted := slices.Sorted(slices.Values(k.functions.imports))
	return len(slices.Compact(sorted)) < len(k.functions.imports)
}

func appendFuncType(dst []byte, t FuncType) []byte {
	dst = append(dst, 0x60)
	for _, types := range []ValueTypes{t.Params, t.Results} {
		dst = append(appendU32(dst, uint32(types.Len)), types.Encoding...)
	}
	return dst
}

// globals adds the library's two registers, and gives the program's the values of its image.
func (k *linker) globals(d *draft) error {
	contents, err := k.program.globalsWith(k.Image, d)
	if err != nil {
		return err
	}
	for _, value := range []uint32{k.base*pageSize + libraryStack, k.base*pageSize + libraryStack} {
		contents = append(contents, byte(TypeI32), 1, byte(OpI32Const))
		contents = append(appendSigned(contents, int64(int32(value))), byte(OpEnd))
	}
	d.set(SectionGlobal, append(appendU32(nil, uint32(len(k.program.Globals)+registers)), contents...))
	return nil
}

// The library's registers, numbered from behind the program's globals.
const (
	registerBase  = iota // address of the library's data
	registerStack        // top of its stack: it grows downwards, away from the data
	registers
)

func (k *linker) register(r int) uint32 { return uint32(len(k.program.Globals) + r) }
