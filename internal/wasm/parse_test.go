package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var everySection = binaryModule(
	custom("first", raw(1, 2, 3)),
	section(SectionType, vec(noneToNone, noneToI32, raw(0x60, 3, 0x7f, 0x64, 0x70, 0x63, 0x01, 1, 0x7b))),
	section(SectionImport, vec(
		importOf("env", "f", 0, 1), importOf("env", "t", 1, 0x70, 0, 1), importOf("env", "m", 2, 1, 1, 2),
		importOf("env", "g", 3, 0x7e, 0), importOf("env", "e", 4, 0, 0))),
	section(SectionFunction, vec(raw(0), raw(1))),
	section(SectionTable, vec(raw(0x6f, 1, 2, 3), raw(0x40, 0, 0x70, 0, 1, 0xd2, 0, 0x0b))),
	section(SectionMemory, vec()),
	section(SectionTag, vec(raw(0, 0))),
	section(SectionGlobal, vec(raw(0x7f, 1, 0x41, 5, 0x0b), raw(0x70, 0, 0xd2, 2, 0x0b))),
	section(SectionExport, vec(exportOf("run", 0, 1), exportOf("g", 3, 1), exportOf("", 4, 1))),
	section(SectionStart, raw(1)),
	section(SectionElement, vec(
		raw(0, 0x41, 0, 0x0b, 1, 0), raw(1, 0, 1, 1), raw(2, 0, 0x41, 0, 0x0b, 0, 1, 2), raw(3, 0, 0),
		raw(4, 0x41, 0, 0x0b, 1, 0xd2, 0, 0x0b), raw(5, 0x70, 1, 0xd0, 0x70, 0x0b),
		raw(6, 1, 0x41, 0, 0x0b, 0x6f, 0), raw(7, 0x70, 1, 0xd2, 1, 0x0b))),
	section(SectionDataCount, raw(3)),
	section(SectionCode, vec(body(), body(byte(OpI32Const), 7))),
	section(SectionData, vec(raw(0, 0x41, 0, 0x0b, 2, 8, 9), raw(1, 1, 7), raw(2, 0, 0x23, 0, 0x0b, 0))),
	custom("last"),
)

func TestParse(t *testing.T) {
	m, err := Parse(everySection)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.CheckCode(); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(m.Encode(), everySection) {
		t.Error("encoding differs from what was parsed")
	}
	var types, imports, bodies []string
	for _, f := range m.Types {
		types = append(types, f.String())
	}
	for _, imp := range m.Imports {
		imports = append(imports, fmt.Sprint(imp.Module, ".", imp.Name, " ", imp.Kind))
	}
	for i, b := range m.Bodies {
		bodies = append(bodies, fmt.Sprintf("%d %d %x", i, b.Index, everySection[b.Code:b.End]))
	}
	for _, test := range []struct {
		what      string
		got, want any
	}{
		{"types", types, []string{"() -> ()", "() -> (i32)", "(i32 (ref) (ref null)) -> (v128)"}},
		{"imports", imports, []string{"env.f function", "env.t table", "env.m memory", "env.g global", "env.e tag"}},
		{"bodies", bodies, []string{"0 1 0b", "1 2 41070b"}},
		{"functions", m.Functions, []uint32{0, 1}},
		{"tables", m.Tables, []Table{
			{TypeFuncref, Limits{Min: 1}},
			{TypeExternref, Limits{Min: 2, Max: 3, HasMax: true}},
			{TypeFuncref, Limits{Min: 1}}}},
		{"memories", m.Memories, []Limits{{Min: 1, Max: 2, HasMax: true}}},
		{"globals", m.Globals, []Global{{TypeI64, false}, {TypeI32, true}, {TypeFuncref, false}}},
		{"exports", m.Exports, []Export{{"run", ExternFunc, 1}, {"g", ExternGlobal, 1}, {"", ExternTag, 1}}},
		{"start", m.Start, Optional{1, true}},
		{"data count", m.DataCount, Optional{3, true}},
		{"data segments", m.Data, 3},
		{"functions in all", m.NumFuncs(), 3},
		{"imported globals", m.NumImported(ExternGlobal), 1},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.what, diff)
		}
	}
	if e, ok := m.Export("g"); !ok || e.Kind != ExternGlobal {
		t.Error("export g is not found")
	}
	if _, ok := m.Export("h"); ok {
		t.Error("export h is found")
	}
	if s, ok := m.Section(SectionStart); !ok || everySection[s.Offset] != 1 {
		t.Error("start section is not where it is said to be")
	}
}

