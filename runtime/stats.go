package runtime

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Stats tells where a run's time and memory went. Where a shell ran several programs, phases are sums over them.
type Stats struct {
	Programs    int           // wasm programs that were started
	Lookup      time.Duration // finding the program and preparing its files
	Load        time.Duration // compiling it, or fetching its machine code from the cache
	Instantiate time.Duration
	Run         time.Duration // from the first instruction to the last
	Total       time.Duration

	Compiled   int    // programs compiled because no cache had them
	CacheHits  int    // programs whose machine code came from the cache on disk
	MemoryHits int    // programs that the Engine had loaded before
	PeakMemory uint64 // bytes of the largest linear memory of a program
}

// String gives the figures in one line for people.
func (s *Stats) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "total %s: lookup %s, load %s (%s), instantiate %s, run %s; memory %s",
		short(s.Total), short(s.Lookup), short(s.Load), s.origin(), short(s.Instantiate), short(s.Run), mebibytes(s.PeakMemory))
	if s.Programs != 1 {
		fmt.Fprintf(&text, "; %d programs", s.Programs)
	}
	return text.String()
}

func (s *Stats) origin() string {
	var parts []string
	for _, part := range []struct {
		count int
		what  string
	}{{s.Compiled, "compiled"}, {s.CacheHits, "cached"}, {s.MemoryHits, "loaded before"}} {
		switch {
		case part.count == 0:
		case s.Programs == 1:
			parts = append(parts, part.what)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.what))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.2fms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%.1fms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.2fs", d.Seconds())
}

func mebibytes(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// meter collects Stats from programs that run at the same time.
type meter struct {
	mutex sync.Mutex
	stats Stats
}

func (m *meter) add(s Stats) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.stats.Programs += s.Programs
	m.stats.Lookup += s.Lookup
	m.stats.Load += s.Load
	m.stats.Instantiate += s.Instantiate
	m.stats.Run += s.Run
	m.stats.Compiled += s.Compiled
	m.stats.CacheHits += s.CacheHits
	m.stats.MemoryHits += s.MemoryHits
	m.stats.PeakMemory = max(m.stats.PeakMemory, s.PeakMemory)
}

func (m *meter) total() Stats {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.stats
}
