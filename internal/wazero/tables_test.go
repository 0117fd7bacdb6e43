package wazero_test

import (
	"context"
	"encoding/binary"
	"fmt"
	goruntime "runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// tabled is a module with a table of four places. Its functions, but for the host's, are
//
//	call:   calls what is in a place, without arguments
//	tail:   ends by calling what is in a place, with the place as argument
//	change: does what code says
//	count:  adds one to a global, and gives it
//
// Places 0 and 1 hold count and call; the other two are empty. Types are () -> i32, i32 -> i32 and () -> ().
type tabled struct {
	name     string
	code     []byte // of change
	elements []byte // the section, if it is another one
	exports  [][]byte
	imports  [][]byte // besides the host's function
	globals  [][]byte // besides the number
	places   uint64   // 0: four
}

const funcref = 0x70

// Functions of a tabled module; the first is the host's, as elsewhere.
const call, tail, change, count = 1, 2, 3, 4

func (m tabled) encode() []byte {
	number := []byte{i32, 1, 0x41, 0, 0x0b}
	own := byte(len(m.imports)) // globals come in first
	body := func(code ...byte) []byte { return sized([]byte{0}, code, []byte{0x0b}) }
	elements := m.elements
	if elements == nil {
		elements = vector([]byte{0, 0x41, 0, 0x0b, 2, count, call})
	}
	exports := [][]byte{}
	for i, name := range []string{"call", "tail", "change"} {
		exports = append(exports, append(text(name), 0, call+byte(i)))
	}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector([]byte{0x60, 0, 1, i32}, []byte{0x60, 1, i32, 1, i32}, []byte{0x60, 0, 0})),
		section(2, vector(append(m.imports, slices.Concat(text("env"), text("host"), []byte{0, 1}))...)),
		section(3, vector([]byte{1}, []byte{1}, []byte{2}, []byte{0})),
		section(4, vector(binary.AppendUvarint([]byte{funcref, 0}, max(4, m.places)))),
		section(5, vector([]byte{1, 1, 9})), // for the host's function
		section(6, vector(append([][]byte{number}, m.globals...)...)),
		section(7, vector(append(exports, m.exports...)...)),
		section(9, elements),
		section(10, vector(
			body(0x20, 0, 0x11, 0, 0),          // call_indirect
			body(0x20, 0, 0x20, 0, 0x13, 1, 0), // return_call_indirect
			body(m.code...),
			body(0x23, own, 0x41, 1, 0x6a, 0x24, own, 0x23, own),
		)))
}

var tabledModules = []tabled{
	{name: "nothing"},
	{name: "table.set of a place", code: []byte{0x41, 2, 0x41, 0, 0x25, 0, 0x26, 0}},
	{name: "table.set of nothing", code: []byte{0x41, 0, 0xd0, funcref, 0x26, 0}},
	{name: "ref.func", code: []byte{0x41, 2, 0xd2, count, 0x26, 0}},
	{name: "table.copy", code: []byte{0x41, 2, 0x41, 0, 0x41, 1, 0xfc, 14, 0, 0}},
	{name: "table.fill", code: []byte{0x41, 0, 0xd0, funcref, 0x41, 4, 0xfc, 17, 0}},
	{name: "table.grow", code: []byte{0xd0, funcref, 0x41, 8, 0xfc, 15, 0, 0x1a}},
	{
		name:     "table.init",
		code:     []byte{0x41, 2, 0x41, 0, 0x41, 1, 0xfc, 12, 1, 0},
		elements: vector([]byte{0, 0x41, 0, 0x0b, 2, count, call}, []byte{1, 0, 1, count}),
	},
	{name: "an exported table", exports: [][]byte{append(text("table"), 1, 0)}},
	{name: "a function of the host's", elements: vector([]byte{0, 0x41, 0, 0x0b, 3, count, host, count})},
	{name: "a global function", globals: [][]byte{{funcref, 1, 0xd2, count, 0x0b}}, exports: [][]byte{append(text("function"), 3, 1)}},
	{
		name:     "a place that another module names",
		imports:  [][]byte{slices.Concat(text("named"), text("place"), []byte{3, i32, 0})},
		elements: vector([]byte{0, 0x23, 0, 0x0b, 2, count, call}),
	},
	{name: "elements out of bounds", elements: vector([]byte{0, 0x41, 0, 0x0b, 1, count}, []byte{0, 0x41, 3, 0x0b, 2, count, call})},
}

