package wasm

import (
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"
)

// meterHost offers what metered modules import.
func meterHost(t testing.TB, r wazero.Runtime, tick func() int32, fuel func(int64) int64) {
	t.Helper()
	b := r.NewHostModuleBuilder(MeterModule)
	b.NewFunctionBuilder().WithFunc(tick).Export("tick")
	b.NewFunctionBuilder().WithFunc(fuel).Export("fuel")
	if _, err := b.Instantiate(context.Background()); err != nil {
		t.Fatal(err)
	}
}

var errEnough = errors.New("enough")

// endless are bodies of functions that never end, of the type that takes and gives nothing. Function 0 is the first one.
var endless = map[string][][]byte{
	"loop":                {{0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x0b}},
	"loop with a result":  {{0, 0x03, 0x7f, 0x0c, 0, 0x0b, 0x1a, 0x0b}},
	"loop with br_if":     {{0, 0x03, 0x40, 0x41, 1, 0x0d, 0, 0x0b, 0x0b}},
	"loop with br_table":  {{0, 0x03, 0x40, 0x41, 7, 0x0e, 1, 0, 0, 0x0b, 0x0b}},
	"loop with values":    {{0, 0x41, 1, 0x03, 1, 0x0c, 0, 0x0b, 0x1a, 0x0b}},
	"branch across loops": {{0, 0x03, 0x40, 0x03, 0x40, 0x02, 0x40, 0x0c, 2, 0x0b, 0x0b, 0x0b, 0x0b}},
	"tail call":           {{0, 0x12, 0, 0x0b}},
	"mutual tail calls":   {{0, 0x12, 1, 0x0b}, {0, 0x12, 0, 0x0b}},
	"indirect tail call":  {{0, 0x41, 0, 0x13, 0, 0, 0x0b}},
	// Not endless, but for longer than anybody waits: each of forty functions calls the next one four times.
	"tree of calls": treeOfCalls(40),
	// The depth of recursion is bounded by the stack, the number of calls is not: (n) calls itself twice with n-1.
	"recursion": {{0, 0x41, 0xe4, 0, 0x10, 1, 0x0b}, {0, 0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x10, 1, 0x20, 0, 0x41, 1, 0x6b, 0x10, 1, 0x0b, 0x0b}},
}

func treeOfCalls(depth int) (bodies [][]byte) {
	for i := range depth {
		next := byte(i + 1)
		bodies = append(bodies, []byte{0, 0x10, next, 0x10, next, 0x10, next, 0x10, next, 0x0b})
	}
	return append(bodies, []byte{0, 0x0b})
}

// program exports its first function as "run". Type 0 is () -> (), type 1 (i32) -> (i32), type 2 (i32) -> (); functions are
// of type 0, but the second one of "recursion". Its table has function 0 at 0.
func program(name string, bodies [][]byte) []byte {
	var types, code [][]byte
	for i, body := range bodies {
		t := byte(0)
		if name == "recursion" && i == 1 {
			t = 2
		}
		types = append(types, []byte{t})
		code = append(code, append(appendU32(nil, uint32(len(body))), body...))
	}
	return binaryModule(
		section(SectionType, vec(signature(nil, nil), signature(raw(0x7f), raw(0x7f)), signature(raw(0x7f), nil))),
		section(SectionFunction, vec(types...)),
		section(SectionTable, raw(1, 0x70, 0, 1)),
		section(SectionExport, vec(exportOf("run", 0, 0))),
		section(SectionElement, raw(1, 0, 0x41, 0, 0x0b, 1, 0)),
		section(SectionCode, vec(code...)),
	)
}

// The host gets hold of every program, however it goes round.
func TestMeteredProgramsCanBeStopped(t *testing.T) {
	ctx := context.Background()
	for name, bodies := range endless {
		for meter, pass := range map[string]Meter{"Ticks": Ticks, "Fuel": Fuel} {
			t.Run(name+" "+meter, func(t *testing.T) {
				r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(allFeatures))
				defer r.Close(ctx)
				calls := 0
				refill := func() int64 {
					if calls++; calls == 10 {
						panic(errEnough)
					}
					return 100
				}
				meterHost(t, r, func() int32 { return int32(refill()) }, func(int64) int64 { return refill() })
				module, err := Metered(program(name, bodies), pass)
				if err != nil {
					t.Fatal(err)
				}
				instance, err := r.Instantiate(ctx, module)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := instance.ExportedFunction("run").Call(ctx); !errors.Is(err, errEnough) {
					t.Errorf("it ended with %v", err)
				}
			})
		}
	}
}

