package bench

import (
	goruntime "runtime"
	"testing"
)

// TestGrowth: what the first instance takes is not counted.
func TestGrowth(t *testing.T) {
	if goruntime.GOOS != "linux" {
		t.Skip("only Linux tells what memory processes share")
	}
	started := 0
	f, err := Density{Quick: true}.growth(func() ([]int, error) {
		started++
		return nil, nil // of no processes the memory is nothing
	})
	if err != nil || f.Median != 0 || started != (Density{Quick: true}).count() {
		t.Errorf("%v after %d, %v", f, started, err)
	}
}
