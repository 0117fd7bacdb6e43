package wazero_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// TestTablesOfStores has two runtimes take machine code from one cache that number types differently: what one shares between
// its instances is not the other's.
func TestTablesOfStores(t *testing.T) {
	ctx := t.Context()
	cache := wazero.NewCompilationCache()
	t.Cleanup(func() { cache.Close(context.Background()) })
	// Of these types the first store has never heard when it numbers the module's.
	others := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"), section(1, vector([]byte{0x60, 1, i64, 0}, []byte{0x60, 2, i64, i64, 0}, []byte{0x60, 0, 0})))
	var stores []*engine
	for n := range 2 {
		stores = append(stores, newEngine(t, withTails(wazero.NewRuntimeConfigCompiler()).WithCompilationCache(cache)))
		if n == 1 {
			if _, err := stores[n].InstantiateWithConfig(ctx, others, wazero.NewModuleConfig().WithName("")); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := tabled{}.calls(t, newEngine(t, withTails(wazero.NewRuntimeConfigInterpreter())))
	for round := range 2 {
		for n, store := range stores {
			if diff := cmp.Diff(want, tabled{}.calls(t, store)); diff != "" {
				t.Errorf("store %d, round %d: interpreted (-) and compiled (+):\n%s", n, round, diff)
			}
		}
	}
}

// TestTablesAtOnce instantiates a module by many goroutines, each of which closes what it has made.
func TestTablesAtOnce(t *testing.T) {
	e := newEngine(t, withTails(wazero.NewRuntimeConfigCompiler()))
	compiled, err := e.CompileModule(t.Context(), tabled{}.encode())
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				i, err := e.InstantiateModule(t.Context(), compiled, wazero.NewModuleConfig().WithName(""))
				if err != nil {
					t.Error(err)
					return
				}
				for n := range uint64(3) {
					// Place 0 counts, in a global of the instance's own.
					if results, err := i.ExportedFunction("call").Call(t.Context(), 0); err != nil || results[0] != n+1 {
						t.Errorf("the call %d of an instance gives %d, %v", n+1, results, err)
					}
				}
				if err := i.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// TestFunctionsThatLeave has another module call a function that a module with a table of its own lets it have: the function
// counts in the instance that it is of.
func TestFunctionsThatLeave(t *testing.T) {
	const constant, variable = 0, 1
	for name, test := range map[string]struct {
		tabled
		mutability byte
	}{
		"from the beginning": {tabled{globals: [][]byte{{funcref, constant, 0xd2, count, 0x0b}}}, constant},
		"by an instruction":  {tabled{globals: [][]byte{{funcref, variable, 0xd0, funcref, 0x0b}}, code: []byte{0xd2, count, 0x24, 1}}, variable},
	} {
		t.Run(name, func(t *testing.T) {
			test.exports = [][]byte{append(text("function"), 3, 1)}
			if test.mutability == variable {
				test.exports = append(test.exports, append(text("count"), 0, count)) // declares the function, 3.4.10
			}
			e := newEngine(t, withTails(wazero.NewRuntimeConfigCompiler()))
			compiled, err := e.CompileModule(t.Context(), test.encode())
			if err != nil {
				t.Fatal(err)
			}
			var of, takers []api.Module
			for range 2 {
				i, err := e.InstantiateModule(t.Context(), compiled, wazero.NewModuleConfig().WithName(""))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := i.ExportedFunction("change").Call(t.Context()); err != nil {
					t.Fatal(err)
				}
				of, takers = append(of, i), append(takers, takeFunction(t, e, i, test.mutability))
			}
			for n := range uint64(3) {
				for i, taker := range takers {
					if results, err := taker.ExportedFunction("take").Call(t.Context()); err != nil || results[0] != 2*n+1 {
						t.Errorf("another module's call %d of instance %d: %d, %v", n+1, i, results, err)
					}
					if results, err := of[i].ExportedFunction("call").Call(t.Context(), 0); err != nil || results[0] != 2*n+2 {
						t.Errorf("call %d of instance %d: %d, %v", n+1, i, results, err)
					}
				}
			}
		})
	}
}

// takeFunction gives an instance whose function take calls what is in a module's global.
func takeFunction(t *testing.T, e *engine, of api.Module, mutability byte) api.Module {
	module := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector([]byte{0x60, 0, 1, i32})),
		section(2, vector(slices.Concat(text("owner"), text("function"), []byte{3, funcref, mutability}))),
		section(3, []byte{1, 0}),
		section(4, vector([]byte{funcref, 0, 1})),
		section(7, vector(append(text("take"), 0, 0))),
		section(10, vector(sized([]byte{0, 0x41, 0, 0x23, 0, 0x26, 0, 0x41, 0, 0x11, 0, 0, 0x0b})))) // table.set 0 of global 0; call_indirect 0
	ctx := experimental.WithImportResolver(t.Context(), func(string) api.Module { return of })
	i, err := e.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestTablesOfOthers has instances of one module call through a table of another module's, besides one of their own: each calls what
// its own other module has there.
func TestTablesOfOthers(t *testing.T) {
	ctx := t.Context()
	e := newEngine(t, withTails(wazero.NewRuntimeConfigCompiler()))
	owner, err := e.CompileModule(ctx, tabled{exports: [][]byte{append(text("table"), 1, 0)}}.encode())
	if err != nil {
		t.Fatal(err)
	}
	caller, err := e.CompileModule(ctx, slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector([]byte{0x60, 0, 1, i32})),
		section(2, vector(slices.Concat(text("owner"), text("table"), []byte{1, funcref, 0, 4}))),
		section(3, []byte{1, 0}),
		section(4, vector([]byte{funcref, 0, 1})),
		section(7, vector(append(text("take"), 0, 0))),
		section(9, vector([]byte{2, 1, 0x41, 0, 0x0b, 0, 1, 0})), // into the own table
		section(10, vector(sized([]byte{0, 0x41, 0, 0x11, 0, 0, 0x0b})))))
	if err != nil {
		t.Fatal(err)
	}
	var owners, callers []api.Module
	for range 2 {
		o, err := e.InstantiateModule(ctx, owner, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatal(err)
		}
		c, err := e.InstantiateModule(experimental.WithImportResolver(ctx, func(string) api.Module { return o }), caller, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatal(err)
		}
		owners, callers = append(owners, o), append(callers, c)
	}
	for n := range uint64(3) {
		for i, c := range callers {
			if results, err := c.ExportedFunction("take").Call(ctx); err != nil || results[0] != 2*n+1 {
				t.Errorf("call %d through the table of instance %d: %d, %v", n+1, i, results, err)
			}
			if results, err := owners[i].ExportedFunction("call").Call(ctx, 0); err != nil || results[0] != 2*n+2 {
				t.Errorf("call %d of instance %d: %d, %v", n+1, i, results, err)
			}
		}
	}
}
