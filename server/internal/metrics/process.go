package metrics

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Process adds figures of this process and of Go in it, under the names that Prometheus' own libraries give them.
func (r *Registry) Process() {
	r.figures()
	r.collections()
	r.Gauge("go_threads", "Number of OS threads created.", func() float64 { return float64(pprof.Lookup("threadcreate").Count()) })
	r.add("go_info", "The version of Go.", "gauge", func(p *page) { p.sample("", nil, none, "version", runtime.Version(), 1) })
	started := float64(time.Now().UnixMilli()) / 1e3 // a server asks for this as soon as it starts
	r.Gauge("process_start_time_seconds", "Start of the process, in seconds since 1970.", func() float64 { return started })
	r.system()
}

// figures adds what Go says of itself. Nothing stops for it, as it would for runtime.ReadMemStats.
func (r *Registry) figures() {
	for _, m := range ofGo {
		var samples []metrics.Sample
		for name := range strings.FieldsSeq(m.sum) {
			samples = append(samples, metrics.Sample{Name: name})
		}
		r.add(m.name, m.help, m.kind, func(p *page) {
			p.line("", nil, none, sumOf(samples))
		})
	}
}

func sumOf(samples []metrics.Sample) (sum float64) {
	samples = slices.Clone(samples)
	metrics.Read(samples)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 { // all are, in the versions of Go that have them
			sum += float64(s.Value.Uint64())
		}
	}
	return sum
}

// ofGo are sums of what package runtime/metrics has.
var ofGo = []struct{ name, kind, help, sum string }{
	{"go_memstats_alloc_bytes", "gauge", "Bytes of heap objects.", "/memory/classes/heap/objects:bytes"},
	{"go_memstats_alloc_bytes_total", "counter", "Bytes of heap objects that were allocated, freed ones included.", "/gc/heap/allocs:bytes"},
	{"go_memstats_buck_hash_sys_bytes", "gauge", "Bytes of tables for profiles.", "/memory/classes/profiling/buckets:bytes"},
	{"go_memstats_frees_total", "counter", "Heap objects that were freed.", "/gc/heap/frees:objects /gc/heap/tiny/allocs:objects"},
	{"go_memstats_gc_sys_bytes", "gauge", "Bytes that the collector needs.", "/memory/classes/metadata/other:bytes"},
	{"go_memstats_heap_alloc_bytes", "gauge", "Bytes of heap objects, as alloc_bytes.", "/memory/classes/heap/objects:bytes"},
	{"go_memstats_heap_idle_bytes", "gauge", "Bytes of heap without objects.", "/memory/classes/heap/released:bytes /memory/classes/heap/free:bytes"},
	{"go_memstats_heap_inuse_bytes", "gauge", "Bytes of heap with objects.", "/memory/classes/heap/objects:bytes /memory/classes/heap/unused:bytes"},
	{"go_memstats_heap_objects", "gauge", "Heap objects.", "/gc/heap/objects:objects"},
	{"go_memstats_heap_released_bytes", "gauge", "Bytes of heap that were given back to the system.", "/memory/classes/heap/released:bytes"},
	{"go_memstats_heap_sys_bytes", "gauge", "Bytes of heap that are the system's.",
		"/memory/classes/heap/objects:bytes /memory/classes/heap/unused:bytes /memory/classes/heap/released:bytes /memory/classes/heap/free:bytes"},
	{"go_memstats_mallocs_total", "counter", "Heap objects that were allocated.", "/gc/heap/allocs:objects /gc/heap/tiny/allocs:objects"},
	{"go_memstats_mcache_inuse_bytes", "gauge", "Bytes in use of mcache structures.", "/memory/classes/metadata/mcache/inuse:bytes"},
	{"go_memstats_mcache_sys_bytes", "gauge", "Bytes of mcache structures.",
		"/memory/classes/metadata/mcache/inuse:bytes /memory/classes/metadata/mcache/free:bytes"},
	{"go_memstats_mspan_inuse_bytes", "gauge", "Bytes in use of mspan structures.", "/memory/classes/metadata/mspan/inuse:bytes"},
	{"go_memstats_mspan_sys_bytes", "gauge", "Bytes of mspan structures.",
		"/memory/classes/metadata/mspan/inuse:bytes /memory/classes/metadata/mspan/free:bytes"},
	{"go_memstats_next_gc_bytes", "gauge", "Bytes of heap at which the next collection begins.", "/gc/heap/goal:bytes"},
	{"go_memstats_other_sys_bytes", "gauge", "Bytes that Go has for all else.", "/memory/classes/other:bytes"},
	{"go_memstats_stack_inuse_bytes", "gauge", "Bytes in use of stacks.", "/memory/classes/heap/stacks:bytes"},
	{"go_memstats_stack_sys_bytes", "gauge", "Bytes of stacks.", "/memory/classes/heap/stacks:bytes /memory/classes/os-stacks:bytes"},
	{"go_memstats_sys_bytes", "gauge", "Bytes that Go has of the system.", "/memory/classes/total:bytes"},
	{"go_gc_gogc_percent", "gauge", "How much the heap may grow until it is collected, in percent.", "/gc/gogc:percent"},
	{"go_gc_gomemlimit_bytes", "gauge", "The limit that the collector keeps memory below, if it can.", "/gc/gomemlimit:bytes"},
	{"go_sched_gomaxprocs_threads", "gauge", "Number of threads that execute Go code at the same time.", "/sched/gomaxprocs:threads"},
	{"go_goroutines", "gauge", "Number of goroutines that currently exist.", "/sched/goroutines:goroutines"},
}

// collections adds how long collections stopped everything, and when the last one did.
func (r *Registry) collections() {
	r.Gauge("go_memstats_last_gc_time_seconds", "End of the last collection, in seconds since 1970.", func() float64 {
		var stats debug.GCStats
		debug.ReadGCStats(&stats)
		return max(0, float64(stats.LastGC.UnixMilli())/1e3)
	})
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
