package runtime

import (
	"context"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"boxer.dev/internal/wasm"
)

// Machine code is nothing that the Go runtime could interrupt: without a call to the host it goes round a loop for ever. Where the
// engine can, it interrupts it from outside (internal/wazero/patches). Elsewhere, and to be charged, programs are rewritten to call
// the host now and then (wasm.Metered), and here is what they call.

// metering is what a program counts.
type metering byte

const (
	ticks     metering = iota // so that it can be stopped
	fuelled                   // so that it can be charged, too
	charged                   // so that it can be charged, where it need not count to be stopped
	uncounted                 // nothing
)

// of gives the module as it counts.
func (m metering) of(module []byte) ([]byte, error) {
	switch m {
	case ticks:
		return wasm.Metered(module, wasm.Ticks)
	case fuelled:
		return wasm.Metered(module, wasm.Fuel)
	case charged:
		return wasm.Metered(module, wasm.FuelAtCalls)
	}
	return module, wasm.Unmetered(module)
}

// looks tells whether such programs look at their context by themselves.
func (m metering) looks() bool { return m == ticks || m == fuelled }

// imports is how many functions a program imports to count.
func (m metering) imports() int {
	if m == uncounted {
		return 0
	}
	return 1
}

// metering is what the run's programs have to count.
func (s *sandbox) metering() metering {
	if s.cmd.Limits.Fuel > 0 || s.cmd.CountFuel {
		return s.engine.charging
	}
	return s.engine.usual
}

const (
	// tickSlice is how many ticks a program may take before it calls: 40 µs of Python, where a turn of the interpreter's loop counts
	// for its longest way, 160 ticks. A call takes 130 ns. With wazero as it is a garbage collection waits for it
	// (docs/rationale.md); the end of a run does not: see urge.
	tickSlice = 250_000
	fuelSlice = 2_000_000 // and how many instructions, if it looks at its context
)

func instantiateMeter(ctx context.Context, r wazero.Runtime) error {
	i32, i64 := []api.ValueType{api.ValueTypeI32}, []api.ValueType{api.ValueTypeI64}
	b := r.NewHostModuleBuilder(wasm.MeterModule)
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(tick), nil, i32).Export("tick")
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(refuel), i64, i64).Export("fuel")
	_, err := b.Instantiate(ctx)
	return err
}

// tick gives the program another slice, unless its run is over.
func tick(ctx context.Context, mod api.Module, stack []uint64) {
	if ctx.Err() != nil {
		panic(ended(ctx)) // wazero makes it the error of the program's call
	}
	deliver(ctx, mod)
	stack[0] = tickSlice
}

// enter comes before the instance's program is called, and leave after that: in between the end of the run ends it, signals reach it,
// and it is charged.
func (i *instance) enter(ctx context.Context) (leave func()) {
	t := tankOf(ctx)
	t.attach(i)
	stop := i.urge(ctx)
	i.attend(ctx)
	return func() {
		i.unattend(ctx)
		stop()
		t.detach()
	}
}

// urge ends what a program computes as soon as its context has ended. One that does not look at it is interrupted wherever it is, again
// and again while it goes on, for it may just have come from the host. What one that counts ticks has left is taken from it, so that it
// looks, again and again likewise, for it may just have been counting; it is interrupted, too, if it does not look, and the
// engine can do that. One that counts fuel uses up its slice in a moment, and is interrupted otherwise. That lasts until stop is called,
// which waits for it.
func (i *instance) urge(ctx context.Context) (stop func()) {
	stopped, idle := make(chan struct{}), make(chan struct{})
	forget := context.AfterFunc(ctx, func() {
		defer close(idle)
		since := time.Now()
		for pause := firstUrge; ; pause = min(2*pause, lastUrge) {
			if i.meters == ticks && i.counter != nil {
				setCounter(i.counter, api.EncodeI32(-1))
			}
			if !i.meters.looks() || time.Since(since) >= patience {
				i.interrupt()
			}
			select {
			case <-stopped:
				return
			case <-time.After(pause):
			}
		}
	})
	return func() {
		close(stopped)
		if !forget() {
			<-idle
		}
	}
}

// counters are written by others than the goroutine of their program: by urge.
var counters sync.Mutex

// setCounter gives what the counter was.
func setCounter(counter api.MutableGlobal, value uint64) (was uint64) {
	counters.Lock()
	defer counters.Unlock()
	was = counter.Get()
	counter.Set(value)
	return was
}

// How long a program that has been urged is left alone, and after what time one that counts is interrupted.
const (
	firstUrge = 20 * time.Microsecond
	lastUrge  = 5 * time.Millisecond
	patience  = 2 * time.Millisecond
)

// interrupt ends the program's call if it is in machine code, which wazero as it is cannot do: internal/wazero/patches.
func (i *instance) interrupt() {
	if m, ok := i.module.(interface{ Interrupt() }); ok {
		m.Interrupt()
	}
}