func TestParseErrors(t *testing.T) {
	functions := func(n int) []byte { return section(SectionFunction, vec(slices.Repeat([][]byte{raw(0)}, n)...)) }
	types := section(SectionType, vec(noneToNone))
	for _, test := range []struct {
		name, want string
		module     []byte
	}{
		{"no wasm", "offset 0x0: this is no WebAssembly core module but text without #!", []byte("hello")},
		{"unknown section", "offset 0x8: there is no section with id 14", binaryModule(raw(14, 0))},
		{"section too long", "offset 0x9: type section: 9 is more than the remaining 1 bytes can hold", binaryModule(raw(1, 9, 0))},
		{"section twice", "offset 0x10: type section is out of order or there twice", binaryModule(types, types)},
		{"order", "offset 0xd: type section is out of order or there twice", binaryModule(functions(0), types)},
		{"rest", "offset 0xe: type section: 1 bytes too many", binaryModule(section(1, vec(noneToNone), raw(0)))},
		{"gc", "offset 0xb: type section: type of form 0x5f: only functions (0x60) are supported", binaryModule(section(1, vec(raw(0x5f, 0))))},
		{"value type", "offset 0xd: type section: 0x10 is no value type", binaryModule(section(1, vec(raw(0x60, 1, 0x10, 0))))},
		{"heap type", "offset 0xe: type section: -18 is no heap type", binaryModule(section(1, vec(raw(0x60, 1, 0x63, 0x6e, 0))))},
		{"name", "offset 0xb: import section: module of an import is not UTF-8", binaryModule(section(2, vec(importOf("\xff", "f", 0, 0))))},
		{"type index", "offset 0x16: import section: there is no type 1", binaryModule(types, section(2, vec(importOf("m", "f", 0, 1))))},
		{"kind", "offset 0xf: import section: 0x5 is no kind of import or export", binaryModule(section(2, vec(importOf("m", "f", 5, 0))))},
		{"memory64", "offset 0xb: memory section: limits with flags 0x4: 64-bit indices and custom page sizes are not supported", binaryModule(section(5, vec(raw(4, 0))))},
		{"table", "offset 0xb: table section: i32 is no reference type", binaryModule(section(4, vec(raw(0x7f, 0, 0))))},
		{"mutability", "offset 0xc: global section: mutability of a global is 0x2, not 0 or 1", binaryModule(section(6, vec(raw(0x7f, 2, 0x41, 0, 0x0b))))},
		{"initialiser", "offset 0xd: global section: opcode 0x45 in a constant expression", binaryModule(section(6, vec(raw(0x7f, 0, 0x45, 0, 0x0b))))},
		{"open initialiser", "offset 0xf: global section: expression ends within 1 blocks", binaryModule(section(6, vec(raw(0x7f, 0, 0x41, 0))))},
		{"export", "offset 0xd: export section: there is no function 0", binaryModule(section(7, vec(exportOf("", 0, 0))))},
		{"start", "offset 0xa: start section: there is no function 3", binaryModule(section(8, raw(3)))},
		{"element", "offset 0xb: element section: flags of an element segment are 0x8, above 7", binaryModule(section(9, vec(raw(8, 0, 0))))},
		{"element kind", "offset 0xc: element section: kind of elements is 0x1, not 0", binaryModule(section(9, vec(raw(1, 1, 0))))},
		{"data", "offset 0xb: data section: flags of a data segment are 0x3, above 2", binaryModule(section(11, vec(raw(3, 0))))},
		{"data length", "offset 0xc: data section: size of a data segment: 9 is more than the remaining 1 bytes can hold", binaryModule(section(11, vec(raw(1, 9, 0))))},
		{"data count", "data count is 2, but there are 0 data segments", binaryModule(section(12, raw(2)))},
		{"tag", "offset 0x11: tag section: attribute of a tag is 0x1, not 0", binaryModule(types, section(13, vec(raw(1, 0))))},
		{"no code", "1 functions are declared, but there is no code section", binaryModule(types, functions(1))},
		{"bodies", "offset 0x14: code section: there are 2 bodies for 1 functions", binaryModule(types, functions(1), section(10, vec(body(), body())))},
		{"empty body", "offset 0x17: code section: body without instructions", binaryModule(types, functions(1), section(10, vec(raw(1, 0, 0))))},
		{"names", "offset 0x11: custom section: number of names: 4294967295 is more than the remaining 0 bytes can hold", binaryModule(custom("name", raw(1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f)))},
		{"names' rest", "offset 0x12: custom section: 1 bytes too many in names", binaryModule(custom("name", raw(0, 2, 0, 0)))},
	} {
		m, err := Parse(test.module)
		var syntax *SyntaxError
		if m != nil || !errors.As(err, &syntax) || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%s:\n got %v\nwant %s", test.name, err, test.want)
		}
	}
}

// Allocation of a guest-named size before the bounds check (temper #374): every count that a module can name is
// refused before memory is asked for, those that only an engine will read included.
func TestGuestNamedSizesAreNotAllocated(t *testing.T) {
	huge := raw(0xff, 0xff, 0xff, 0xff, 0x0f)
	types := section(SectionType, vec(noneToNone))
	function := slices.Concat(types, section(SectionFunction, vec(raw(0))))
	tests := map[string][]byte{
		"results":       section(SectionType, raw(1, 0x60, 0), huge),
		"group":         section(SectionType, raw(1, 0x4e), huge),
		"import's name": section(SectionImport, raw(1), huge),
		"functions":     slices.Concat(types, section(SectionFunction, huge)),
		"elements":      section(SectionElement, raw(1, 1, 0), huge),
		"expressions":   section(SectionElement, raw(1, 5, 0x70), huge),
		"bodies":        slices.Concat(function, section(SectionCode, huge)),
		"body":          slices.Concat(function, section(SectionCode, raw(1), huge)),
		"groups":        slices.Concat(function, section(SectionCode, raw(1, 6), huge)),
		"locals":        slices.Concat(function, section(SectionCode, raw(1, 8, 1), huge, raw(0x7f, 0x0b))),
		"data":          section(SectionData, raw(1, 1), huge),
		"custom name":   section(SectionCustom, huge),
		"locals' names": custom(nameSection, raw(2, 7, 1, 0), huge),
		"size of names": custom(nameSection, raw(1), huge),
	}
	for id := SectionType; id <= SectionTag; id++ {
		if id != SectionStart && id != SectionDataCount {
			tests[id.String()] = section(id, huge)
		}
	}
	for name, sections := range tests {
		module := binaryModule(sections)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(module)
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; err == nil || allocated > 64<<10 {
			t.Errorf("%s: %d bytes allocated, error: %v", name, allocated, err)
		}
	}
}
