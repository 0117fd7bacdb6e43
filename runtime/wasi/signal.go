package wasi

import (
	"context"
	"sync/atomic"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// Signal is one of POSIX's, by wasi-libc's numbers, which are Linux's.
type Signal uint32

// Signals that come from outside.
const (
	Interrupt Signal = 2  // SIGINT; Python: KeyboardInterrupt
	Deadline  Signal = 24 // SIGXCPU: time is running out; Python: TimeoutError
)

const signalBits = 64

// ExportSignal is what a program takes signals by: (number i32) -> i32, 1 if it has been taken and 0 if its default action
// is to be carried out. It is called wherever the program calls the host, on top of whatever it was doing, and may do as little as
// a signal handler of C.
const ExportSignal = "boxer.signal"

// signals are those on their way to a program.
type signals struct {
	pending atomic.Uint64 // a bit for each number
	wake    chan struct{} // holds something when there may be some

	delivering bool
	told       bool // since the last call that waited: the program may not have looked yet
}

// Signal sends the program a signal, from any goroutine. The program takes it at its next system call, which Attend has it make
// soon, in the one that it waits in, which then fails with EINTR, or where Deliver is called. What it has no handler for ends it,
// as signals do, but for Deadline.
func (p *Process) Signal(s Signal) {
	if s == 0 || s >= signalBits {
		return
	}
	p.signals.pending.Or(1 << s)
	select {
	case p.signals.wake <- struct{}{}:
	default:
	}
	p.alert()
}

// Forget drops the signals that have not been delivered.
func (p *Process) Forget() {
	p.signals.take()
	p.signals.told = false
}

// take gives the signals that are pending, a bit for each.
func (s *signals) take() uint64 {
	select { // first: a signal that comes between the two must leave something to wake up by
	case <-s.wake:
	default:
	}
	return s.pending.Swap(0)
}

// Signalled reports whether signals are on their way to the program of ctx.
func Signalled(ctx context.Context) bool {
	p, ok := ctx.Value(contextKey{}).(*Process)
	return ok && p.signals.pending.Load() != 0
}

// Deliver hands the program of ctx, an instance of mod, the signals that are on their way to it. It is called by the
// program's goroutine, from a function that the program has called.
func Deliver(ctx context.Context, mod api.Module) { processOf(ctx).deliver(ctx, mod) }

func (p *Process) deliver(ctx context.Context, mod api.Module) {
	if p.signals.delivering {
		return
	}
	leave, ok := onStack(mod)
	if !ok {
		return
	}
	defer leave()
	p.signals.delivering = true
	defer func() { p.signals.delivering = false }()
	all := p.signals.take()
	for s := Signal(1); s < signalBits; s++ {
		if all&(1<<s) != 0 && !p.hand(ctx, mod, s) && s != Deadline {
			panic(sys.NewExitError(128 + uint32(s)))
		}
	}
}

// hand reports whether the program has taken the signal.
func (p *Process) hand(ctx context.Context, mod api.Module, s Signal) bool {
	take := mod.ExportedFunction(ExportSignal)
	if take == nil {
		return false
	}
	p.signals.told = true
	results, err := take.Call(ctx, uint64(s))
	if err != nil {
		panic(err) // wazero makes it the error of the program's call
	}
	return len(results) == 1 && results[0] != 0
}

const (
	stackPointer = "__stack_pointer"
	redZone      = 128     // bytes below the stack's pointer that LLVM lets a function use that calls no other
	stackReserve = 4 << 10 // bytes that a signal handler may need
)

// onStack prepares the stack in linear memory, if there is one, for a call out of the middle of a function. ok is false if
// there is no room.
func onStack(mod api.Module) (leave func(), ok bool) {
	pointer, ok := mod.ExportedGlobal(stackPointer).(api.MutableGlobal)
	if !ok {
		return func() {}, true
	}
	was := pointer.Get()
	if uint32(was) < redZone+stackReserve {
		return nil, false
	}
	pointer.Set(uint64(uint32(was) - redZone))
	return func() { pointer.Set(was) }, true
}

// interrupted reports whether a call that would have to wait is to fail with EINTR instead: the program has been told of a
// signal, perhaps when it was already on its way to wait.
func (s *signals) interrupted() bool {
	told := s.told
	s.told = false
	return told
}
