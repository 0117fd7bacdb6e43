package runtime

import (
	"context"
	"fmt"
	"sync"

	"github.com/tetratelabs/wazero/api"

	"boxer.dev/internal/wasm"
	"boxer.dev/runtime/wasi"
)

// Signal is what the programs of a run can be told from outside while they run.
type Signal = wasi.Signal

// The signals that there is a use for.
const (
	// Interrupt is what Ctrl-C sends: Python code sees KeyboardInterrupt. A program that does not handle it ends with
	// status 130.
	Interrupt = wasi.Interrupt
	// Deadline says that time is running out: Python code sees TimeoutError. A program that does not handle it goes on.
	Deadline = wasi.Deadline
)

// running are the programs of a run that have been started and have not ended.
type running struct {
	mutex     sync.Mutex
	processes []*wasi.Process // in order of their start
}

func (r *running) add(p *wasi.Process) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.processes = append(r.processes, p)
}

func (r *running) remove(p *wasi.Process) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for i, other := range r.processes {
		if other == p {
			r.processes = append(r.processes[:i], r.processes[i+1:]...)
			return
		}
	}
}

// signal tells all of them, as a terminal tells those in its foreground, and reports whether there are any.
func (r *running) signal(s Signal) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, p := range r.processes {
		p.Signal(s)
	}
	return len(r.processes) > 0
}

// passSignals passes on what comes from Cmd.Signals until the function that it returns is called.
func (s *sandbox) passSignals() (stop func()) {
	if s.cmd.Signals == nil {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case signal, ok := <-s.cmd.Signals:
				if !ok {
					return
				}
				s.pass(signal)
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// pass passes a signal on. An interrupt ends the run if it comes in its grace, or where there is no program yet that could
// take it.
func (s *sandbox) pass(signal Signal) {
	if signal != Interrupt {
		s.running.signal(signal)
		return
	}
	s.interrupted.Store(true)
	if told := s.grace.told(); told != nil {
		s.end(told)
	} else if !s.running.signal(signal) {
		s.end(&KilledError{Reason: "interrupted", Status: StatusInterrupted})
	}
}

// mortal gives a program that takes no signals a context of its own, which they end: the run goes on.
func mortal(ctx context.Context, p *wasi.Process) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	p.Kill = func(n Signal) { cancel(&killedBy{n}) }
	return ctx, func() { cancel(nil) }
}

// killedBy is the end of a program, not of its run.
type killedBy struct{ signal Signal }

func (k *killedBy) Error() string { return fmt.Sprintf("signal %d", k.signal) }
func (k *killedBy) exit() error   { return &ExitError{Code: 128 + int(k.signal)} }

// attend lets signals reach the program, which runs until unattend is called, unless it looks for them itself where it counts.
func (i *instance) attend(ctx context.Context) {
	if i.meters.looks() {
		return
	}
	var linear []byte
	if i.memory != nil {
		linear = i.memory.Bytes()
	}
	wasi.Attend(ctx, i.module, linear)
}

func (i *instance) unattend(ctx context.Context) { wasi.Unattend(ctx) }

// signalSlice is how long a program may take to note a signal, in what it counts.
const signalSlice = 1 << 20

// deliver hands a program that counts the signals that are on their way to it. What it does about them at that moment is
// not charged, since when they come is chance.
func deliver(ctx context.Context, mod api.Module) {
	if !wasi.Signalled(ctx) {
		return
	}
	if counter, ok := mod.ExportedGlobal(wasm.CounterExport).(api.MutableGlobal); ok {
		was := setCounter(counter, signalSlice)
		defer func() { setCounter(counter, was) }()
	}
	wasi.Deliver(ctx, mod)
}
