// Package wasm reads and rewrites WebAssembly binaries.
//
// It stands between bytes that nobody vouches for and an engine that is fast because it trusts what it is told. Three
// things are wanted of it: a clear word about a file that is no program ([Identify]), a refusal of modules whose
// counts and lengths lie ([Parse], [Module.CheckCode]), and rewriting passes that give a module with the same meaning
// and one property more ([StubImports], [Skeleton], [ExportGlobals]). The numbers in parentheses in this package's
// comments are sections of the WebAssembly core specification, release 2.0; encodings of later proposals that the
// engine accepts (tail calls, exceptions, threads, typed function references, extended constants) are named where they
// occur.
//
// # Views, not trees
//
// A module of ten megabytes is nine megabytes of code and data that no pass looks at twice. So nothing is built from
// them: a [Module] holds the places of things within the caller's bytes, positions are offsets from the start of the
// file (they are what an error shows and what a pass copies by), and a body is read instruction by instruction
// ([Expr]) into a value that is overwritten each time. The tables a program is spoken of in (types, imports, exports,
// globals) are small and become slices. Before a slice is made, the count that the module names is held against the
// bytes that are left, because every item takes some: memory is bounded by a constant times the size of the file.
// The same is asked of what only the engine will read (locals of a function, maps of the name section), since engines
// allocate by those numbers first and look for the bytes later.
//
// # Rewriting by patches
//
// A pass copies the stretches between the places that change. A section nobody touches is copied with its header, a
// body in which no number changes with its size, so that the output of a pass differs from its input where it must
// and nowhere else, and an empty pass gives the same bytes. What does change is written with the shortest LEB128
// (5.2.2), and sizes are computed again; the padded five-byte numbers that linkers leave for relocation vanish only
// where something is replaced.
//
// Function indices are the one number that a pass has to chase through the whole module: call, return_call and
// ref.func in bodies; constant expressions in globals, tables and elements; element vectors; exports; the start
// function; the name section. All of them are found by one visitor (references.go) and changed by one map
// (functionMap). Offsets of data segments are constant expressions too, but an i32 cannot be made from a function
// reference, so none can hide there. Custom sections that speak about positions in the code (DWARF, source maps,
// branch hints, relocations) would be wrong after any change and are dropped by passes that change code; the name
// section is rewritten.
//
// # The same bytes, the same instructions
//
// A pass that inserts checks is worthless if the engine reads other instructions than the pass did. The engine in use
// takes one byte for the opcode after the prefixes 0xfd and 0xfe where the specification has a LEB128 number (5.4.8):
// "fd 8b 00" is a padded v128.store to the one and i16x8.shl, unreachable to the other. The walker therefore
// accepts those opcodes in their shortest form only, where both readings agree, and refuses every opcode, memory
// index or flag it does not know, instead of skipping it.
package wasm
