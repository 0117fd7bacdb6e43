package wasm

import (
	"encoding/binary"
	"math"
)

// Stub decides what a function that stands in for an import answers: each of its results is this number, converted to
// the result's type.
type Stub func(name string, t FuncType) int64

// StubImports replaces every function that module imports from the import module `from` by one that is defined in the
// module and gives a constant answer, so that the module runs where nobody offers those imports. Nothing is written to
// memory: an answer should be one after which the program does not look at its out-parameters. A module without such
// imports is given back as it is. Importing anything but functions from there is an error, as is a result that is no
// integer or floating-point number.
//
// The stubs become the first functions that are defined, behind the remaining imports. So the number of functions stays
// the same and only imported ones get other indices. The name section is rewritten; custom sections that refer to
// positions in the code (DWARF, source maps) are dropped.
func StubImports(module []byte, from string, stub Stub) ([]byte, error) {
	m, err := Parse(module)
	if err != nil {
		return nil, err
	}
	s, err := m.split(from, stub)
	if err != nil {
		return nil, err
	}
	if len(s.types) == 0 {
		return module, nil
	}
	d := m.draft(speaksOfCode)
	if s.kept > 0 {
		d.set(SectionImport, append(appendU32(nil, uint32(s.kept)), s.imports...))
	} else {
		d.remove(SectionImport)
	}
	d.set(SectionFunction, m.functionsWith(s.types))
	code := appendU32(make([]byte, 0, len(module)), uint32(len(s.types)+len(m.Functions)))
	if code, err = m.renumberCode(append(code, s.bodies...), &s.functions); err != nil {
		return nil, err
	}
	d.set(SectionCode, code)
	if err := m.renumberRest(d, &s.functions); err != nil {
		return nil, err
	}
	return d.encode(), nil
}

// stubs is what becomes of a module's imports.
type stubs struct {
	kept      int
	imports   []byte   // encoded, those that stay
	types     []uint32 // of those that go
	bodies    []byte   // encoded, in their place
	functions functionMap
}

func (m *Module) split(from string, stub Stub) (*stubs, error) {
	s := &stubs{functions: functionMap{total: m.NumFuncs(), imports: make([]uint32, 0, m.imported[ExternFunc])}}
	for _, imp := range m.Imports {
		if imp.Module != from {
			s.kept++
			s.imports = append(s.imports, imp.raw...)
		}
		if imp.Kind == ExternFunc && imp.Module == from {
			s.types = append(s.types, imp.Type)
		} else if imp.Module == from {
			return nil, m.importError(imp, "is a "+imp.Kind.String()+": only functions can be stubbed")
		}
	}
	next := [2]uint32{0, uint32(m.imported[ExternFunc] - len(s.types))} // of those kept, of those stubbed
	for _, imp := range m.Imports {
		if imp.Kind != ExternFunc {
			continue
		}
		stubbed := 0
		if imp.Module == from {
			stubbed = 1
			body, ok := answer(m.Types[imp.Type].Results, stub(imp.Name, m.Types[imp.Type]))
			if !ok {
				return nil, m.importError(imp, "has a result that no number can stand for")
			}
			s.bodies = append(appendU32(s.bodies, uint32(len(body))), body...)
		}
		s.functions.imports = append(s.functions.imports, next[stubbed])
		next[stubbed]++
	}
	return s, nil
}

func (m *Module) importError(imp Import, message string) error {
	s, _ := m.Section(SectionImport)
	return &SyntaxError{Offset: s.Offset, Section: s.ID.String(), Message: imp.Module + "." + imp.Name + " " + message}
}

// answer gives a body without locals that leaves value for each of the results, if they are numbers.
func answer(results ValueTypes, value int64) (body []byte, ok bool) {
	body = []byte{0}
	for t := range results.All {
		switch t {
		case TypeI32:
			body = appendSigned(append(body, byte(OpI32Const)), int64(int32(value)))
		case TypeI64:
			body = appendSigned(append(body, byte(OpI64Const)), value)
		case TypeF32:
			bits := math.Float32bits(float32(value))
			body = binary.LittleEndian.AppendUint32(append(body, byte(OpF32Const)), bits)
		case TypeF64:
			bits := math.Float64bits(float64(value))
			body = binary.LittleEndian.AppendUint64(append(body, byte(OpF64Const)), bits)
		default:
			return nil, false
		}
	}
	return append(body, byte(OpEnd)), true
}

// functionsWith gives the contents of the function section with more functions in front.
func (m *Module) functionsWith(types []uint32) []byte {
	dst := appendU32(nil, uint32(len(types)+len(m.Functions)))
	for _, t := range types {
		dst = appendU32(dst, t)
	}
	for _, t := range m.Functions {
		dst = appendU32(dst, t)
	}
	return dst
}

// renumberRest changes the function indices in everything that is not code.
func (m *Module) renumberRest(d *draft, to *functionMap) error {
	for i, s := range d.sections {
		var contents []byte
		var err error
		changed := false
		switch s.ID {
		case SectionTable, SectionGlobal, SectionExport, SectionStart, SectionElement:
			contents, changed, err = m.renumber(s, to)
		case SectionCustom:
			if changed = s.Name == nameSection; changed {
				contents, err = m.renumberNames(s, to)
			}
		}
		if err != nil {
			return err
		}
		if changed {
			d.sections[i] = Section{ID: s.ID, Name: s.Name, Data: contents}
		}
	}
	return nil
}

// Errno of preview 1 (WASI, snapshot 01, "errno") for a function that does not exist.
const errnoNosys = 52

// Portable gives a program that runs under any runtime of WASI preview 1: what it imports from the module `boxer`
// answers ENOSYS, and functions that have no errno for a result (umask) answer 0.
func Portable(module []byte) ([]byte, error) {
	return StubImports(module, "boxer", func(name string, t FuncType) int64 {
		if name == "umask" {
			return 0
		}
		return errnoNosys
	})
}
