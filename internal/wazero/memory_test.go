// Package wazero_test compares the machine code that wazero makes, patched or not, with wazero's interpreter.
package wazero_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"boxer.dev/runtime/memory"
)

// FuzzMemory runs programs that access memory as machine code and by interpretation: what they return, how they trap and
// what they leave behind has to be the same. An access out of bounds that is not noticed would be one to the host's memory.
func FuzzMemory(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 5))
	for range 300 {
		dice := make([]byte, 100+r.IntN(2000))
		for i := range dice {
			dice[i] = byte(r.Uint32())
		}
		f.Add(dice)
	}
	compiler, interpreter := newEngine(f, wazero.NewRuntimeConfigCompiler()), newEngine(f, wazero.NewRuntimeConfigInterpreter())
	large := takesLargeMemory()
	f.Fuzz(func(t *testing.T, dice []byte) {
		p := generate(dice, large)
		want, got := interpreter.run(t, p), compiler.run(t, p)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("interpreted (-) and compiled (+):\n%s", diff)
		}
	})
}

// takesLargeMemory reports whether the compiler is right about addresses from 2 GiB on, and the system about memory that is
// never touched.
func takesLargeMemory() bool {
	return (patched() || goruntime.GOARCH != "amd64") && (goruntime.GOOS == "linux" || goruntime.GOOS == "darwin")
}

// patched reports whether this is wazero with the patches.
func patched() bool {
	file, _ := goruntime.FuncForPC(reflect.ValueOf(wazero.NewRuntime).Pointer()).FileLine(0)
	return strings.Contains(file, "-boxer.")
}

type engine struct{ wazero.Runtime }

func newEngine(tb testing.TB, config wazero.RuntimeConfig) *engine {
	ctx := context.Background()
	e := &engine{wazero.NewRuntimeWithConfig(ctx, config)}
	tb.Cleanup(func() { e.Close(ctx) })
	// The host's function grows the memory by what its argument's lowest two bits say.
	host := api.GoModuleFunc(func(_ context.Context, m api.Module, stack []uint64) {
		if n := uint32(stack[0]); m.Memory() != nil {
			m.Memory().Grow(n & 3 % 3)
		}
		stack[0] = stack[0] * 3 & 0xffff_ffff
	})
	_, err := e.NewHostModuleBuilder("env").NewFunctionBuilder().
		WithGoModuleFunction(host, []api.ValueType{api.ValueTypeI32}, []api.ValueType{api.ValueTypeI32}).Export("host").Instantiate(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// outcome is what can be seen of a program.
type outcome struct {
	Results []string
	Pages   uint32
	Global  uint64
	Memory  map[uint32]string // that is not zero, in pieces, near the addresses that programs know
}

func (e *engine) run(t *testing.T, p *program) outcome {
	t.Helper()
	allocate := experimental.MemoryAllocatorFunc(func(_, max uint64) experimental.LinearMemory { return memory.New(max) })
	ctx := experimental.WithMemoryAllocator(t.Context(), allocate)
	if p.imported {
		owner, err := e.InstantiateWithConfig(ctx, p.owner(), wazero.NewModuleConfig().WithName("owner"))
		if err != nil {
			t.Fatal(err)
		}
		defer owner.Close(ctx)
	}
	m, err := e.InstantiateWithConfig(ctx, p.module, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatalf("%v\n%x", err, p.module)
	}
	defer m.Close(ctx)
	o := outcome{Memory: make(map[uint32]string)}
	p.fill(m.Memory())
	for _, arguments := range p.calls {
		results, err := m.ExportedFunction("main").Call(ctx, arguments...)
		o.Results = append(o.Results, fmt.Sprintf("%x %v", results, err))
	}
	o.Global = m.ExportedGlobal("global").Get()
	o.Pages, _ = m.Memory().Grow(0)
	o.look(m.Memory(), append(p.known(), o.Pages<<16)...)
	return o
}

// fill writes numbers, for programs to read.
func (p *program) fill(m api.Memory) {
	for _, address := range p.known() {
		for i := range uint32(64) {
			m.WriteUint64Le(address-256+8*i, uint64(i)*0x8040_2010_0804_0201)
		}
	}
}

// look reads the memory around some addresses.
func (o *outcome) look(m api.Memory, addresses ...uint32) {
	const piece, around = 64, 1 << 10
	zeros := make([]byte, piece)
	for _, address := range addresses {
		for at := address - min(address, around); at < address+around; at += piece {
			b, ok := m.Read(at, piece)
			if ok && !bytes.Equal(b, zeros) {
				o.Memory[at] = fmt.Sprintf("%x", b)
			}
		}
	}
}
