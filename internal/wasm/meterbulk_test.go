package wasm

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// bulkModule has four megabytes of memory and exports fill, copy and init, which take what the instructions take; init copies
// from three megabytes.
func bulkModule() []byte {
	operands := []byte{0x20, 0, 0x20, 1, 0x20, 2}
	data := make([]byte, 3<<20)
	for i := range data {
		data[i] = byte(i*11 + i>>8*5 + i>>16)
	}
	return binaryModule(
		section(SectionType, vec(signature(raw(0x7f, 0x7f, 0x7f), nil), noneToNone)),
		section(SectionFunction, vec(raw(0), raw(0), raw(0), raw(1))),
		section(SectionMemory, vec(raw(0, 64))),
		section(SectionExport, vec(exportOf("memory", 2, 0), exportOf("fill", 0, 0), exportOf("copy", 0, 1), exportOf("init", 0, 2), exportOf("drop", 0, 3))),
		section(SectionDataCount, raw(2)),
		section(SectionCode, vec(
			body(append(operands[:6:6], 0xfc, 11, 0)...), body(append(operands[:6:6], 0xfc, 10, 0, 0)...),
			body(append(operands[:6:6], 0xfc, 8, 1, 0)...), body(0xfc, 9, 1), // data.drop
		)),
		section(SectionData, vec(raw(1, 0), slices.Concat(raw(1), appendU32(nil, uint32(len(data))), data))),
	)
}

// bulkWorld is an instance of the module, and how often it has called the host.
type bulkWorld struct {
	call   func(name string, to, from, length uint64) error
	drop   api.Function
	memory []byte
	calls  *int
}

func newBulkWorld(t *testing.T, module []byte) bulkWorld {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(allFeatures))
	t.Cleanup(func() { r.Close(ctx) })
	calls := new(int)
	meterHost(t, r, func() int32 { *calls++; return 1000 }, func(int64) int64 { *calls++; return 1000 })
	instance, err := r.Instantiate(ctx, module)
	if err != nil {
		t.Fatal(err)
	}
	memory, _ := instance.Memory().Read(0, instance.Memory().Size())
	for i := range memory {
		memory[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	call := func(name string, to, from, length uint64) error {
		_, err := instance.ExportedFunction(name).Call(ctx, to, from, length)
		return err
	}
	return bulkWorld{call, instance.ExportedFunction("drop"), memory, calls}
}

// What is done in parts has the same outcome, overlaps and traps included, and can be stopped between them.
func TestMeteredBulkOperationsAreDoneInParts(t *testing.T) {
	const size, part = 64 << 16, bulkPart
	for pass, meter := range map[string]Meter{"ticks": Ticks, "fuel": Fuel} {
		metered, err := Metered(bulkModule(), meter)
		if err != nil {
			t.Fatal(err)
		}
		plain, parts := newBulkWorld(t, bulkModule()), newBulkWorld(t, metered)
		for _, op := range []struct {
			name             string
			to, from, length uint64
		}{
			{"fill", 5, 0x1ab, 3*part + 17},
			{"fill", 0, 1, size},
			{"fill", 1, 2, size},          // out of bounds: nothing is written
			{"fill", 100, 3, 0xffff_ffff}, // wraps
			{"fill", size - part - 1, 4, part + 1},
			{"copy", 0, 77, 3 * part},
			{"copy", 77, 0, 3*part + 5}, // overlaps upwards
			{"copy", part + 1, part, 2*part + 9},
			{"copy", part, part + 1, 2*part + 9}, // and downwards
			{"copy", part, part, 2 * part},
			{"copy", 0, part, 3*part + 1}, // the source ends too early
			{"copy", part, 0, 3*part + 1}, // the destination does
			{"copy", 0, 0xffff_ff00, 2 * part},
			{"copy", 3, 5, part},
			{"init", 3, 5, part},
			{"init", 7, 0, 3 * part},
			{"init", 11, 9, 2*part + 5},
			{"init", 0, 9, 3 * part},           // the segment ends too early
			{"init", part, 0, 3*part + 1},      // it does
			{"init", part + 1, 0, 3 * part},    // the memory does
			{"init", 0, 0xffff_ff00, 2 * part}, // wraps
			{"init", 0xffff_ff00, 0, 2 * part}, // wraps
			{"init", 0, 0, 0xffff_ffff},
		} {
			want, got := plain.call(op.name, op.to, op.from, op.length), parts.call(op.name, op.to, op.from, op.length)
			if (want == nil) != (got == nil) || want != nil && outcomeOf(want) != outcomeOf(got) {
				t.Errorf("%s: %+v ends with %v, not %v", pass, op, got, want)
			}
			if !bytes.Equal(plain.memory, parts.memory) {
				t.Fatalf("%s: after %+v memories differ", pass, op)
			}
		}
		before := *parts.calls
		if err := parts.call("init", 0, 0, 3*part); err != nil || *parts.calls-before < 2 {
			t.Errorf("%s: %d calls of the host, %v", pass, *parts.calls-before, err)
		}
		if _, err := parts.drop.Call(t.Context()); err != nil || parts.call("init", 0, 0, 2*part) == nil {
			t.Errorf("%s: %v, and there is still data", pass, err)
		}
		before = *parts.calls
		if err := parts.call("fill", 0, 0, size); err != nil || *parts.calls-before < size/part-1 {
			t.Errorf("%s: %d calls of the host, %v", pass, *parts.calls-before, err)
		}
	}
}
