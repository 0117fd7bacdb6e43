package runtime

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"boxer.dev/runtime/memory"
)

// Stats tells where a run's time and memory went. Where a shell ran several programs, phases are sums over them.
type Stats struct {
	Programs    int           // wasm programs that were started
	Lookup      time.Duration // finding the program and preparing its files
	Compile     time.Duration // making its machine code, if no cache has it
	Load        time.Duration // fetching its machine code
	Restore     time.Duration // making an instance that begins as a memory image
	Instantiate time.Duration // making one that does not
	Run         time.Duration // from the first instruction to the last
	Reset       time.Duration // making an instance as new after the run
	Total       time.Duration

	Compiled     int    // programs compiled because no cache had them
	CacheHits    int    // programs whose machine code came from the cache on disk
	MemoryHits   int    // programs that the Engine had loaded before
	Restored     int    // programs that began as a memory image
	Fuel         int64  // WebAssembly instructions executed, if they were counted
	Calls        int64  // of functions of the embedding program that have been answered
	PagesTouched int    // pages of memory.PageSize bytes that programs wrote, which are the memory private to the run
	PeakMemory   uint64 // bytes of the largest linear memory of a program; with Limits.Memory, of all at one time

	CPU          time.Duration // of the processor, used by programs
	Output       int64         // bytes written to standard output and error
	WrittenBytes int64         // that the box's tree holds more than before
	WrittenFiles int64         // and files
}

// String gives the figures in one line for people.
func (s *Stats) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "total %s", short(s.Total))
	for i, phase := range []struct {
		name string
		time time.Duration
	}{
		{"lookup", s.Lookup}, {"compile", s.Compile}, {"load", s.Load}, {"restore", s.Restore},
		{"instantiate", s.Instantiate}, {"run", s.Run}, {"reset", s.Reset},
	} {
		if phase.time == 0 && phase.name != "load" {
			continue
		}
		separator := ", "
		if i == 0 {
			separator = ": "
		}
		fmt.Fprintf(&text, "%s%s %s", separator, phase.name, short(phase.time))
		if phase.name == "load" {
			fmt.Fprintf(&text, " (%s)", s.origin())
		}
	}
	fmt.Fprintf(&text, "; memory %s", mebibytes(s.PeakMemory))
	if s.PagesTouched > 0 {
		fmt.Fprintf(&text, ", of it %s private (%d pages touched)", mebibytes(uint64(s.PagesTouched)*memory.PageSize), s.PagesTouched)
	}
	if s.Programs != 1 {
		fmt.Fprintf(&text, "; %d programs", s.Programs)
	}
	if s.CPU > 0 {
		fmt.Fprintf(&text, "; processor %s", short(s.CPU))
	}
	return text.String()
}

// MarshalJSON gives times in milliseconds and sizes in bytes.
func (s Stats) MarshalJSON() ([]byte, error) {
	milliseconds := func(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e3 }
	return json.Marshal(struct {
		Duration     float64 `json:"duration_ms"`
		CPU          float64 `json:"cpu_ms"`
		Run          float64 `json:"run_ms"`
		PeakMemory   uint64  `json:"peak_memory_bytes"`
		Private      int     `json:"private_memory_bytes"`
		Fuel         int64   `json:"fuel,omitempty"`
		Output       int64   `json:"output_bytes"`
		WrittenBytes int64   `json:"written_bytes"`
		WrittenFiles int64   `json:"written_files"`
		Programs     int     `json:"programs"`
		Restored     int     `json:"restored"`
	}{
		milliseconds(s.Total), milliseconds(s.CPU), milliseconds(s.Run), s.PeakMemory, s.PagesTouched * memory.PageSize,
		s.Fuel, s.Output, s.WrittenBytes, s.WrittenFiles, s.Programs, s.Restored,
	})
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

// loaded takes over how a program was loaded.
func (s *Stats) loaded(of *Stats) {
	s.Compiled += of.Compiled
	s.CacheHits += of.CacheHits
	s.Compile += of.Compile
}

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
	m.stats.Compile += s.Compile
	m.stats.Load += s.Load
	m.stats.Restore += s.Restore
	m.stats.Instantiate += s.Instantiate
	m.stats.Run += s.Run
	m.stats.Reset += s.Reset
	m.stats.Restored += s.Restored
	m.stats.PagesTouched += s.PagesTouched
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
