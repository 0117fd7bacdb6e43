// Package onefile makes one WebAssembly module of a box: its program, its files and its memory image, for any runtime of WASI
// preview 1.
//
// # How
//
// A library written in C (guest/) is linked to the program ([wasm.Link]). What the program would call of the host, it calls of
// the library, which has the box's files: their names and attributes in the module's memory, their contents packed in a
// passive data segment, out of which they are read piece by piece. What the program writes stays in memory. Standard streams,
// clocks, random numbers and directories that the host lends are the host's.
//
// # Layout
//
// The box's tree is laid down as the structs that the library uses (guest/guest.h): struct tree, then inodes in the order in
// which a walk meets them, then what they refer to. Contents are cut into chunks of 64 KiB that are compressed each for itself
// (RFC 1951), or stored where that does not make them smaller; equal contents are stored once.
//
// The same box gives the same bytes.
package onefile

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"boxer.dev/internal/wasm"
	"boxer.dev/runtime/memory"
	"boxer.dev/vfs"
)

// ErrNotBuilt is reported if the library was not there when boxer was compiled.
var ErrNotBuilt = errors.New("the library that boxes are linked with has not been built")

// NotBuiltHint says what to do about ErrNotBuilt.
const NotBuiltHint = "run: make base, then compile again"

//go:embed all:library
var libraries embed.FS

func library() ([]byte, error) {
	lib, err := libraries.ReadFile("library/guest.wasm")
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNotBuilt
	}
	return lib, err
}

// Box is what becomes one module.
type Box struct {
	Tree    *vfs.FS
	Program []byte
	Image   *memory.Image // nil: none

	Fixed []string // the command line up to where the host's arguments come
	Args  []string // what stands there if the host gives none
	Named string   // a name of the program that may stand in front of the host's arguments; "": none
	Env   []string // of the box; the host's come over it
	Dir   string   // working directory: absolute, clean

	UID, GID uint32

	ReadOnly  bool
	Writable  int64 // bytes that files may take; 0: no bound, as for the others
	Files     int64 // that may be made
	OpenFiles int64
	Memory    int64 // bytes of the program's memory
}

// Module makes the module. A program that nothing can be linked to is a [wasm.ErrNotLinkable].
func Module(b *Box) ([]byte, error) {
	lib, err := library()
	if err != nil {
		return nil, err
	}
	linking := &wasm.Linking{Library: lib}
	if b.Image != nil {
		linking.Image = &wasm.Image{Memory: b.Image.Bytes(), Globals: map[string]uint64{}}
		for _, g := range b.Image.Globals {
			linking.Image.Globals[g.Name] = g.Value
		}
	}
	at, err := linking.TreeAt()
	if err != nil {
		return nil, fmt.Errorf("reading the library: %w", err)
	}
	pages, most, err := wasm.InitialPages(b.Program, linking.Image)
	if err != nil {
		return nil, err
	}
	if b.Memory > 0 {
		most = min(most, uint32(max(b.Memory>>16, int64(pages))))
	}
	knows, err := knowsDirectory(b.Program)
	if err != nil {
		return nil, err
	}
	l := newLayout(at)
	if err := l.files(b.Tree); err != nil {
		return nil, fmt.Errorf("packing the box's files: %w", err)
	}
	l.start(b, pages, most, knows)
	if linking.Packed, err = l.pack(); err != nil {
		return nil, fmt.Errorf("packing the box's files: %w", err)
	}
	linking.Tree = l.bytes
	module, err := wasm.Link(b.Program, linking)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Fixed[0], err)
	}
	return module, nil
}

// knowsDirectory reports whether the program asks for its working directory, and so needs no PWD.
func knowsDirectory(program []byte) (bool, error) {
	m, err := wasm.Parse(program)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(m.Imports, func(i wasm.Import) bool { return i.Module == "boxer" && i.Name == "cwd_get" }), nil
}