// calls are what three instances of a module say: one that changes, one that was there before, one that comes later.
func (m tabled) calls(t *testing.T, e *engine) (said []string) {
	ctx := t.Context()
	compiled, err := e.CompileModule(ctx, m.encode())
	if err != nil {
		t.Fatal(err)
	}
	var named api.Module
	defer func() { named.Close(ctx) }()
	instance := func(place byte) api.Module {
		if named != nil {
			named.Close(ctx)
		}
		global := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
			section(6, vector([]byte{i32, 0, 0x41, place, 0x0b})), section(7, vector(append(text("place"), 3, 0))))
		if named, err = e.InstantiateWithConfig(ctx, global, wazero.NewModuleConfig().WithName("named")); err != nil {
			t.Fatal(err)
		}
		i, err := e.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	ask := func(who string, i api.Module) {
		for _, function := range []string{"call", "tail"} {
			for place := range uint64(6) {
				results, err := i.ExportedFunction(function).Call(ctx, place)
				said = append(said, fmt.Sprintf("%s %s %d: %d %v", who, function, place, results, err))
			}
		}
	}
	first, second := instance(0), instance(1)
	ask("first", first)
	ask("second", second)
	if _, err := first.ExportedFunction("change").Call(ctx); err != nil {
		t.Fatal(err)
	}
	if len(m.exports) > 0 && m.globals == nil {
		writeTable(t, e, first)
	}
	ask("changed", first)
	ask("second", second)
	third := instance(2)
	first.Close(ctx)
	goruntime.GC()
	ask("second", second)
	ask("third", third)
	return said
}

// writeTable puts a function of another module into place 2 of the table that a module exports.
func writeTable(t *testing.T, e *engine, of api.Module) {
	module := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector([]byte{0x60, 0, 1, i32})),
		section(2, vector(slices.Concat(text("owner"), text("table"), []byte{1, funcref, 0, 4}))),
		section(3, []byte{1, 0}),
		section(9, vector([]byte{0, 0x41, 2, 0x0b, 1, 0})),
		section(10, vector(sized([]byte{0, 0x41, 42, 0x0b}))))
	ctx := experimental.WithImportResolver(t.Context(), func(string) api.Module { return of })
	if _, err := e.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithName("")); err != nil {
		t.Fatal(err)
	}
}

// TestTables asks instances of one module what their tables hold: each has to answer as if it had a table of its own,
// compiled, as a cache keeps what was compiled, and read from there.
func TestTables(t *testing.T) {
	cache := t.TempDir()
	cached := func() *engine {
		files, err := wazero.NewCompilationCacheWithDir(cache)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { files.Close(context.Background()) })
		return newEngine(t, withTails(wazero.NewRuntimeConfigCompiler()).WithCompilationCache(files))
	}
	interpreter := newEngine(t, withTails(wazero.NewRuntimeConfigInterpreter()))
	compilers := map[string]*engine{"compiled": newEngine(t, withTails(wazero.NewRuntimeConfigCompiler()))}
	for _, module := range tabledModules {
		t.Run(module.name, func(t *testing.T) {
			want := module.calls(t, interpreter)
			compilers["written"], compilers["read"] = cached(), cached()
			for _, name := range []string{"compiled", "written", "read"} {
				if diff := cmp.Diff(want, module.calls(t, compilers[name])); diff != "" {
					t.Errorf("interpreted (-) and %s (+):\n%s", name, diff)
				}
			}
		})
	}
}

func withTails(c wazero.RuntimeConfig) wazero.RuntimeConfig {
	return c.WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall)
}

// needPatches skips a test of what only patches bring.
func needPatches(t *testing.T) {
	t.Helper()
	if !patched() {
		t.Skip("this is wazero without patches: go test $(internal/wazero/prepare.sh)")
	}
}

