package wasm

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
)

// mixed imports functions of env and boxer in turns and refers to them in every way there is. By index:
// 0 env.a, 1 boxer.x, 2 env.b, 3 boxer.y, 4 boxer.z, then defined: 5 sum, 6 nth, 7 pair.
var mixed = binaryModule(
	section(SectionType, vec(noneToNone, noneToI32, signature(nil, raw(0x7e)), signature(raw(0x7f), raw(0x7f)),
		signature(nil, raw(0x7f, 0x7c, 0x7d)))),
	section(SectionImport, vec(
		importOf("env", "a", 0, 1), importOf("boxer", "x", 0, 2), importOf("env", "m", 2, 0, 1),
		importOf("env", "b", 0, 1), importOf("boxer", "y", 0, 4), importOf("boxer", "z", 0, 0))),
	section(SectionFunction, vec(raw(2), raw(3), raw(4))),
	section(SectionTable, vec(raw(0x70, 0, 9))),
	section(SectionGlobal, vec(raw(0x70, 0, 0xd2, 2, 0x0b))),
	section(SectionExport, vec(exportOf("sum", 0, 5), exportOf("nth", 0, 6), exportOf("pair", 0, 7),
		exportOf("x", 0, 1), exportOf("b", 0, 2), exportOf("g", 3, 0))),
	section(SectionStart, raw(4)),
	section(SectionElement, vec(
		raw(0, 0x41, 0, 0x0b, 3, 0, 2, 0),
		raw(4, 0x41, 3, 0x0b, 2, 0xd2, 2, 0x0b, 0x23, 0, 0x0b),
		raw(3, 0, 1, 3))),
	section(SectionCode, vec(
		body(0x10, 1, 0x10, 0, 0xad, 0x7c, 0x10, 2, 0xad, 0x7c), // x() + a() + b()
		body(0x20, 0, 0x11, 1, 0),                               // table[n]()
		body(0x10, 3))),                                         // y()
	custom(".debug_info", raw(1)),
	custom("producers", raw(0)),
	custom(nameSection,
		raw(0), appendName(nil, appendName(nil, "mixed")),
		raw(1), appendName(nil, vec(raw(0, 1, 'a'), raw(1, 1, 'x'), raw(2, 1, 'b'), raw(3, 1, 'y'), raw(5, 1, 's'))),
		raw(2), appendName(nil, vec(raw(1, 1, 0, 1, 'l'), raw(2, 0), raw(6, 1, 0, 1, 'n'))),
		raw(3), appendName(nil, vec()),
		raw(7), appendName(nil, vec(raw(0, 1, 'g')))),
)

func TestStubImports(t *testing.T) {
	answers := map[string]int64{"x": 1 << 40, "y": -7, "z": 1}
	rewritten, err := StubImports(mixed, "boxer", func(name string, _ FuncType) int64 { return answers[name] })
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	r := newEngine(t)
	env := binaryModule(
		section(SectionType, vec(noneToI32)),
		section(SectionFunction, vec(raw(0), raw(0))),
		section(SectionMemory, vec(raw(0, 1))),
		section(SectionExport, vec(exportOf("a", 0, 0), exportOf("b", 0, 1), exportOf("m", 2, 0))),
		section(SectionCode, vec(body(0x41, 1), body(0x41, 2))))
	if _, err := r.InstantiateWithConfig(ctx, env, wazero.NewModuleConfig().WithName("env")); err != nil {
		t.Fatal(err)
	}
	mod, err := r.Instantiate(ctx, rewritten)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		function string
		args     []uint64
		want     []uint64
	}{
		{"sum", nil, []uint64{1<<40 + 3}},
		{"nth", []uint64{0}, []uint64{1}},
		{"nth", []uint64{1}, []uint64{2}},
		{"nth", []uint64{2}, []uint64{1}},
		{"nth", []uint64{3}, []uint64{2}},
		{"nth", []uint64{4}, []uint64{2}},
		{"x", nil, []uint64{1 << 40}},
		{"b", nil, []uint64{2}},
		{"pair", nil, []uint64{math.MaxUint32 - 6, math.Float64bits(-7), uint64(math.Float32bits(-7))}},
	} {
		got, err := mod.ExportedFunction(test.function).Call(ctx, test.args...)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s(%d) = %x, %v; want %x", test.function, test.args, got, err, test.want)
		}
	}
	for export, name := range map[string]string{"sum": "s", "x": "x", "nth": ""} {
		if got := mod.ExportedFunction(export).Definition().Name(); got != name {
			t.Errorf("%s is called %q in the name section, want %q", export, got, name)
		}
	}
}

