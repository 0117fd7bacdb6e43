package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// FuzzMetered runs what a module exports as it is and as it counts, and compares everything that can be seen of it.
func FuzzMetered(f *testing.F) {
	for name, bodies := range endless {
		f.Add(program(name, bodies))
	}
	f.Add(countdown)
	f.Add(everySection)
	eachSpecModule(f, func(name string, module []byte) {
		switch script, _, _ := strings.Cut(filepath.Base(name), "."); script {
		case "block", "br", "br_if", "br_table", "bulk", "call_indirect", "func", "if", "imports", "loop", "memory_fill", "return_call",
			"return_call_indirect", "switch", "table_fill", "throw", "throw_ref", "try_table", "unwind":
			if len(module) < 600 {
				f.Add(module)
			}
		}
	})
	f.Fuzz(func(t *testing.T, module []byte) {
		if !tame(module) {
			return
		}
		metered, ticksErr := Metered(module, Ticks)
		fuelled, fuelErr := Metered(module, Fuel)
		atCalls, atCallsErr := Metered(module, FuelAtCalls)
		if (fuelErr == nil) != (atCallsErr == nil) {
			t.Fatalf("fuel: %v; at calls: %v", fuelErr, atCallsErr)
		}
		if (ticksErr == nil) != (fuelErr == nil) {
			t.Fatalf("ticks: %v; fuel: %v", ticksErr, fuelErr)
		}
		engine := newEngine(t)
		if err := compiles(engine, module); err != nil {
			valid := ticksErr == nil && compiles(engine, metered) == nil || fuelErr == nil && compiles(engine, fuelled) == nil
			// A branch leaves behind what is too much on the stack, and the end of a loop is one now. Names are written anew.
			mended := strings.Contains(err.Error(), "too many results in loop block") || strings.Contains(err.Error(), "custom section")
			if valid && !mended {
				t.Fatalf("an invalid module has become a valid one: %v", err)
			}
			return
		}
		if ticksErr != nil {
			return // FuzzParse knows what may be refused
		}
		for _, rewritten := range [][]byte{metered, fuelled} {
			if err := untestedCircle(rewritten); err != nil {
				t.Fatal(err)
			}
		}
		got := &observed{slice: 500, calls: 20}
		got.run(t, metered)
		if got.enough {
			return // and what does not end by itself is known no better as it is
		}
		plain := &observed{slice: 500, calls: 1}
		plain.run(t, module)
		compareObserved(t, "ticks", plain, got)
		small, large := &observed{slice: 3, calls: 10_000}, &observed{slice: 1 << 40, calls: 10_000}
		small.run(t, fuelled)
		large.run(t, fuelled)
		compareObserved(t, "fuel", plain, large)
		compareFuel(t, module, large)
		free := &observed{slice: 1 << 40, calls: 10_000}
		free.run(t, atCalls)
		compareObserved(t, "fuel at calls", plain, free)
		if free.used != large.used {
			t.Errorf("%d of fuel if it is tested, %d if not", large.used, free.used)
		}
		if !small.enough {
			compareObserved(t, "fuel in portions", plain, small)
			if !small.failed && small.used != large.used {
				t.Errorf("%d of fuel in small portions, %d in large ones", small.used, large.used)
			}
		}
	})
}

// tame says whether running a module takes little of the host.
func tame(module []byte) bool {
	m, err := Parse(module)
	if err != nil || m.CheckCode() != nil {
		return false
	}
	for _, table := range m.Tables {
		if table.Limits.Min > 10_000 {
			return false
		}
	}
	for _, body := range m.Bodies {
		for x := body.Expr(); x.Next(); {
			switch x.Op {
			case OpTableGrow, 0xfe<<16 | 1, 0xfe<<16 | 2: // the latter two wait
				return false
			}
		}
	}
	return true
}

// observed is what a module has shown of itself.
type observed struct {
	slice int64 // of the counter
	calls int   // for a slice, before it is enough

	said   []string
	memory []byte
	enough bool
	failed bool  // a function did not return, and has taken what it knew of the counter with it
	used   int64 // of fuel
	had    int64
}

func (o *observed) refill(left int64) int64 {
	if o.calls--; o.calls < 0 {
		o.enough = true
		panic(errEnough)
	}
	o.had += o.slice - left
	return o.slice
}

func (o *observed) run(t *testing.T, module []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // a backstop
	defer cancel()
	config := wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(allFeatures).WithMemoryLimitPages(16).WithCloseOnContextDone(true)
	r := wazero.NewRuntimeWithConfig(ctx, config)
	defer r.Close(ctx)
	meterHost(t, r, func() int32 { return int32(o.refill(0)) }, o.refill)
	instance, err := r.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		if strings.HasSuffix(err.Error(), "not instantiated") {
			return // imports are missing, and of several ones any is named
		}
		o.say("instantiation: " + outcomeOf(err))
		return
	}
	m, err := Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Exports {
		if e.Kind == ExternFunc && !o.enough {
			o.call(ctx, instance.ExportedFunction(e.Name), e.Name)
		}
	}
	for _, e := range m.Exports {
		if e.Kind == ExternGlobal && e.Name != CounterExport && m.Globals[e.Index].Type >= TypeF64 {
			o.say(e.Name + " = " + instance.ExportedGlobal(e.Name).String())
		}
	}
	if linear := instance.Memory(); len(m.Memories) > 0 {
		view, _ := linear.Read(0, linear.Size())
		o.memory = bytes.Clone(view)
	}
	if counter := instance.ExportedGlobal(CounterExport); counter != nil {
		o.used = o.had - int64(counter.Get())
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Fatal("a test that ended when it counted does not end otherwise")
	}
}

// call calls a function with zeroes.
func (o *observed) call(ctx context.Context, f api.Function, name string) {
	numbers := func(types []api.ValueType) bool {
		return !bytes.ContainsFunc(types, func(t rune) bool { return ValueType(t) < TypeF64 })
	}
	if !numbers(f.Definition().ParamTypes()) || !numbers(f.Definition().ResultTypes()) {
		return
	}
	results, err := f.Call(ctx, make([]uint64, len(f.Definition().ParamTypes()))...)
	if err != nil {
		o.failed = true
		o.say(name + ": " + outcomeOf(err))
		return
	}
	o.say(fmt.Sprintf("%s: %x", name, results))
}

func (o *observed) say(what string) { o.said = append(o.said, what) }

func outcomeOf(err error) string {
	message, _, _ := strings.Cut(err.Error(), "\nwasm stack trace:")
	return message
}

func compareObserved(t *testing.T, meter string, want, got *observed) {
	t.Helper()
	if w, g := strings.Join(want.said, "\n"), strings.Join(got.said, "\n"); w != g {
		t.Errorf("%s: before:\n%s\nafter:\n%s", meter, w, g)
	}
	if !bytes.Equal(want.memory, got.memory) {
		t.Errorf("%s: memories differ", meter)
	}
}
