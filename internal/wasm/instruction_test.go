package wasm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oneFunction is a module rich in things to refer to, whose only defined function (number 1) has this code.
func oneFunction(code ...byte) []byte {
	return binaryModule(
		section(SectionType, vec(noneToNone, noneToI32, signature(raw(0x7f, 0x7f), raw(0x7f)))),
		section(SectionImport, vec(importOf("env", "f", 0, 2))),
		section(SectionFunction, vec(raw(0))),
		section(SectionTable, vec(raw(0x70, 0, 4))),
		section(SectionMemory, vec(raw(3, 1, 2))),
		section(SectionTag, vec(raw(0, 0))),
		section(SectionGlobal, vec(raw(0x7f, 1, 0x41, 0, 0x0b), raw(0x7b, 1, 0xfd, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b))),
		section(SectionElement, vec(raw(3, 0, 2, 0, 1), raw(1, 0, 1, 0))),
		section(SectionDataCount, raw(1)),
		section(SectionCode, vec(body(code...))),
		section(SectionData, vec(raw(1, 3, 1, 2, 3))),
	)
}

func TestInstructions(t *testing.T) {
	code := []byte{
		0x41, 0x80, 0x7f, // i32.const -128
		0x04, 0x40, // if
		0x10, 0x80, 0x80, 0x00, // call 0, padded
		0x05,             // else
		0x02, 0x63, 0x70, // block (ref null func)
		0x0e, 2, 0, 1, 2, // br_table
		0x0b, 0x0b,
		0xfd, 0x80, 0x01, // i16x8.abs
		0xfe, 0x10, 2, 0x90, 1, // i32.atomic.load
	}
	m, err := Parse(oneFunction(code...))
	if err != nil {
		t.Fatal(err)
	}
	type step struct {
		Op    Opcode
		Bytes string
		Index uint32
		Depth int
	}
	want := []step{
		{OpI32Const, "\x41\x80\x7f", 0, 1}, {OpIf, "\x04\x40", 0, 2}, {OpCall, "\x10\x80\x80\x00", 0, 2},
		{OpElse, "\x05", 0, 2}, {OpBlock, "\x02\x63\x70", 0, 3}, {OpBrTable, "\x0e\x02\x00\x01\x02", 2, 3},
		{OpEnd, "\x0b", 2, 3}, {OpEnd, "\x0b", 2, 2}, {0xfd<<16 | 0x80, "\xfd\x80\x01", 2, 1},
		{0xfe<<16 | 0x10, "\xfe\x10\x02\x90\x01", 2, 1}, {OpEnd, "\x0b", 2, 1},
	}
	var got []step
	for _, b := range m.Bodies {
		x := b.Expr()
		for x.Next() {
			got = append(got, step{x.Op, string(x.Bytes()), x.Index, x.Depth})
		}
		if x.Err() != nil || x.End != b.End {
			t.Errorf("error %v at %#x of %#x", x.Err(), x.End, b.End)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInstructionErrors(t *testing.T) {
	for _, test := range []struct{ name, code, want string }{
		{"unknown", "\x27", "opcode 0x27 is not known"},
		{"garbage collection", "\xfb\x00\x00", "opcode 0xfb is not known"},
		{"old exceptions", "\x06\x40\x0b", "wasm-opt --translate-to-exnref"},
		{"relaxed SIMD", "\xfd\x80\x02", "opcode 0xfd 0x100 is not known"},
		{"number that is none", "\xfd\x9a\x01", "opcode 0xfd 0x9a is not known"},
		{"second memory", "\x28\x42\x01\x00", "alignment of 2**66"},
		{"second memory's size", "\x3f\x01", "0x1 where 0 must be"},
		{"reserved byte", "\xfe\x03\x01", "0x1 where 0 must be"},
		{"select", "\x1c\x02\x7f\x7f", "select with 2 types, not 1"},
		{"catch", "\x1f\x40\x01\x04\x00", "0x4 is no kind of catch clause"},
		{"block type", "\x02\xc0\x7f\x0b", "block type -64 is not in its shortest form"},
		{"labels", "\x0e\xff\xff\xff\xff\x0f", "number of labels: 4294967295 is more than the remaining"},
		{"clauses", "\x1f\x40\xff\xff\xff\xff\x0f", "number of catch clauses: 4294967295 is more than the remaining"},
		{"open block", "\x02\x40", "expression ends within 1 blocks"},
		{"one end too many", "\x0b", "1 bytes after the end of the function"},
		{"cut off", "\x44\x00", "constant of 8 bytes does not fit into the remaining"},
	} {
		err := accepts(oneFunction([]byte(test.code)...))
		if err == nil || !strings.Contains(err.Error(), "code section: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s:\n got %v\nwant %s", test.name, err, test.want)
		}
	}
}

// Instructions that the engine would read differently from the specification, and so from any pass over the code, are
// refused: a padded number after the prefix of vector and atomic instructions.
func TestPaddedVectorOpcodesAreRefused(t *testing.T) {
	engine := newEngine(t)
	believed := 0
	for _, code := range []string{
		"\x00\xfd\x8b\x00",     // after unreachable: i16x8.shl, unreachable to the engine; v128.store by the book
		"\x00\xfd\xe4\x1a",     // f32x4.add, drop to the engine; nothing by the book
		"\x00\xfd\x80\x02\x40", // i16x8.abs, block to the engine; relaxed SIMD by the book
		"\x00\xfd\x80\x81\x00", // a padded i16x8.abs by the book
		"\x00\xfe\x83\x00\x00", // a padded atomic.fence by the book
	} {
		module := oneFunction([]byte(code)...)
		if compiles(engine, module) == nil {
			believed++
		}
		if err := accepts(module); err == nil || !strings.Contains(err.Error(), "shortest form") {
			t.Errorf("%x: %v", code, err)
		}
	}
	if believed == 0 {
		t.Error("the engine refuses all of them by itself now: is this strictness still needed?")
	}
}

// Whatever the engine accepts is accepted here, and after renumbering accepted by the engine again, instruction for
// instruction.
func FuzzCode(f *testing.F) {
	for _, code := range []string{
		"", "\x41\x00\x41\x00\x10\x00\x1a", "\x00\xfd\x8b\x00", "\xd2\x00\x1a", "\x00\x12\x01",
		"\x02\x40\x1f\x40\x02\x00\x00\x00\x02\x00\x0b\x0b", "\x41\x00\x0e\x01\x00\x00", "\xfe\x03\x00",
		"\x41\x00\x41\x00\x41\x00\xfc\x08\x00\x00\xfc\x09\x00", "\xd0\x70\x1a", "\x03\x40\x0c\x00\x0b",
		"\x41\x00\x41\x00\x41\x00\x13\x02\x00", "\x23\x01\xfd\x15\x03\x1a", "\xd2\x01\x14\x00", "\x02\x01\x41\x00\x0b\x1a",
	} {
		f.Add([]byte(code))
	}
	engine := newEngine(f)
	f.Fuzz(func(t *testing.T, code []byte) {
		module := oneFunction(code...)
		engineErr, err := compiles(engine, module), accepts(module)
		switch {
		case err != nil && engineErr == nil && !strings.Contains(err.Error(), "shortest form"):
			t.Fatalf("the engine accepts what is refused here: %v", err)
		case err != nil || engineErr != nil:
			return
		}
		rewritten, err := renumbered(module)
		if err == nil {
			err = compiles(engine, rewritten)
		}
		if err != nil {
			t.Fatalf("%x: %v", rewritten, err)
		}
		if diff := cmp.Diff(opcodes(module, 0), opcodes(rewritten, 1)); diff != "" {
			t.Error(diff)
		}
	})
}

// opcodes lists those of a defined function.
func opcodes(module []byte, function int) (ops []Opcode) {
	m, err := Parse(module)
	if err != nil {
		return nil
	}
	for i, b := range m.Bodies {
		for x := b.Expr(); i == function && x.Next(); {
			ops = append(ops, x.Op)
		}
	}
	return ops
}