func TestStubImportsCustomSections(t *testing.T) {
	rewritten, err := Portable(mixed)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(rewritten)
	if err != nil {
		t.Fatal(err)
	}
	var customs []string
	for _, s := range m.Sections {
		if s.ID == SectionCustom {
			customs = append(customs, fmt.Sprintf("%s %x", s.Name, s.Data))
		}
	}
	want := []string{"producers 00", fmt.Sprintf("name %x", slices.Concat(
		raw(0), appendName(nil, appendName(nil, "mixed")),
		raw(1), appendName(nil, vec(raw(0, 1, 'a'), raw(1, 1, 'b'), raw(2, 1, 'x'), raw(3, 1, 'y'), raw(5, 1, 's'))),
		raw(2), appendName(nil, vec(raw(1, 0), raw(2, 1, 0, 1, 'l'), raw(6, 1, 0, 1, 'n'))),
		raw(7), appendName(nil, vec(raw(0, 1, 'g')))))}
	if diff := cmp.Diff(want, customs); diff != "" {
		t.Error(diff)
	}
}

// Bodies that call no renumbered function keep their bytes, padding included; others are written in the shortest form.
func TestStubImportsLeavesBodiesAlone(t *testing.T) {
	padded := []byte{0x86, 0x80, 0x80, 0x80, 0x00, 0, 0x10, 0x82, 0x80, 0x00, 0x0b} // call 2
	shifted := []byte{0x88, 0x80, 0x80, 0x80, 0x00, 0, 0x10, 0x81, 0x80, 0x80, 0x80, 0x00, 0x0b}
	module := binaryModule(
		section(SectionType, vec(noneToNone)),
		section(SectionImport, vec(importOf("boxer", "x", 0, 0), importOf("env", "a", 0, 0))),
		section(SectionFunction, vec(raw(0), raw(0))),
		section(SectionCode, vec(padded, shifted)),
	)
	want := binaryModule(
		section(SectionType, vec(noneToNone)),
		section(SectionImport, vec(importOf("env", "a", 0, 0))),
		section(SectionFunction, vec(raw(0), raw(0), raw(0))),
		section(SectionCode, vec(body(), padded, body(0x10, 0))),
	)
	got, err := Portable(module)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v\n got %x\nwant %x", err, got, want)
	}
}

