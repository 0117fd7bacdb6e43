package wazero_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// recursion is a module with a function f(n, x) of i64, which
//
//   - computes as many numbers as there are locals: local k is x * (k+1) + n,
//   - calls itself with n-1 and x+1, or if n is zero the host with x, and traps if that gives zero,
//   - gives what came of it times 31, plus its numbers, all of which have to be on the stack meanwhile.
func recursion(locals int) []byte {
	const n, x, result = 0, 1, 2
	constant := func(v int64) []byte { return appendSigned([]byte{0x42}, v) }
	get := func(l int) []byte { return binary.AppendUvarint([]byte{0x20}, uint64(l)) }
	set := func(l int) []byte { return binary.AppendUvarint([]byte{0x21}, uint64(l)) }
	code := slices.Concat([]byte{1}, binary.AppendUvarint(nil, uint64(locals+1)), []byte{i64})
	for k := range locals {
		code = slices.Concat(code, get(x), constant(int64(k+1)), []byte{0x7e}, get(n), []byte{0x7c}, set(3+k))
	}
	code = slices.Concat(code, get(n), []byte{0x50, 0x04, 0x40}, // if n == 0
		get(x), []byte{0x10, 0}, []byte{0x22, result, 0x50, 0x04, 0x40, 0x00, 0x0b}, // unreachable if the host gives zero
		[]byte{0x05}, get(n), constant(1), []byte{0x7d}, get(x), constant(1), []byte{0x7c, 0x10, 1}, set(result), []byte{0x0b},
		get(result), constant(31), []byte{0x7e})
	for k := range locals {
		code = slices.Concat(code, get(3+k), []byte{0x7c})
	}
	code = append(code, 0x0b)
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector([]byte{0x60, 1, i64, 1, i64}, []byte{0x60, 2, i64, i64, 1, i64})),
		section(2, vector(slices.Concat(text("bottom"), text("host"), []byte{0, 0}))),
		section(3, []byte{1, 1}),
		section(7, vector(append(text("f"), 0, 1))),
		section(10, vector(sized(code))))
}

// recursed is what f gives if the host gives at.
func recursed(locals int, n, x uint64, at uint64) uint64 {
	result := at
	for i := range n + 1 {
		depth, here := i, x+n-i
		result *= 31
		for k := range uint64(locals) {
			result += here*(k+1) + depth
		}
	}
	return result
}

// bottom is what the host does at the bottom of a recursion.
type bottom struct {
	locals int
	then   []uint64 // depths of further recursions, each at the bottom of the one before
	fails  string   // how the last one ends, if not by its number
	look   func()   // called there, if not nil
}

type bottomKey struct{}

var errBottom = errors.New("there is no bottom")

func (b bottom) host(ctx context.Context, m api.Module, stack []uint64) {
	x := stack[0]
	switch {
	case len(b.then) > 0:
		rest := b
		rest.then = b.then[1:]
		results, err := m.ExportedFunction("f").Call(context.WithValue(ctx, bottomKey{}, rest), b.then[0], x)
		if err != nil {
			panic(err)
		}
		stack[0] = results[0]
	case b.fails == "trap":
		stack[0] = 0
	case b.fails == "panic":
		panic(errBottom)
	case b.look != nil:
		b.look()
		stack[0] = x | 1
	default:
		goruntime.Gosched()
		stack[0] = x | 1
	}
}

func (b bottom) want(n, x uint64) uint64 {
	at := x + n | 1
	if len(b.then) > 0 {
		at = bottom{locals: b.locals, then: b.then[1:]}.want(b.then[0], x+n)
	}
	return recursed(b.locals, n, x, at)
}

