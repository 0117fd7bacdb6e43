package wasm_test

import (
	"fmt"

	"boxer.dev/internal/wasm"
)

// hello imports two functions without parameters or results, boxer.ping and env.log, and exports main, which calls both.
const hello = "\x00asm\x01\x00\x00\x00" +
	"\x01\x04\x01\x60\x00\x00" +
	"\x02\x18\x02\x05boxer\x04ping\x00\x00\x03env\x03log\x00\x00" +
	"\x03\x02\x01\x00" +
	"\x07\x08\x01\x04main\x00\x02" +
	"\x0a\x08\x01\x06\x00\x10\x00\x10\x01\x0b"

func ExampleIdentify() {
	for _, head := range []string{hello, "\x00asm\x0d\x00\x01\x00", "print('hello')\n", "\x1f\x8b\x08"} {
		fmt.Println(wasm.Identify([]byte(head)))
	}
	// Output:
	// WebAssembly core module
	// WebAssembly component (not a core module)
	// text without #!
	// gzip-compressed file
}

func ExampleParse() {
	m, err := wasm.Parse([]byte(hello))
	if err != nil {
		panic(err)
	}
	for _, imp := range m.Imports {
		fmt.Println("needs", imp.Module, imp.Name, m.Types[imp.Type])
	}
	fmt.Println("offers", m.Exports[0].Name)

	_, err = wasm.Parse([]byte(hello[:len(hello)-3]))
	fmt.Println(err)
	// Output:
	// needs boxer ping () -> ()
	// needs env log () -> ()
	// offers main
	// wasm: offset 0x37: code section: 8 is more than the remaining 5 bytes can hold
}

func ExampleModule_Bodies() {
	m, err := wasm.Parse([]byte(hello))
	if err != nil {
		panic(err)
	}
	for _, body := range m.Bodies {
		x := body.Expr()
		for x.Next() {
			if x.Op == wasm.OpCall {
				fmt.Printf("function %d calls function %d at offset %#x\n", body.Index, x.Index, x.Pos)
			}
		}
		if x.Err() != nil {
			panic(x.Err())
		}
	}
	// Output:
	// function 2 calls function 0 at offset 0x3b
	// function 2 calls function 1 at offset 0x3d
}

func ExampleStubImports() {
	portable, err := wasm.StubImports([]byte(hello), "boxer", func(name string, t wasm.FuncType) int64 {
		fmt.Println("stub", name, t)
		return 0
	})
	if err != nil {
		panic(err)
	}
	m, err := wasm.Parse(portable)
	if err != nil {
		panic(err)
	}
	fmt.Println(len(m.Imports), "import left,", len(m.Functions), "functions defined")
	// Output:
	// stub ping () -> ()
	// 1 import left, 2 functions defined
}

func ExampleSkeleton() {
	skeleton, err := wasm.Skeleton([]byte(hello))
	if err != nil {
		panic(err)
	}
	fmt.Printf("%x\n", skeleton[len(skeleton)-7:])
	// Output:
	// 0a05010300000b
}

func ExampleExportGlobals() {
	counter := "\x00asm\x01\x00\x00\x00" + "\x06\x06\x01\x7f\x01\x41\x2a\x0b"
	_, names, err := wasm.ExportGlobals([]byte(counter), "boxer.global.")
	fmt.Println(names, err)
	// Output:
	// [boxer.global.0] <nil>
}
