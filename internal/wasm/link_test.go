package wasm

import (
	"context"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// guestLibrary is what package onefile links to programs.
func guestLibrary(t testing.TB) []byte {
	t.Helper()
	lib, err := os.ReadFile("../onefile/library/guest.wasm")
	if err != nil {
		t.Fatalf("%v\nhint: make base", err)
	}
	return lib
}

// emptyTree is a struct tree that says where it ends and how large a program's memory is, and nothing else
// (internal/onefile/layout.go).
func emptyTree(at, pages, most uint32) []byte {
	tree := make([]byte, 96)
	binary.LittleEndian.PutUint32(tree[72:], at+96)
	binary.LittleEndian.PutUint32(tree[76:], pages)
	binary.LittleEndian.PutUint32(tree[80:], most)
	return tree
}

// startable gives a module with one of its functions that take and give nothing as _start; nil if it has none, or imports
// anything.
func startable(t *testing.T, module []byte) []byte {
	m, err := Parse(module)
	if err != nil || len(m.Imports) > 0 || m.nameFree([]string{startName, servesName, initializeName}) != nil {
		return nil
	}
	for i, typeIndex := range m.Functions {
		if ft := m.Types[typeIndex]; ft.Params.Len+ft.Results.Len > 0 {
			continue
		}
		d := m.draft(func(string) bool { return false })
		export := appendU32(append(appendName(nil, startName), byte(ExternFunc)), uint32(i))
		if err := d.extend(SectionExport, 1, export); err != nil {
			t.Fatal(err)
		}
		return d.encode()
	}
	return nil
}

// linkEmpty links the library, without files.
func linkEmpty(t testing.TB, module []byte) ([]byte, error) {
	pages, most, err := InitialPages(module, nil)
	if err != nil {
		return nil, err
	}
	linking := &Linking{Library: guestLibrary(t), Packed: []byte("packed")}
	at, err := linking.TreeAt()
	if err != nil {
		return nil, err
	}
	linking.Tree = emptyTree(at, pages, most)
	return Link(module, linking)
}

// The specification's modules do what they did, with the library in them.
func TestLinkedSpecModules(t *testing.T) {
	ctx := context.Background()
	engine := newEngine(t)
	wasi_snapshot_preview1.MustInstantiate(ctx, engine)
	run := func(module []byte) string {
		m, err := engine.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithName("").WithStartFunctions())
		if err != nil {
			return outcomeOf(err)
		}
		defer m.Close(ctx)
		if _, err := m.ExportedFunction(startName).Call(ctx); err != nil {
			return outcomeOf(err)
		}
		return "returned"
	}
	linked := 0
	eachSpecModule(t, func(name string, module []byte) {
		if compiles(engine, module) != nil {
			return
		}
		program := startable(t, module)
		if program == nil || hangs(name) {
			return
		}
		with, err := linkEmpty(t, program)
		if err != nil {
			if !strings.Contains(err.Error(), ErrNotLinkable.Error()) {
				t.Errorf("%s: %v", name, err)
			}
			return
		}
		linked++
		m, err := Parse(with)
		if err != nil || len(m.Exports) != 2 || len(m.Memories) != 1 {
			t.Errorf("%s: %d exports, %d memories: %v", name, len(m.Exports), len(m.Memories), err)
		}
		// Memory does not end where the program's does, so that what is out of its bounds may be within the library's.
		if want, got := run(program), run(with); want != got && !startsByItself(program) && !strings.Contains(want, "out of bounds") {
			t.Errorf("%s: %s, and with the library %s", name, want, got)
		}
	})
	if linked < 100 {
		t.Errorf("only %d modules could be linked", linked)
	}
}

// hangs names modules whose functions never end.
func hangs(name string) bool { return strings.Contains(name, "infinite") }

// startsByItself reports whether a module has a start function: the linked one calls it later.
func startsByItself(module []byte) bool {
	m, err := Parse(module)
	return err != nil || m.Start.Present
}

// TestLinkedMemory: a program's memory is as large as it thinks, grows without a gap, is zero where it is new and ends where it
// may not grow.
func TestLinkedMemory(t *testing.T) {
	// _start: sixty times memory.grow(7), each time it must be what memory.size was, and the new page's first number zero, which
	// is then set.
	const local = byte(OpLocalGet)
	body := []byte{2, 2, 0x7f, 0, 0x7f}
	body = append(body, 0x03, 0x40) // loop
	body = append(body, 0x3f, 0, 0x21, 0)
	body = append(body, 0x41, 7, 0x40, 0, local, 0, 0x47, 0x04, 0x40, 0x00, 0x0b)                      // grow; if it is not the size: unreachable
	body = append(body, local, 0, 0x41, 16, 0x74, 0x28, 2, 0, 0x04, 0x40, 0x00, 0x0b)                  // if the page is not zero
	body = append(body, local, 0, 0x41, 16, 0x74, 0x41, 1, 0x36, 2, 0)                                 // set it
	body = append(body, local, 1, 0x41, 1, 0x6a, 0x22, 1, 0x41, 60, 0x49, 0x0d, 0, 0x0b)               // sixty times
	body = append(body, 0x3f, 0, 0x41, 0xa5, 3, 0x47, 0x04, 0x40, 0x00, 0x0b)                          // 1 + 60*7 pages
	body = append(body, 0x41, 0xd0, 0x0f, 0x40, 0, 0x41, 0x7f, 0x47, 0x04, 0x40, 0x00, 0x0b, 0x0b)[1:] // 2000 more are refused
	module := append([]byte{}, preamble...)
	section := func(id SectionID, contents ...byte) {
		module = append(appendU32(append(module, byte(id)), uint32(len(contents))), contents...)
	}
	body = append([]byte{1, 2, 0x7f}, body[4:]...)
	section(SectionType, 1, 0x60, 0, 0)
	section(SectionFunction, 1, 0)
	section(SectionMemory, 1, 1, 1, 0xd0, 0x0f)
	section(SectionExport, append(appendName([]byte{1}, startName), 0, 0)...)
	section(SectionCode, append(appendU32([]byte{1}, uint32(len(body))), body...)...)
	with, err := linkEmpty(t, module)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	engine := newEngine(t)
	wasi_snapshot_preview1.MustInstantiate(ctx, engine)
	var m api.Module
	if m, err = engine.InstantiateWithConfig(ctx, with, wazero.NewModuleConfig()); err != nil {
		t.Fatal(err)
	}
	m.Close(ctx)
}

// FuzzLink: whatever is linked, the engine accepts if it accepted the program.
func FuzzLink(f *testing.F) {
	engine := newEngine(f)
	n := 0
	eachSpecModule(f, func(name string, module []byte) {
		if n++; n%40 == 0 {
			f.Add(module)
		}
	})
	f.Fuzz(func(t *testing.T, module []byte) {
		if compiles(engine, module) != nil {
			return
		}
		program := startable(t, module)
		if program == nil {
			return
		}
		with, err := linkEmpty(t, program)
		if err == nil {
			err = compiles(engine, with)
		} else if strings.Contains(err.Error(), ErrNotLinkable.Error()) {
			err = nil
		}
		if err != nil {
			t.Error(err)
		}
	})
}
