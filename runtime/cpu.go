package runtime

import (
	"runtime"
	"sync"
	"time"
)

// cpuAccount accounts for the processor time of a run's programs. Each keeps its goroutine on one thread while it works, whose
// clock can be read from any other (cpu_linux.go); so do shells and utilities. Elsewhere it is the time that programs do not
// wait, and shells and utilities do not count. Nowhere does what a shell itself computes in an element of a pipeline but the
// last; the programs there do.
type cpuAccount struct {
	limit time.Duration // 0: none
	end   func()        // ends the run

	lock    sync.Mutex
	ended   time.Duration  // used by what is over
	working map[any]*stint // by thread
	watch   *time.Timer
}

// stint is what one thread does for the run.
type stint struct {
	clock *workClock
	began time.Duration // by the clock
	last  time.Duration // known to be used
}

func (t *stint) used() time.Duration {
	if now, ok := t.clock.read(); ok {
		t.last = max(t.last, now-t.began)
	}
	return t.last
}

// work counts what the calling goroutine does until done is called, unless that is counted already: a shell may start a program
// on its own thread. The clock is to be told when the program waits.
func (p *cpuAccount) work() (clock *workClock, done func()) {
	if p == nil {
		return nil, func() {}
	}
	runtime.LockOSThread()
	clock = newWorkClock()
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.working[clock.thread()] != nil {
		return clock, runtime.UnlockOSThread
	}
	began, _ := clock.read()
	if p.working == nil {
		p.working = map[any]*stint{}
	}
	p.working[clock.thread()] = &stint{clock: clock, began: began}
	return clock, func() {
		p.lock.Lock()
		p.ended += p.working[clock.thread()].used()
		delete(p.working, clock.thread())
		p.lock.Unlock()
		runtime.UnlockOSThread()
	}
}

// workOfOurs is work for shells and utilities, where they can be measured.
func (p *cpuAccount) workOfOurs() (done func()) {
	if !measuresAll {
		return func() {}
	}
	_, done = p.work()
	return done
}

// used is the time used so far.
func (p *cpuAccount) used() time.Duration {
	p.lock.Lock()
	defer p.lock.Unlock()
	total := p.ended
	for _, t := range p.working {
		total += t.used()
	}
	return total
}

// soonest is how long the watch sleeps at least.
const soonest = 4 * time.Millisecond

// start holds the limit, if there is one: the run is looked at when it could have used up what is left to it.
func (p *cpuAccount) start() {
	if p == nil || p.limit <= 0 {
		return
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	p.watch = time.AfterFunc(p.limit, p.look)
}

func (p *cpuAccount) look() {
	left := p.limit - p.used()
	if left <= 0 {
		p.end()
		return
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.watch != nil {
		p.watch.Reset(max(left/time.Duration(max(1, len(p.working))), soonest))
	}
}

func (p *cpuAccount) stop() {
	if p == nil {
		return
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.watch != nil {
		p.watch.Stop()
		p.watch = nil
	}
}
