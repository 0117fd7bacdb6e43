package runtime

import (
	"encoding/binary"
	"slices"

	"boxer.dev/internal/wasm"
)

// Modules for tests are put together from the encoding of their sections (core specification, chapter 5).

type sections map[wasm.SectionID][]byte

func (s sections) module(custom ...[]byte) []byte {
	module := []byte("\x00asm\x01\x00\x00\x00")
	for _, id := range []wasm.SectionID{1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11} {
		if contents, ok := s[id]; ok {
			module = appendSection(module, id, contents)
		}
	}
	return append(module, slices.Concat(custom...)...)
}

// vector is a count and that many items.
func vector(items ...[]byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(items))), slices.Concat(items...)...)
}

func text(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }

func body(code ...byte) []byte {
	code = slices.Concat([]byte{0}, code, []byte{0x0b}) // no locals; end
	return append(binary.AppendUvarint(nil, uint64(len(code))), code...)
}

func exportFunc(name string, index byte) []byte { return append(text(name), 0, index) }

var (
	typeVoid  = []byte{0x60, 0, 0}                   // () -> ()
	typeI32   = []byte{0x60, 0, 1, 0x7f}             // () -> i32
	typeTake  = []byte{0x60, 1, 0x7f, 0}             // (i32) -> ()
	typeErrno = []byte{0x60, 2, 0x7f, 0x7f, 1, 0x7f} // (i32, i32) -> i32
)

// startModule is a program whose _start has the given instructions.
func startModule(code ...byte) sections {
	return sections{
		wasm.SectionType:     vector(typeVoid, typeI32, typeTake, typeErrno),
		wasm.SectionFunction: vector([]byte{0}),
		wasm.SectionMemory:   vector([]byte{0, 1}),
		wasm.SectionExport:   vector(exportFunc("_start", 0)),
		wasm.SectionCode:     vector(body(code...)),
	}
}

// answerModule is a program that also exports "answer", which returns n, and "byte", which returns the byte that a data
// segment put at address 8.
func answerModule(n byte) []byte {
	s := startModule()
	s[wasm.SectionFunction] = vector([]byte{0}, []byte{1}, []byte{1})
	s[wasm.SectionExport] = vector(exportFunc("_start", 0), exportFunc("answer", 1), exportFunc("byte", 2))
	s[wasm.SectionCode] = vector(body(), body(0x41, n), body(0x41, 8, 0x2d, 0, 0)) // i32.const n; i32.load8_u
	s[wasm.SectionData] = vector(append([]byte{0, 0x41, 8, 0x0b}, text("x")...))
	return s.module()
}

// names is a name section with names for functions.
func names(functions ...string) []byte {
	var items [][]byte
	for i, name := range functions {
		items = append(items, append([]byte{byte(i)}, text(name)...))
	}
	all := vector(items...)
	return appendCustom(nil, "name", append([]byte{1}, append(binary.AppendUvarint(nil, uint64(len(all))), all...)...))
}
