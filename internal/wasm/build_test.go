package wasm

import "slices"

// Modules for tests are written down in the order of the grammar; what the specification calls vec and name has its
// length computed.

func binaryModule(sections ...[]byte) []byte {
	return append(slices.Clone(preamble), slices.Concat(sections...)...)
}

func section(id SectionID, contents ...[]byte) []byte {
	all := slices.Concat(contents...)
	return append(appendU32([]byte{byte(id)}, uint32(len(all))), all...)
}

func custom(name string, contents ...[]byte) []byte {
	return section(SectionCustom, append([][]byte{appendName(nil, name)}, contents...)...)
}

func vec(items ...[]byte) []byte {
	return append(appendU32(nil, uint32(len(items))), slices.Concat(items...)...)
}

func raw(b ...byte) []byte { return b }

func signature(params, results []byte) []byte {
	return slices.Concat(raw(0x60), appendName(nil, params), appendName(nil, results))
}

func importOf(module, name string, desc ...byte) []byte {
	return append(appendName(appendName(nil, module), name), desc...)
}

func exportOf(name string, desc ...byte) []byte { return append(appendName(nil, name), desc...) }

// body is a function without locals of its own; its end is added.
func body(instructions ...byte) []byte {
	return appendName(nil, slices.Concat(raw(0), instructions, raw(byte(OpEnd))))
}

var (
	noneToNone = signature(nil, nil)
	noneToI32  = signature(nil, raw(byte(TypeI32)))
)
