package builder

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
)

// Memory does not grow with the size of files, only, and slowly, with their number.
func TestMemoryIsFlat(t *testing.T) {
	size := int64(1 << 30)
	if testing.Short() {
		size = 256 << 20
	}
	small, large := contextWithFile(t, 1<<20), contextWithFile(t, size)
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // what is live is meant, not what waits to be collected
	want := peakHeap(t, small)
	if got := peakHeap(t, large); got > want+32<<20 {
		t.Errorf("the heap takes up to %d MiB with a file of %d MiB, and %d MiB with one of 1 MiB", got>>20, size>>20, want>>20)
	}
	t.Logf("heap: %d MiB with a file of 1 MiB", want>>20)
	if want > 128<<20 {
		t.Errorf("5,000 files take %d MiB of heap", want>>20)
	}
}

// contextWithFile has 5,000 small files and one with a hole.
func contextWithFile(t *testing.T, size int64) string {
	t.Helper()
	dir := t.TempDir()
	for i := range 5000 {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("d%d/f%d", i/100, i)), []byte("x"))
	}
	name := filepath.Join(dir, "sparse")
	writeFile(t, name, nil)
	if err := os.Truncate(name, size); err != nil {
		t.Fatal(err)
	}
	return dir
}

// peakHeap builds a directory with a cache and returns how large the heap was at most.
func peakHeap(t *testing.T, dir string) uint64 {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	store := newStore(t)
	boxfile, err := Parse("Boxfile", strings.NewReader("FROM scratch\nCOPY . /app\n"))
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var peak atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		watchHeap(&peak, stop)
	}()
	_, err = Build(t.Context(), Options{
		Boxfile: boxfile, Context: root, Cache: store.Cache(), TempDir: store.TempDir(), DigestDir: t.TempDir(), Identity: "1",
	})
	close(stop)
	<-stopped
	if err != nil {
		t.Fatal(err)
	}
	return peak.Load()
}

// watchHeap notes the heap's size after each collection: a finaliser is what tells of one.
func watchHeap(peak *atomic.Uint64, stop <-chan struct{}) {
	collected := make(chan struct{}, 1)
	for {
		marker := new([16]byte)
		runtime.SetFinalizer(marker, func(*[16]byte) {
			select {
			case collected <- struct{}{}:
			default:
			}
		})
		select {
		case <-stop:
			return
		case <-collected:
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			peak.Store(max(peak.Load(), stats.HeapAlloc))
		}
	}
}
