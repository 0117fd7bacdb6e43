package wasi

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/tetratelabs/wazero/api"
)

// exportAttention is how a program that goes on without a call is told that there are signals for it: a constant global, the
// address of a table of pairs {address u32, bits u32}, of which the last one's address is 0. In these words of its memory the
// host sets these bits, again and again, until the program makes a call, whichever; that the bits are cleared is the program's
// business. What lies outside of memory as it was when the program started, or not at a multiple of 4, is passed over.
const exportAttention = "boxer.attention"

// maxAttention is how many words are looked at.
const maxAttention = 16

// attention is what others than the program's own goroutine know of it while it runs.
type attention struct {
	mutex  sync.Mutex
	mod    api.Module // nil: it does not run
	memory []byte
	asking *asking // nil: nobody asks for attention
}

// asking is a goroutine that does.
type asking struct{ stop, stopped chan struct{} }

// Attend lets signals reach the program of ctx while it goes on without a call, until Unattend is called: memory is that of mod,
// its instance, and is written to from other goroutines in between.
func Attend(ctx context.Context, mod api.Module, memory []byte) {
	p := processOf(ctx)
	a := &p.attention
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.mod, a.memory = mod, memory
	if p.signals.pending.Load() != 0 {
		p.ask()
	}
}

// Unattend ends that: the memory is not written to any more.
func Unattend(ctx context.Context) {
	a := &processOf(ctx).attention
	a.mutex.Lock()
	asking := a.asking
	a.mod, a.memory, a.asking = nil, nil, nil
	a.mutex.Unlock()
	if asking != nil {
		close(asking.stop)
		<-asking.stopped
	}
}

// alert is called after signals have been sent.
func (p *Process) alert() {
	p.attention.mutex.Lock()
	defer p.attention.mutex.Unlock()
	p.ask()
}

// ask sees to it that the signals get to the program, if it runs. The mutex is held.
func (p *Process) ask() {
	a := &p.attention
	if a.mod == nil || a.asking != nil {
		return
	}
	if a.mod.ExportedFunction(ExportSignal) == nil {
		p.kill()
		return
	}
	global := a.mod.ExportedGlobal(exportAttention)
	if global == nil || global.Type() != api.ValueTypeI32 {
		return
	}
	if _, changes := global.(api.MutableGlobal); changes {
		return
	}
	a.asking = &asking{make(chan struct{}), make(chan struct{})}
	go p.askUntilTaken(a.asking, a.memory, uint32(global.Get()))
}

// kill ends a program that takes no signals.
func (p *Process) kill() {
	pending := p.signals.pending.Load()
	for s := Signal(1); s < signalBits; s++ {
		if pending&(1<<s) != 0 && s != Deadline && p.Kill != nil {
			p.Kill(s)
			return
		}
	}
}

// How long a program is left alone between two times that it is asked: it may just have been writing to the same word.
const (
	firstPause = 20 * time.Microsecond
	lastPause  = 5 * time.Millisecond
)

func (p *Process) askUntilTaken(own *asking, memory []byte, table uint32) {
	defer close(own.stopped)
	for pause := firstPause; p.isAsking(own); pause = min(2*pause, lastPause) {
		setBits(memory, table)
		select {
		case <-own.stop:
			return
		case <-time.After(pause):
		}
	}
}

// isAsking reports whether there is still something to ask for; if not, who asks ends.
func (p *Process) isAsking(own *asking) bool {
	a := &p.attention
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.asking == own && p.signals.pending.Load() == 0 {
		a.asking = nil
	}
	return a.asking == own
}

// setBits sets the bits once. The program goes on meanwhile, and nothing that it has in its memory is to be trusted.
func setBits(memory []byte, table uint32) {
	for at := uint64(table); at < uint64(table)+8*maxAttention; at += 8 {
		address, bits := wordAt(memory, at), wordAt(memory, at+4)
		if address == nil || bits == nil {
			return
		}
		to := atomic.LoadUint32(address)
		if to == 0 {
			return
		}
		if word := wordAt(memory, uint64(to)); word != nil {
			atomic.OrUint32(word, atomic.LoadUint32(bits))
		}
	}
}

// wordAt gives a word of memory, nil if it is not one.
func wordAt(memory []byte, at uint64) *uint32 {
	if at%4 != 0 || at+4 > uint64(len(memory)) {
		return nil
	}
	return (*uint32)(unsafe.Pointer(&memory[at]))
}