// TestEntriesAreEvaluatedWithoutAllocating counts what an instance allocates that has a large table of its own: a record for each
// function, and nothing for the expression that names it.
func TestEntriesAreEvaluatedWithoutAllocating(t *testing.T) {
	needPatches(t)
	const size = 10000
	e := newEngine(t, withTails(wazero.NewRuntimeConfigCompiler()))
	elements := slices.Concat([]byte{0, 0x41, 0, 0x0b}, binary.AppendUvarint(nil, size), slices.Repeat([]byte{count}, size))
	changing := tabled{code: []byte{0x41, 2, 0x41, 0, 0x25, 0, 0x26, 0}, elements: vector(elements), places: size}
	compiled, err := e.CompileModule(t.Context(), changing.encode())
	if err != nil {
		t.Fatal(err)
	}
	pieces := testing.AllocsPerRun(5, func() {
		i, err := e.InstantiateModule(t.Context(), compiled, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatal(err)
		}
		i.Close(t.Context())
	})
	if pieces > size*3/2 {
		t.Errorf("an instance with %d functions in its table takes %.0f pieces of memory", size, pieces)
	}
}

// TestTablesAreShared counts what one more instance with a large table takes.
func TestTablesAreShared(t *testing.T) {
	needPatches(t)
	const size = 10000
	e := newEngine(t, withTails(wazero.NewRuntimeConfigCompiler()))
	elements := slices.Concat([]byte{0, 0x41, 0, 0x0b}, binary.AppendUvarint(nil, size), slices.Repeat([]byte{count}, size))
	module := tabled{elements: vector(elements), places: size}
	compiled, err := e.CompileModule(t.Context(), module.encode())
	if err != nil {
		t.Fatal(err)
	}
	var taken uint64
	for range 2 {
		before := allocated()
		i, err := e.InstantiateModule(t.Context(), compiled, wazero.NewModuleConfig().WithName(""))
		taken = allocated() - before
		if err != nil {
			t.Fatal(err)
		}
		if results, err := i.ExportedFunction("call").Call(t.Context(), size-1); err != nil || results[0] != 1 {
			t.Errorf("the last place gives %d %v, want [1]", results, err)
		}
	}
	if taken > 8*size {
		t.Errorf("the second instance took %d bytes: a table of %d places alone has eight for each", taken, size)
	}
}

func allocated() uint64 {
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.TotalAlloc
}

// TestCallStacksAreGivenBack counts what is left of a deep recursion when it has ended.
func TestCallStacksAreGivenBack(t *testing.T) {
	needPatches(t)
	e := newEngine(t, wazero.NewRuntimeConfigCompiler())
	// f(n): n == 0 ? 0 : f(n - 1) + 1
	body := []byte{0, 0x20, 0, 0x45, 0x04, i32, 0x41, 0, 0x05, 0x20, 0, 0x41, 1, 0x6b, 0x10, 0, 0x41, 1, 0x6a, 0x0b, 0x0b}
	module := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector([]byte{0x60, 1, i32, 1, i32})), section(3, []byte{1, 0}),
		section(7, vector(append(text("f"), 0, 0))), section(10, vector(sized(body))))
	i, err := e.InstantiateWithConfig(t.Context(), module, wazero.NewModuleConfig())
	if err != nil {
		t.Fatal(err)
	}
	f := i.ExportedFunction("f")
	before, began := held(), allocated()
	const depth = 20_000 // with more the stack is not in the heap
	for _, n := range []uint64{depth, 3, depth} {
		if results, err := f.Call(t.Context(), n); err != nil || results[0] != n {
			t.Fatalf("f(%d) = %d, %v", n, results, err)
		}
	}
	if grown := allocated() - began; grown < 1<<20 {
		t.Fatalf("the recursions took no more than %d bytes: what this test says of them is not known", grown)
	}
	if after := held(); after > before+1<<19 {
		t.Errorf("%d bytes are held when nothing runs, before it were %d", after, before)
	}
	goruntime.KeepAlive(f)
}

// held is what the garbage collector leaves.
func held() uint64 {
	var m goruntime.MemStats
	goruntime.GC()
	goruntime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestReferencesAreBounded takes references in a loop: the host may not keep a record of each.
func TestReferencesAreBounded(t *testing.T) {
	needPatches(t)
	module := tabled{code: []byte{0xd2, count, 0x1a}}.encode()
	for _, engine := range []*engine{newEngine(t, withTails(wazero.NewRuntimeConfigCompiler())), newEngine(t, withTails(wazero.NewRuntimeConfigInterpreter()))} {
		i, err := engine.InstantiateWithConfig(t.Context(), module, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatal(err)
		}
		change := i.ExportedFunction("change")
		before := held()
		for range 50_000 {
			if _, err := change.Call(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if after := held(); after > before+1<<20 {
			t.Errorf("50,000 references to one function take %d bytes", after-before)
		}
		i.Close(t.Context())
	}
}