// burn runs the guest program with fuel in portions and gives how much it took in all.
func burn(t *testing.T, module []byte, portion int64) int64 {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(compiled()).WithCoreFeatures(allFeatures))
	defer r.Close(ctx)
	var had, left int64
	meterHost(t, r, noTick, func(now int64) int64 { left = now; had += portion - now; return portion })
	instance, err := r.Instantiate(ctx, module)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := instance.ExportedFunction("run").Call(ctx, 1000); err != nil {
		t.Fatal(err)
	}
	if left >= 0 && had > 0 {
		t.Errorf("asked for fuel with %d left", left)
	}
	return had - int64(instance.ExportedGlobal(CounterExport).Get())
}

func noTick() int32 { return 0 }

// countdown is (n) -> (): a loop of 7 instructions a turn around a block that is left early at the first turn.
var countdown = binaryModule(
	section(SectionType, vec(signature(raw(0x7f), nil))),
	section(SectionFunction, vec(raw(0))),
	section(SectionExport, vec(exportOf("run", 0, 0))),
	section(SectionCode, vec(oneBody(0, 0x03, 0x40, 0x02, 0x40, 0x20, 0, 0x45, 0x0d, 0, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 1, 0x0b, 0x0b, 0x0b))),
)

func oneBody(b ...byte) []byte { return append(appendU32(nil, uint32(len(b))), b...) }

// Fuel is the number of instructions executed, whatever the portions.
func TestFuelIsExact(t *testing.T) {
	module, err := Metered(countdown, Fuel)
	if err != nil {
		t.Fatal(err)
	}
	const want = 1000 * 8 // local.get, i32.eqz, br_if, local.get, i32.const, i32.sub, local.tee, br_if
	for _, portion := range []int64{0, 1, 7, 8, 1000, 1 << 40} {
		if got := burn(t, module, portion); got != want {
			t.Errorf("in portions of %d: %d, not %d", portion, got, want)
		}
	}
}

// What a module says must be there before anything is added to it.
func TestMeteredRefusesWhatIsNotThere(t *testing.T) {
	for name, body := range map[string][]byte{
		"local":  {0x20, 99, 0x1a},
		"global": {0x23, 99, 0x1a},
		"label":  {0x03, 0x40, 0x0c, 2, 0x0b},
		"type":   {0x03, 0x33, 0x0b},
	} {
		for _, meter := range []Meter{Ticks, Fuel} {
			if _, err := Metered(oneFunction(body...), meter); err == nil {
				t.Errorf("a module may use a %s that it has not", name)
			}
		}
	}
	own := map[string][]byte{
		"import": binaryModule(section(SectionType, vec(noneToI32)), section(SectionImport, vec(importOf(MeterModule, "tick", 0, 0)))),
		"export": binaryModule(section(SectionGlobal, vec(raw(0x7f, 1, 0x41, 0, 0x0b))), section(SectionExport, vec(exportOf(CounterExport, 3, 0)))),
	}
	engine := newEngine(t)

	for name, module := range own {
		if err := compiles(engine, module); err != nil {
			t.Fatal(err)
		}
		if _, err := Metered(module, Ticks); err == nil {
			t.Errorf("a module may have the counter for an %s", name)
		}
	}
}

// A program of some megabytes with goroutines, garbage collection and exceptions does the same when it counts.
func TestMeteredGuestBehavesTheSame(t *testing.T) {
	module := guestModule(t)
	want := runPlain(t, module, true)
	for _, meter := range []Meter{Ticks, Fuel} {
		metered, err := Metered(module, meter)
		if err != nil {
			t.Fatal(err)
		}
		if got := runPlain(t, metered, true); got != want {
			t.Errorf("meter %d: %+v, not %+v", meter, got, want)
		}
	}
}

func BenchmarkMeteredTicks(b *testing.B) { benchmarkPass(b, passes["Ticks"]) }
func BenchmarkMeteredFuel(b *testing.B)  { benchmarkPass(b, passes["Fuel"]) }