func TestStubImportsErrors(t *testing.T) {
	types := section(SectionType, vec(noneToNone, signature(nil, raw(0x6f))))
	for _, test := range []struct {
		name, want string
		module     []byte
	}{
		{"no module", "this is no WebAssembly core module but empty file", nil},
		{"memory", "boxer.m is a memory: only functions can be stubbed", binaryModule(section(SectionImport, vec(importOf("boxer", "m", 2, 0, 1))))},
		{"result", "boxer.f has a result that no number can stand for", binaryModule(types, section(SectionImport, vec(importOf("boxer", "f", 0, 1))))},
		{"call", "there is no such function", binaryModule(types,
			section(SectionImport, vec(importOf("boxer", "f", 0, 0))), section(SectionFunction, vec(raw(0))),
			section(SectionCode, vec(body(0x10, 2))))},
		{"element", "there is no such function", binaryModule(types,
			section(SectionImport, vec(importOf("boxer", "f", 0, 0))), section(SectionElement, vec(raw(1, 0, 1, 1))))},
	} {
		got, err := Portable(test.module)
		if got != nil && test.module != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

func TestSkeleton(t *testing.T) {
	got, err := Skeleton(everySection)
	if err != nil {
		t.Fatal(err)
	}
	full, _ := Parse(everySection)
	bare, err := Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	same := []SectionID{SectionType, SectionImport, SectionFunction, SectionTable, SectionMemory, SectionTag, SectionGlobal,
		SectionExport, SectionElement, SectionDataCount}
	for _, id := range same {
		want, _ := full.Section(id)
		if s, _ := bare.Section(id); !bytes.Equal(s.raw, want.raw) {
			t.Errorf("%v differs", id)
		}
	}
	for i, b := range bare.Bodies {
		if !bytes.Equal(got[b.Entry:b.End], body(byte(OpUnreachable))) {
			t.Errorf("body %d is %x", i, got[b.Entry:b.End])
		}
	}
	data, _ := bare.Section(SectionData)
	if want := vec(raw(1, 0), raw(1, 1, 7), raw(1, 0)); !bytes.Equal(data.Data, want) {
		t.Errorf("data are %x, want %x", data.Data, want)
	}
	if bare.Start.Present || len(bare.Sections) != len(same)+2 {
		t.Errorf("start function or custom sections are left: %d sections", len(bare.Sections))
	}
}

func TestSkeletonWithoutDataCountHasNoData(t *testing.T) {
	module := guestModule(t)
	got, err := Skeleton(module)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := m.Section(SectionData); ok || len(got) > len(module)/20 {
		t.Errorf("skeleton has %d bytes of %d", len(got), len(module))
	}
	if err := compiles(newEngine(t), got); err != nil {
		t.Error(err)
	}
}

func TestExportGlobals(t *testing.T) {
	global := func(mutable byte) []byte { return raw(0x7f, mutable, 0x41, 42, 0x0b) }
	module := binaryModule(
		section(SectionImport, vec(importOf("env", "g", 3, 0x7f, 1))),
		section(SectionGlobal, vec(global(1), global(0), global(1), global(1))),
		section(SectionExport, vec(exportOf("known", 3, 3))),
		section(SectionData, vec()),
	)
	got, names, err := ExportGlobals(module, "boxer.global.")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"boxer.global.1", "boxer.global.4"}, names); diff != "" {
		t.Error(diff)
	}
	m, err := Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	want := []Export{{"known", ExternGlobal, 3}, {"boxer.global.1", ExternGlobal, 1}, {"boxer.global.4", ExternGlobal, 4}}
	if diff := cmp.Diff(want, m.Exports); diff != "" {
		t.Error(diff)
	}
	if again, names, err := ExportGlobals(got, "boxer.global."); err != nil || names != nil || !bytes.Equal(again, got) {
		t.Errorf("second run changes something: %v %v", names, err)
	}
}

func TestExportGlobalsMakesTheSection(t *testing.T) {
	module := binaryModule(section(SectionGlobal, vec(raw(0x7f, 1, 0x41, 42, 0x0b))), section(SectionData, vec()))
	got, _, err := ExportGlobals(module, "g")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := newEngine(t).Instantiate(context.Background(), got)
	if err != nil {
		t.Fatal(err)
	}
	if g := mod.ExportedGlobal("g0"); g == nil || g.Get() != 42 {
		t.Errorf("exported global is %v", g)
	}
}

// A module that uses the names of a pass is refused, not believed.
func TestExportGlobalsNameTaken(t *testing.T) {
	module := binaryModule(
		section(SectionGlobal, vec(raw(0x7f, 1, 0x41, 42, 0x0b), raw(0x7f, 0, 0x41, 1, 0x0b))),
		section(SectionExport, vec(exportOf("g0", 3, 1))))
	if _, _, err := ExportGlobals(module, "g"); err == nil || !strings.Contains(err.Error(), `name "g0" is taken`) {
		t.Error(err)
	}
}
