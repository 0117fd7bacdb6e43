package isolate

import (
	"runtime/debug"
	"runtime/metrics"
)

// A worker's heap is small, but for what runs keep in files and print. Garbage is collected seldom (gcPercent), and what was once
// used stays the worker's for minutes: so a run that wrote much would have made its worker large for all that follow.

// spareHeap is by how many bytes a worker's heap may be larger than after the last time that it was given back. Of what small runs
// leave behind, garbage collection makes an end before that.
const spareHeap = 32 << 20

// thrift gives a worker's heap back to the system.
type thrift struct{ kept uint64 }

// mind is called when no run goes on. It takes milliseconds after a run that wrote much.
func (t *thrift) mind() {
	if heapSize() > t.kept+spareHeap {
		debug.FreeOSMemory()
		t.kept = heapSize()
	}
}

// heapSize is what the heap has of the system, in bytes, whether it is in use or not.
func heapSize() (bytes uint64) {
	samples := [...]metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples[:])
	for _, s := range samples {
		bytes += s.Value.Uint64()
	}
	return bytes
}
