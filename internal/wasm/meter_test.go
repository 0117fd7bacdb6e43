package wasm

import (
	"bytes"
	"context"
	"errors"
	"slices"
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

// Fuel is the number of instructions executed, if nothing is rounded, whatever the portions.
func TestFuelIsExact(t *testing.T) {
	for _, meter := range []Meter{Fuel, FuelAtCalls} {
		module, err := metered(countdown, meter, 0)
		if err != nil {
			t.Fatal(err)
		}
		const want = 1000 * 8 // local.get, i32.eqz, br_if, local.get, i32.const, i32.sub, local.tee, br_if
		for _, portion := range []int64{0, 1, 7, 8, 1000, 1 << 40} {
			if got := burn(t, module, portion); got != want {
				t.Errorf("meter %d, in portions of %d: %d, not %d", meter, portion, got, want)
			}
		}
	}
}

// talking imports host.say, and says it six times, a few instructions apart, in a loop and in functions that are called.
func talking() []byte {
	loop := raw(0x41, 3, 0x21, 0, 0x03, 0x40, 0x10, 2, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b)
	speak := raw(0x41, 1, 0x1a, 0x10, 0, 0x41, 1, 0x04, 0x40, 0x41, 1, 0x1a, 0x10, 0, 0x0b)
	return binaryModule(
		section(SectionType, vec(noneToNone)),
		section(SectionImport, vec(importOf("host", "say", 0, 0))),
		section(SectionFunction, vec(raw(0), raw(0))),
		section(SectionExport, vec(exportOf("run", 0, 1))),
		section(SectionCode, vec(oneBody(slices.Concat(raw(1, 1, 0x7f), loop, raw(0x0b))...), body(speak...))),
	)
}

// A program that has run out of fuel says no more, and until then as much wherever else the counter is tested.
func TestWhoIsOutOfFuelSaysNothing(t *testing.T) {
	said := map[int]bool{}
	for limit := range int64(60) {
		want := sayings(t, FuelAtCalls, limit, 1<<40)
		said[want] = true
		for _, portion := range []int64{0, 5, 1 << 40} {
			if got := sayings(t, Fuel, limit, portion); got != want {
				t.Errorf("with %d of fuel it speaks %d times if circles are tested, in portions of %d, and %d times if not", limit, got, portion, want)
			}
		}
	}
	if len(said) < 4 || !said[6] {
		t.Errorf("it has spoken so often: %v", said)
	}
}

// sayings is how often the program speaks that talking gives.
func sayings(t *testing.T, meter Meter, limit, portion int64) (n int) {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(allFeatures))
	defer r.Close(ctx)
	used, had := int64(0), int64(0)
	meterHost(t, r, noTick, func(left int64) int64 {
		if used += had - left; used > limit {
			panic(errEnough)
		}
		had = min(portion, limit-used)
		return had
	})
	if _, err := r.NewHostModuleBuilder("host").NewFunctionBuilder().WithFunc(func() { n++ }).Export("say").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	module, err := Metered(talking(), meter)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := r.Instantiate(ctx, module)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := instance.ExportedFunction("run").Call(ctx); err != nil && !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	return n
}

