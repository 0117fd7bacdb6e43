package wazero_test

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
)

// inPlace is a module whose function f(i32, i64) changes numbers where they are: in memory, and in its globals, by its parameters and by
// constants that have eight bits, or more.
func inPlace() []byte {
	var code []byte
	at := byte(0)
	access := func(load, store byte, operand []byte, op byte) {
		for _, beyond := range []byte{0, 1} { // at an address that is known, and at one that is not: they are checked
			address := []byte{0x41, at | 0x80, 0}
			if beyond == 1 {
				address = []byte{0x41, 0, 0x28, 2, 0xf0, 0x07, 0x41, at | 0x80, 0, 0x6a} // what is at 1008, which is 512
			}
			code = slices.Concat(code, address, []byte{0x22, 2, 0x20, 2, load, 2, 0}, operand, []byte{op, store, 2, 0})
		}
		at += 4
	}
	for _, op := range []byte{0x6a, 0x6b, 0x71, 0x72, 0x73} { // add, sub, and, or, xor
		for _, operand := range [][]byte{{0x20, 0}, {0x41, 3}, {0x41, 0x7d}, {0x41, 0x80, 0x20}, {0x41, 0x80, 0x80, 0x80, 0x80, 0x78}} {
			access(0x28, 0x36, operand, op)
			code = slices.Concat(code, []byte{0x23, 0}, operand, []byte{op, 0x24, 0})
		}
	}
	at = 0
	for _, op := range []byte{0x7c, 0x7d, 0x83, 0x84, 0x85} {
		for _, operand := range [][]byte{{0x20, 1}, {0x42, 3}, {0x42, 0x7d}, {0x42, 0x80, 0x20}, {0x42, 0x80, 0x80, 0x80, 0x80, 0x78}} {
			access(0x29, 0x37, operand, op)
			code = slices.Concat(code, []byte{0x23, 1}, operand, []byte{op, 0x24, 1})
			code = slices.Concat(code, []byte{0x23, 1, 0x42, 1, 0x7d, 0x24, 1, 0x23, 1, 0x42, 2, 0x7d, 0x24, 1}) // twice
		}
	}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector([]byte{0x60, 2, 0x7f, 0x7e, 0})),
		section(3, []byte{1, 0}),
		section(5, []byte{1, 0, 1}),
		section(6, vector([]byte{0x7f, 1, 0x41, 5, 0x0b}, []byte{0x7e, 1, 0x42, 7, 0x0b})),
		section(7, vector(append(text("f"), 0, 0), append(text("m"), 2, 0), append(text("a"), 3, 0), append(text("b"), 3, 1))),
		section(10, vector(sized(slices.Concat([]byte{1, 1, 0x7f}, code, []byte{0x0b})))))
}

// What is changed in place is as if it were read, changed and written.
func TestOperationsInPlace(t *testing.T) {
	ctx := context.Background()
	outcome := func(config wazero.RuntimeConfig) (memory []byte, a, b uint64) {
		r := wazero.NewRuntimeWithConfig(ctx, config)
		defer r.Close(ctx)
		m, err := r.Instantiate(ctx, inPlace())
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint32(1000) {
			m.Memory().WriteByte(i, byte(i*i>>3^i))
		}
		m.Memory().WriteUint32Le(1008, 512)
		for _, x := range []uint64{1, 0x80, 0xfffffff0, 0x123456789abcdef0} {
			if _, err := m.ExportedFunction("f").Call(ctx, x&0xffffffff, x); err != nil {
				t.Fatal(err)
			}
		}
		memory, _ = m.Memory().Read(0, 1<<16)
		return bytes.Clone(memory), m.ExportedGlobal("a").Get(), m.ExportedGlobal("b").Get()
	}
	memory, a, b := outcome(wazero.NewRuntimeConfigInterpreter())
	gotMemory, gotA, gotB := outcome(wazero.NewRuntimeConfig())
	if !bytes.Equal(memory, gotMemory) || a != gotA || b != gotB {
		t.Errorf("globals %#x and %#x, not %#x and %#x; memory is equal: %v", gotA, gotB, a, b, bytes.Equal(memory, gotMemory))
	}
}
