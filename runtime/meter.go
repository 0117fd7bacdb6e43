package runtime

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
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
	fuelled                   // so that it can be charged, and be stopped
	uncounted                 // nothing
	charged                   // so that it can be charged; it is stopped from outside
	meterings
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
		return s.engine.charged
	}
	return s.engine.usual
}

const (
	// tickSlice is how many ticks a program may take before it calls: 40 µs of Python, where a turn of the interpreter's loop counts
	// for its longest way, 160 ticks. A call takes 130 ns. With wazero as it is a garbage collection waits for it
	// (docs/rationale.md); the end of a run does not: see urge.
	tickSlice = 250_000
	fuelSlice = 2_000_000 // and how many instructions, if it looks for more in circles
	// fuelWatch is how often somebody looks at what a program has left that does not.
	fuelWatch = 5 * time.Millisecond
)

// ErrOutOfFuel is the end of a run that has used up Limits.Fuel. It comes within a *LimitError.
var ErrOutOfFuel = errors.New("out of fuel")

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

// fuel is what the programs of a run may use together.
type fuel struct {
	limit int64
	used  atomic.Int64
}

// tank is the fuel that one program has been given and not yet accounted for.
type tank struct {
	*fuel
	slice   int64
	portion atomic.Int64
}

type tankKey struct{}

// refuel takes what the program has left of its portion, which is less than nothing, and gives it another one.
func refuel(ctx context.Context, mod api.Module, stack []uint64) {
	t := tankOf(ctx)
	if t == nil {
		panic(errNoTank)
	}
	deliver(ctx, mod)
	t.settle(int64(stack[0]))
	if ctx.Err() != nil {
		panic(ended(ctx))
	}
	left := t.limit - t.used.Load()
	if left < 0 {
		panic(ErrOutOfFuel)
	}
	t.portion.Store(min(left, t.slice))
	stack[0] = uint64(t.portion.Load())
}

var errNoTank = errors.New("a program that counts fuel was started without")

// settle accounts for the portion, of which so much is left.
func (t *tank) settle(left int64) {
	t.used.Add(t.portion.Swap(left) - left)
}

// empty reports whether a program has used more than there was, of which so much is left.
func (t *tank) empty(left int64) bool { return t.used.Load()+t.portion.Load()-left > t.limit }

// usedUp reports whether no program may start any more.
func (f *fuel) usedUp() bool { return f != nil && f.used.Load() > f.limit }

// total is what was used, but for how far the last program came beyond the limit, which is chance.
func (f *fuel) total() int64 { return min(f.used.Load(), f.limit) }

// tank gives a program an empty one, to be there before the program is: a start function runs when it is instantiated.
func (f *fuel) tank(ctx context.Context, meters metering) (context.Context, *tank) {
	if f == nil {
		return ctx, nil
	}
	t := &tank{fuel: f, slice: fuelSlice}
	if meters == charged {
		t.slice = math.MaxInt64
	}
	return context.WithValue(ctx, tankKey{}, t), t
}

func tankOf(ctx context.Context) *tank {
	t, _ := ctx.Value(tankKey{}).(*tank)
	return t
}

// drain accounts for what an instance has used in the end, and gives how its run has ended: whoever has used more than there was has run
// out of it, whatever came to light first.
func (t *tank) drain(i *instance, ended error) error {
	if t == nil || i.counter == nil {
		return ended
	}
	t.settle(int64(i.counter.Get()))
	if t.usedUp() {
		return ErrOutOfFuel
	}
	return ended
}

// watched gives the tank of a program that does not look itself whether it has run out of fuel, nil for any other.
func watched(ctx context.Context) *tank {
	if t := tankOf(ctx); t != nil && t.slice != fuelSlice {
		return t
	}
	return nil
}

// watch ends what such a program computes when it has run out, until it is told to stop.
func (i *instance) watch(t *tank, stopped <-chan struct{}) {
	look := time.NewTicker(fuelWatch)
	defer look.Stop()
	for {
		select {
		case <-stopped:
			return
		case <-look.C:
			if t.empty(int64(i.counter.Get())) {
				i.interrupt()
			}
		}
	}
}

// urge ends what a program computes as soon as its context has ended. One that counts nothing is interrupted wherever it is, again and
// again while it goes on, for it may just have come from the host. What one that counts ticks has left is taken from it, so that it looks
// at its context, again and again likewise, for it may just have been counting; it is interrupted, too, if it does not look, and the
// engine can do that. One that is charged and looks for fuel in circles uses up its slice in a moment, and is interrupted otherwise; one that
// does not is interrupted when it has run out, too. That lasts until stop is called, which waits for it.
func (i *instance) urge(ctx context.Context) (stop func()) {
	stopped, idle := make(chan struct{}), make(chan struct{})
	t := watched(ctx)
	var watching sync.WaitGroup
	if t != nil && i.counter != nil {
		watching.Go(func() { i.watch(t, stopped) })
	}
	forget := context.AfterFunc(ctx, func() {
		defer close(idle)
		since := time.Now()
		for pause := firstUrge; ; pause = min(2*pause, lastUrge) {
			if i.counter != nil && i.counter.Type() == api.ValueTypeI32 {
				setCounter(i.counter, api.EncodeI32(-1))
			}
			if i.counter == nil || t != nil || time.Since(since) >= patience {
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
		watching.Wait()
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

// stopCounting leaves the instance with nothing to use up: it asks for more as soon as it runs again.
func (i *instance) stopCounting() {
	if i.counter != nil {
		i.counter.Set(0)
	}
}