// What a module says must be there before anything is added to it.
func TestMeteredRefusesWhatIsNotThere(t *testing.T) {
	for name, body := range map[string][]byte{
		"local":                     {0x20, 99, 0x1a},
		"global":                    {0x23, 99, 0x1a},
		"label":                     {0x03, 0x40, 0x0c, 2, 0x0b},
		"type":                      {0x03, 0x33, 0x0b},
		"type of a block":           {0x02, 3, 0x41, 0, 0x0b, 0x1a}, // the types there are: 0 to 2
		"type of an indirect call":  {0x41, 0, 0x11, 3, 0, 0x1a},
		"type of an indirect jump":  {0x41, 0, 0x13, 3, 0},
		"type of a call by pointer": {0xd0, 0, 0x14, 3, 0x1a},
		"type of a null reference":  {0xd0, 3, 0x1a},
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

// The counter is none of the globals that constant expressions may name.
func TestMeteredCounterIsNoConstant(t *testing.T) {
	module := binaryModule(section(SectionMemory, vec(raw(0, 1))), section(SectionData, vec(raw(0, 0x23, 0, 0x0b, 1, 7))))
	for _, meter := range []Meter{Ticks, Fuel} {
		if _, err := Metered(module, meter); err == nil {
			t.Error("an offset may be a global that there is not")
		}
	}
}

// calls runs the first function of a metered module, and gives how often it called for more, up to a hundred times.
func calls(t *testing.T, module []byte, meter Meter) (n int) {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(allFeatures))
	defer r.Close(ctx)
	refill := func() int64 {
		if n++; n == 100 {
			panic(errEnough)
		}
		return 0
	}
	meterHost(t, r, func() int32 { return int32(refill()) }, func(int64) int64 { return refill() })
	metered, err := Metered(module, meter)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := r.Instantiate(ctx, metered)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := instance.ExportedFunction("run").Call(ctx); err != nil && !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	return n
}

// There are programs that take long although they neither go round nor call themselves.
func TestMeteredStraightLinesAreTested(t *testing.T) {
	repeat := func(n int, code ...byte) []byte {
		return append(append([]byte{0}, bytes.Repeat(code, n)...), byte(OpEnd))
	}
	leaf := repeat(shortCall/2-1, 0x41, 0, 0x1a)                                                                      // as long as may be without a test
	nested := slices.Concat(raw(0), bytes.Repeat([]byte{0x02, 0x40, 0x10, 1}, 2_000), bytes.Repeat(raw(0x0b), 2_001)) // blocks in blocks
	arms := slices.Concat(raw(0), bytes.Repeat([]byte{0x41, 1, 0x04, 0x40, 0x10, 1, 0x05, 0x10, 1, 0x10, 1, 0x0b}, 2_000), raw(0x0b))
	for name, module := range map[string][]byte{
		"instructions":    program("", [][]byte{repeat(3*reach/2, 0x41, 0, 0x1a)}),
		"calls":           program("", [][]byte{repeat(2_000, 0x10, 1), leaf}),
		"calls in blocks": program("", [][]byte{nested, leaf}),
		"calls in arms":   program("", [][]byte{arms, leaf}),
	} {
		for _, meter := range []Meter{Ticks, Fuel} {
			want := 9
			if name == "instructions" {
				want = 2
			}
			if n := calls(t, module, meter); n < want {
				t.Errorf("%s, meter %d: called %d times only", name, meter, n)
			}
		}
	}
}

// Bulk operations are tested each for itself, or a counter of 32 bits could come round in between.
func TestMeteredBulkOperationsAreTested(t *testing.T) {
	fill := []byte{0x41, 0, 0x41, 0, 0x41, 0x80, 0x80, 4, 0xfc, 11, 0} // 64 KiB
	module := binaryModule(
		section(SectionType, vec(noneToNone)),
		section(SectionFunction, vec(raw(0))),
		section(SectionMemory, vec(raw(0, 1))),
		section(SectionExport, vec(exportOf("run", 0, 0))),
		section(SectionCode, vec(body(bytes.Repeat(fill, 60)...))),
	)
	for _, meter := range []Meter{Ticks, Fuel} {
		if n := calls(t, module, meter); n < 59 { // the first one may find the counter at 0
			t.Errorf("meter %d: 60 operations called %d times", meter, n)
		}
	}
}

// A type that is written down in another way is the same type, and a call by it a call of the same functions.
func TestMeteredKnowsEqualTypes(t *testing.T) {
	module := binaryModule(
		section(SectionType, vec(noneToNone, signature(raw(0x70), nil), []byte{0x60, 1, 0x63, 0x70, 0})),
		section(SectionFunction, vec(raw(0), raw(1))),
		section(SectionTable, raw(1, 0x70, 0, 2)),
		section(SectionExport, vec(exportOf("run", 0, 0))),
		section(SectionElement, raw(1, 0, 0x41, 0, 0x0b, 2, 0, 1)),
		section(SectionCode, vec(body(0xd0, 0x70, 0x10, 1), body(0x20, 0, 0x41, 1, 0x13, 2, 0))), // for ever, by tail calls
	)
	for _, meter := range []Meter{Ticks, Fuel} {
		if n := calls(t, module, meter); n != 100 {
			t.Errorf("meter %d: called %d times", meter, n)
		}
	}
}

// A long turn of a loop is more than a tick, and one whose instructions may each take long is much more where nobody can take
// the counter from it.
func TestLongTurnsTakeMoreTicks(t *testing.T) {
	ticks := func(instructions, loads int) (cost int64) {
		load := raw(0x41, 0, 0x28, 2, 0, 0x1a)
		loop := slices.Concat(raw(0x03, 0x40), bytes.Repeat(raw(0x01, 0x41, 0, 0x1a), instructions/2), bytes.Repeat(load, loads), raw(0x0b))
		m, err := Parse(oneFunction(loop...))
		if err != nil {
			t.Fatal(err)
		}
		entries, err := m.entries(shortCall)
		if err != nil {
			t.Fatal(err)
		}
		for f, body := range m.Bodies {
			points, err := (&planner{entries: entries}).plan(f, body)
			if err != nil || len(points) == 0 {
				t.Fatal(points, err)
			}
			cost = points[0].cost
		}
		return cost
	}
	for _, test := range []struct {
		instructions, loads int
		want                int64
	}{
		{10, 0, 3}, {10_000, 0, 2501}, {12, 1, 12}, {0, leafAccesses, 71}, // leaves
		{0, leafAccesses + 1, 1}, {10_000, 20, 41}, {reach + 2, 0, 1 + reach/tickUnit}, {20 * reach, 0, 1 + reach/tickUnit},
	} {
		if got := ticks(test.instructions, test.loads); got != test.want {
			t.Errorf("a turn of %d instructions and %d loads is %d ticks, not %d", test.instructions, test.loads, got, test.want)
		}
	}
}

// Calls of functions without a test are paid for by who has one, all of them: a tree of calls kept a deadline waiting for seconds.
func TestTreesOfCallsTakeTicks(t *testing.T) {
	m, err := Parse(program("tree of calls", treeOfCalls(40)))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := m.entries(shortCall)
	if err != nil {
		t.Fatal(err)
	}
	tested := 0
	for f, body := range m.Bodies {
		points, err := (&planner{entries: entries}).plan(f, body)
		if err != nil {
			t.Fatal(err)
		}
		paid := int64(0)
		for _, at := range points {
			paid += at.cost * tickUnit
		}
		if entries.tested[f] {
			tested++
			if paid < entries.total[f] {
				t.Errorf("function %d executes %d instructions and pays for %d", f, entries.total[f], paid)
			}
		}
	}
	if tested == 0 {
		t.Error("no function has a test")
	}
}

// What it takes to plan a body grows with the body: blocks in blocks that each catch exceptions took minutes once.
func TestMeteredManyNestedTryTables(t *testing.T) {
	const n = 200_000
	code := append(bytes.Repeat(raw(0x1f, 0x40, 0), n), bytes.Repeat(raw(0x0b), n)...)
	for _, meter := range []Meter{Ticks, Fuel} {
		if _, err := Metered(oneFunction(code...), meter); err != nil {
			t.Error(err)
		}
	}
}
