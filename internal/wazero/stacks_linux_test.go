package wazero_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
)

// TestStacksCountAsTheyGrow: of a large stack that is to become larger only what it has counts for the limit of what a process
// writes to (RLIMIT_DATA of getrlimit(2)). Others would get nothing any more.
func TestStacksCountAsTheyGrow(t *testing.T) {
	needPatches(t)
	m, err := withBottom(t).InstantiateWithConfig(t.Context(), recursion(0), wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	const stacks, depth = 12, 40_000 // of some MiB each; what tests before this one have left may go meanwhile
	before, at := writable(t), 0
	b := bottom{then: slices.Repeat([]uint64{depth}, stacks-1), look: func() { at = writable(t) }}
	results, err := m.ExportedFunction("f").Call(context.WithValue(t.Context(), bottomKey{}, b), depth, 1)
	if err != nil || results[0] != b.want(depth, 1) {
		t.Fatalf("%d, %v, want %d", results, err, b.want(depth, 1))
	}
	if at > before+stacks*30<<20 {
		t.Errorf("%d stacks count for %d bytes", stacks, at-before)
	}
}

// writable is what counts for RLIMIT_DATA, in bytes (VmData of proc_pid_status(5)).
func writable(t *testing.T) (bytes int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "VmData:")
	if _, err := fmt.Sscan(line, &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes << 10
}
