package metrics

import (
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"time"
)

// Process adds figures of this process and of Go in it, under the names that Prometheus' own libraries give them.
func (r *Registry) Process() {
	r.memory()
	r.collections()
	r.Gauge("go_goroutines", "Number of goroutines that currently exist.", func() float64 { return float64(runtime.NumGoroutine()) })
	r.Gauge("go_threads", "Number of OS threads created.", func() float64 { return float64(pprof.Lookup("threadcreate").Count()) })
	r.Gauge("go_sched_gomaxprocs_threads", "Number of threads that execute Go code at the same time.", func() float64 { return float64(runtime.GOMAXPROCS(0)) })
	r.Gauge("go_gc_gomemlimit_bytes", "The limit that the collector keeps memory below, if it can.", func() float64 { return float64(debug.SetMemoryLimit(-1)) })
	r.add("go_info", "The version of Go.", "gauge", func(p *page) { p.sample("", nil, none, "version", runtime.Version(), 1) })
	started := float64(time.Now().UnixMilli()) / 1e3 // a server asks for this as soon as it starts
	r.Gauge("process_start_time_seconds", "Start of the process, in seconds since 1970.", func() float64 { return started })
	r.system()
}

// memory adds what Go says of memory.
func (r *Registry) memory() {
	for i, m := range memoryFigures {
		r.add("go_memstats_"+m.name, m.help, m.kind, func(p *page) {
			if i == 0 { // one look is for all of them: goroutines stop for it
				runtime.ReadMemStats(&p.memory)
			}
			p.line("", nil, none, m.of(&p.memory))
		})
	}
}

// memoryFigures are those of runtime.MemStats.
var memoryFigures = []struct {
	name, kind, help string
	of               func(*runtime.MemStats) float64
}{
	{"alloc_bytes", "gauge", "Bytes of heap objects.", func(m *runtime.MemStats) float64 { return float64(m.Alloc) }},
	{"alloc_bytes_total", "counter", "Bytes of heap objects that were allocated, freed ones included.", func(m *runtime.MemStats) float64 { return float64(m.TotalAlloc) }},
	{"buck_hash_sys_bytes", "gauge", "Bytes of tables for profiles.", func(m *runtime.MemStats) float64 { return float64(m.BuckHashSys) }},
	{"frees_total", "counter", "Heap objects that were freed.", func(m *runtime.MemStats) float64 { return float64(m.Frees) }},
	{"gc_sys_bytes", "gauge", "Bytes that the collector needs.", func(m *runtime.MemStats) float64 { return float64(m.GCSys) }},
	{"heap_alloc_bytes", "gauge", "Bytes of heap objects, as alloc_bytes.", func(m *runtime.MemStats) float64 { return float64(m.HeapAlloc) }},
	{"heap_idle_bytes", "gauge", "Bytes of heap without objects.", func(m *runtime.MemStats) float64 { return float64(m.HeapIdle) }},
	{"heap_inuse_bytes", "gauge", "Bytes of heap with objects.", func(m *runtime.MemStats) float64 { return float64(m.HeapInuse) }},
	{"heap_objects", "gauge", "Heap objects.", func(m *runtime.MemStats) float64 { return float64(m.HeapObjects) }},
	{"heap_released_bytes", "gauge", "Bytes of heap that were given back to the system.", func(m *runtime.MemStats) float64 { return float64(m.HeapReleased) }},
	{"heap_sys_bytes", "gauge", "Bytes of heap that are the system's.", func(m *runtime.MemStats) float64 { return float64(m.HeapSys) }},
	{"last_gc_time_seconds", "gauge", "End of the last collection, in seconds since 1970.", func(m *runtime.MemStats) float64 { return float64(m.LastGC) / 1e9 }},
	{"mallocs_total", "counter", "Heap objects that were allocated.", func(m *runtime.MemStats) float64 { return float64(m.Mallocs) }},
	{"mcache_inuse_bytes", "gauge", "Bytes in use of mcache structures.", func(m *runtime.MemStats) float64 { return float64(m.MCacheInuse) }},
	{"mcache_sys_bytes", "gauge", "Bytes of mcache structures.", func(m *runtime.MemStats) float64 { return float64(m.MCacheSys) }},
	{"mspan_inuse_bytes", "gauge", "Bytes in use of mspan structures.", func(m *runtime.MemStats) float64 { return float64(m.MSpanInuse) }},
	{"mspan_sys_bytes", "gauge", "Bytes of mspan structures.", func(m *runtime.MemStats) float64 { return float64(m.MSpanSys) }},
	{"next_gc_bytes", "gauge", "Bytes of heap at which the next collection begins.", func(m *runtime.MemStats) float64 { return float64(m.NextGC) }},
	{"other_sys_bytes", "gauge", "Bytes that Go has for all else.", func(m *runtime.MemStats) float64 { return float64(m.OtherSys) }},
	{"stack_inuse_bytes", "gauge", "Bytes in use of stacks.", func(m *runtime.MemStats) float64 { return float64(m.StackInuse) }},
	{"stack_sys_bytes", "gauge", "Bytes of stacks.", func(m *runtime.MemStats) float64 { return float64(m.StackSys) }},
	{"sys_bytes", "gauge", "Bytes that Go has of the system.", func(m *runtime.MemStats) float64 { return float64(m.Sys) }},
}

// collections adds how long collections stopped everything.
func (r *Registry) collections() {
	r.add("go_gc_duration_seconds", "Pauses of garbage collections.", "summary", func(p *page) {
		stats := debug.GCStats{PauseQuantiles: make([]time.Duration, 5)}
		debug.ReadGCStats(&stats)
		for i, pause := range stats.PauseQuantiles {
			p.sample("", nil, none, "quantile", strconv.FormatFloat(float64(i)/4, 'g', -1, 64), pause.Seconds())
		}
		p.line("_sum", nil, none, stats.PauseTotal.Seconds())
		p.line("_count", nil, none, float64(stats.NumGC))
	})
}
