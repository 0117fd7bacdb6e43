package runtime

import (
	goruntime "runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// What programs hold is in memories of theirs, each of which is on the run's account before it grows. What the shell and
// utilities hold, lines to be sorted, variables, a file without an end of line, is on Go's heap, which knows of no run. So it is
// known only where the process has nothing else to do (Options.Alone): there the heap is looked at while they work, and what it has
// grown by is the run's.

// heapWatch ends a run whose shells and utilities hold too much. A nil watch watches nothing.
type heapWatch struct {
	allowed func() uint64 // bytes that the heap may grow by
	end     func()        // ends the run
	abandon func()        // ends the process

	lock      sync.Mutex
	working   int
	compiling int
	known     bool
	timer     *time.Timer

	before, collections uint64 // bytes that the heap had, and how often it had been collected
}

const (
	heapPeriod = 5 * time.Millisecond
	// heapSlack is what boxer's own work for a run takes, call stacks of programs among it, in bytes, and heapCompiling what
	// compiling its programs takes besides.
	heapSlack     = 192 << 20
	heapCompiling = 1 << 30
	// heapPatience is how many times as much as is allowed the heap may hold before the process ends: garbage that is yet to be
	// collected, and what grows in the middle of something that cannot be ended.
	heapPatience = 3
)

func (s *sandbox) newHeapWatch() *heapWatch {
	limit, alone := s.cmd.Limits.Memory, s.engine.options.Alone
	if limit <= 0 || alone == nil {
		return nil
	}
	reached := s.reached(Limits{Memory: limit}, OutcomeOutOfMemory)
	return &heapWatch{
		allowed: func() uint64 { return uint64(limit + max(0, s.tree.Used().Bytes)) },
		end:     func() { s.end(reached) },
		abandon: func() { alone(reached) },
	}
}

// work watches until done is called.
func (w *heapWatch) work() (done func()) {
	if w == nil {
		return func() {}
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.working++; w.working == 1 {
		if !w.known {
			w.before, w.collections, w.known = min(heapLive(), heapInUse()), collections(), true
		}
		w.timer = time.AfterFunc(heapPeriod, w.look)
	}
	return func() {
		w.lock.Lock()
		defer w.lock.Unlock()
		if w.working--; w.working == 0 {
			w.timer.Stop()
		}
	}
}

// compile allows for what compiling takes until done is called.
func (w *heapWatch) compile() (done func()) {
	if w == nil {
		return func() {}
	}
	add := func(n int) {
		w.lock.Lock()
		w.compiling += n
		w.lock.Unlock()
	}
	add(1)
	return func() { add(-1) }
}

func (w *heapWatch) look() {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.working == 0 {
		return
	}
	allowed := w.before + w.allowed() + heapSlack
	if w.compiling > 0 {
		allowed += heapCompiling
	}
	live, inUse := heapLive(), heapInUse()
	// It may be garbage. And what the last collection but one left, or one that had begun before, may be what others held.
	if old := collections() < w.collections+2; live > allowed && old || inUse > 2*allowed && (old || live <= allowed) {
		goruntime.GC()
		live, inUse = heapLive(), heapInUse()
	}
	gone := inUse > heapPatience*allowed
	if live > allowed || gone {
		w.end()
	}
	if gone {
		w.abandon()
	}
	w.timer.Reset(heapPeriod)
}

// heapLive is what the last collection left, in bytes.
func heapLive() uint64 { return readMetric("/gc/heap/live:bytes") }

// heapInUse is what there is now, in bytes, garbage included.
func heapInUse() uint64 { return readMetric("/memory/classes/heap/objects:bytes") }

// collections is how often the heap has been collected.
func collections() uint64 { return readMetric("/gc/cycles/total:gc-cycles") }

func readMetric(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
