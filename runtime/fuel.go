package runtime

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// Programs that are charged count down from what they have been given, and call refuel when a test finds that used up: before each
// call of the host, so that what can be seen of them before that is the same each time, and everywhere. Those that cannot be
// interrupted test in circles, too, and get small portions. Others get all that there is; every few milliseconds it is looked at what they
// have used.

// ErrOutOfFuel is the end of a run that has used up Limits.Fuel. It comes within a *LimitError.
var ErrOutOfFuel = errors.New("out of fuel")

// fuel is what the programs of a run may use together.
type fuel struct {
	limit int64
	end   func()       // the run; nil: there is no limit
	used  atomic.Int64 // accounted for

	mutex sync.Mutex // for what follows, the portions of the tanks and their counters, where the host writes to them
	tanks []*tank    // of programs that do not test in circles
	timer *time.Timer
}

// fuelPeriod is how often it is looked at what such programs have used.
const fuelPeriod = 2 * time.Millisecond

// tank is the fuel that one program has been given and not yet accounted for.
type tank struct {
	*fuel
	slice      int64 // the largest portion
	portion    int64
	counter    api.MutableGlobal // of the instance, once there is one
	delivering bool              // what the program does is not charged
}

type tankKey struct{}

// usedUp reports whether no program may start any more.
func (f *fuel) usedUp() bool { return f != nil && f.used.Load() > f.limit }

// total is what was used, but for how far the last program came beyond the limit, which is chance.
func (f *fuel) total() int64 { return min(f.used.Load(), f.limit) }

// tank gives a program an empty one, to be there before the program is: a start function runs when it is instantiated, and tests in
// circles.
func (f *fuel) tank(ctx context.Context) context.Context {
	if f == nil {
		return ctx
	}
	return context.WithValue(ctx, tankKey{}, &tank{fuel: f, slice: fuelSlice})
}

func tankOf(ctx context.Context) *tank {
	t, _ := ctx.Value(tankKey{}).(*tank)
	return t
}

// attach has an instance's counter stand for the tank from now on, with all that is left in it.
func (t *tank) attach(i *instance) {
	if t == nil || i.counter == nil {
		return
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.counter = i.counter
	t.settle(int64(i.counter.Get())) // what a start function has used
	if i.meters == charged {
		t.slice = math.MaxInt64
		t.tanks = append(t.tanks, t)
		if len(t.tanks) == 1 && t.end != nil {
			t.timer = time.AfterFunc(fuelPeriod, t.watch)
		}
	}
	t.fill()
}

// detach accounts for what the instance has used in the end, and leaves it with nothing to use up.
func (t *tank) detach() {
	if t == nil || t.counter == nil {
		return
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.settle(int64(t.counter.Get()))
	t.counter.Set(0)
	t.counter, t.portion, t.slice = nil, 0, fuelSlice
	t.tanks = slices.DeleteFunc(t.tanks, func(other *tank) bool { return other == t })
	if len(t.tanks) == 0 && t.timer != nil {
		t.timer.Stop()
	}
}

// lose accounts for all that a program was given whose counter was lost with it: when its start function failed.
func (t *tank) lose() {
	if t != nil {
		t.mutex.Lock()
		defer t.mutex.Unlock()
		t.settle(0)
	}
}

// settle accounts for the portion, of which so much is left.
func (t *tank) settle(left int64) {
	t.used.Add(t.portion - left)
	t.portion = left
}

// fill gives the program a portion. It is in the counter before anybody may look.
func (t *tank) fill() {
	t.portion = max(0, min(t.limit-t.used.Load(), t.slice))
	if t.counter != nil {
		t.counter.Set(uint64(t.portion))
	}
}

// watch ends the run when its programs have used up what they may.
func (f *fuel) watch() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	used := f.used.Load()
	for _, t := range f.tanks {
		used += t.portion - int64(t.counter.Get())
	}
	switch {
	case used > f.limit:
		f.end()
	case len(f.tanks) > 0:
		f.timer.Reset(fuelPeriod)
	}
}

// refuel takes what the program has left of its portion, which is less than nothing, and gives it another one.
func refuel(ctx context.Context, mod api.Module, stack []uint64) {
	t := tankOf(ctx)
	if t == nil {
		panic(errNoTank)
	}
	if t.delivering {
		stack[0] = signalSlice
	} else {
		if t.slice == fuelSlice {
			t.deliver(ctx, mod)
		}
		stack[0] = uint64(t.refill(int64(stack[0])))
	}
	if ctx.Err() != nil {
		panic(ended(ctx))
	}
	if t.usedUp() {
		panic(ErrOutOfFuel)
	}
}

// deliver hands the program its signals: one that counts to be stopped is told of them here.
func (t *tank) deliver(ctx context.Context, mod api.Module) {
	t.delivering = true
	defer func() { t.delivering = false }()
	deliver(ctx, mod)
}

func (t *tank) refill(left int64) (portion int64) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.settle(left)
	t.fill()
	return t.portion
}

var errNoTank = errors.New("a program that counts fuel was started without")