func withBottom(tb testing.TB) wazero.Runtime {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
	tb.Cleanup(func() { r.Close(ctx) })
	host := api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
		ctx.Value(bottomKey{}).(bottom).host(ctx, m, stack)
	})
	_, err := r.NewHostModuleBuilder("bottom").NewFunctionBuilder().
		WithGoModuleFunction(host, []api.ValueType{i64}, []api.ValueType{i64}).Export("host").Instantiate(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// TestStacks has many programs at the same time go deep, from within each other, while garbage is collected: what each keeps on
// its stack has to be there when it comes back, wherever the stack has been moved to, whoever had it before, and whatever came
// to an end on it. Frames are small, large, and larger than what a stack begins with.
func TestStacks(t *testing.T) {
	frames := []int{0, 40, 4000}
	r := withBottom(t)
	var compiled []wazero.CompiledModule
	for _, locals := range frames {
		c, err := r.CompileModule(t.Context(), recursion(locals))
		if err != nil {
			t.Fatal(err)
		}
		compiled = append(compiled, c)
	}
	var group sync.WaitGroup
	for seed := range uint64(3) {
		group.Go(func() {
			dice := rand.New(rand.NewPCG(seed, 1))
			for i, c := range compiled {
				m, err := r.InstantiateModule(t.Context(), c, wazero.NewModuleConfig().WithName(""))
				if err != nil {
					t.Error(err)
					return
				}
				f := m.ExportedFunction("f")
				for range 15 {
					goDeep(t, dice, f, frames[i])
				}
				if err := m.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// goDeep calls f once. A recursion takes up to some MiB of stack.
func goDeep(t *testing.T, dice *rand.Rand, f api.Function, locals int) {
	depth := func() uint64 { return dice.Uint64N(1<<dice.Uint64N(23)/uint64(8*locals+40) + 2) }
	b := bottom{locals: locals, fails: []string{"", "", "trap", "panic"}[dice.IntN(4)]}
	for range dice.IntN(3) {
		b.then = append(b.then, depth())
	}
	n, x := depth(), dice.Uint64()
	results, err := f.Call(context.WithValue(t.Context(), bottomKey{}, b), n, x)
	switch {
	case b.fails == "trap" && (err == nil || !strings.Contains(err.Error(), "unreachable")):
		t.Errorf("%d deep, then %d: %v is not the trap", n, b.then, err)
	case b.fails == "panic" && !errors.Is(err, errBottom):
		t.Errorf("%d deep, then %d: %v is not the host's error", n, b.then, err)
	case b.fails == "" && (err != nil || results[0] != b.want(n, x)):
		t.Errorf("%d deep with %d locals, then %d: %d, %v, want %d", n, locals, b.then, results, err, b.want(n, x))
	}
	if dice.IntN(8) == 0 {
		goruntime.GC()
	}
}

// TestStackOverflow: a program that goes too deep is ended, and goes again.
func TestStackOverflow(t *testing.T) {
	r := withBottom(t)
	for _, locals := range []int{0, 400} {
		m, err := r.InstantiateWithConfig(t.Context(), recursion(locals), wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatal(err)
		}
		f, ctx := m.ExportedFunction("f"), context.WithValue(t.Context(), bottomKey{}, bottom{locals: locals})
		for _, n := range []uint64{1 << 40, 1000, 1 << 40, 3} {
			results, err := f.Call(ctx, n, 7)
			if n > 1000 && (err == nil || !strings.Contains(err.Error(), "stack overflow")) {
				t.Errorf("%d deep: %d, %v, want a stack overflow", n, results, err)
			}
			if want := (bottom{locals: locals}).want(min(n, 1000), 7); n <= 1000 && (err != nil || results[0] != want) {
				t.Errorf("%d deep: %d, %v, want %d", n, results, err, want)
			}
		}
	}
}

// TestCallWithinACall calls a function within a call of the same api.Function, which has one stack: that is an error, and the call that
// goes on is none the worse.
func TestCallWithinACall(t *testing.T) {
	needPatches(t)
	m, err := withBottom(t).InstantiateWithConfig(t.Context(), recursion(3), wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	f := m.ExportedFunction("f")
	for _, n := range []uint64{10, 1000, 100_000} {
		var within error
		b := bottom{locals: 3}
		b.look = func() { _, within = f.Call(context.WithValue(t.Context(), bottomKey{}, bottom{locals: 3}), 1000, 1) }
		results, err := f.Call(context.WithValue(t.Context(), bottomKey{}, b), n, 1)
		if within == nil || err != nil || results[0] != b.want(n, 1) {
			t.Errorf("%d deep: %d, %v, want %d; within: %v", n, results, err, b.want(n, 1), within)
		}
	}
}
