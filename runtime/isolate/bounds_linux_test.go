package isolate

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"boxer.dev/runtime"
)

// A worker has no more runs than it may, and each may be the last.
func TestRunsOfAWorker(t *testing.T) {
	p, box := newPool(t, &Pool{Runs: 2, Workers: 1}), newBox(t)
	runs := map[int]int{}
	for range 5 {
		err := p.Run(t.Context(), box, &runtime.Cmd{Args: []string{"echo", "a"}, Stdout: writerFunc(func(b []byte) (int, error) {
			p.mutex.Lock()
			defer p.mutex.Unlock()
			for w := range p.open {
				runs[w.process.Process.Pid]++
			}
			return len(b), nil
		})})
		if err != nil {
			t.Fatal(err)
		}
	}
	for pid, n := range runs {
		if n > 2 {
			t.Errorf("process %d had %d runs", pid, n)
		}
	}
	if len(runs) != 3 {
		t.Errorf("%d workers had 5 runs", len(runs))
	}
}

// Workers that are started ahead are there, and wait for runs like those that they were started for.
func TestWarm(t *testing.T) {
	p, box := newPool(t, &Pool{Workers: 3}), newBox(t)
	c := &runtime.Cmd{Args: []string{"true"}}
	if err := p.Warm(t.Context(), box, c, 2); err != nil {
		t.Fatal(err)
	}
	warm := map[*worker]bool{}
	for w := range p.open {
		warm[w] = true
	}
	for range 3 {
		if err := p.Run(t.Context(), box, c); err != nil {
			t.Fatal(err)
		}
	}
	if len(warm) != 2 || len(p.open) != 2 || p.living != 2 {
		t.Errorf("%d workers were started, %d are open", len(warm), len(p.open))
	}
	for w := range p.open {
		if !warm[w] {
			t.Error("another one was started")
		}
	}
	if err := p.Warm(t.Context(), box, c, 10); err != nil || p.living != 3 {
		t.Errorf("more than there may be: %d, %v", p.living, err)
	}
}

// What a worker may write to in memory is bounded whatever its run may have; the next run finds a worker again.
func TestPythonMemoryOfAWorker(t *testing.T) {
	p, box := newPool(t, &Pool{Memory: 800 << 20, Workers: 1}), Box{Root: openPython(t)}
	run := func(source string) (string, error) {
		var out bytes.Buffer
		err := p.Run(t.Context(), box, &runtime.Cmd{Args: []string{"python3", "-c", source}, Stdout: &out, Stderr: &out})
		return out.String(), err
	}
	said, err := run("x = bytearray(1_000_000_000)")
	if got := runtime.ResultOf(err).Outcome; got != runtime.OutcomeOutOfMemory && got != runtime.OutcomeKilled {
		t.Errorf("%s, %q", got, said)
	}
	if said, err := run("x = bytearray(100_000_000); print(len(x))"); err != nil || !strings.HasPrefix(said, "100000000") {
		t.Errorf("%q, %v", said, err)
	}
}

// What a run had in files and printed is not its worker's for ever.
func TestPythonHeapOfAWorker(t *testing.T) {
	p, box := newPool(t, &Pool{Workers: 1}), Box{Root: openPython(t)}
	for range 2 {
		for _, source := range []string{"f = open('/tmp/x', 'wb')\nfor i in range(64): f.write(bytes(1 << 20))", "print('hello')"} {
			if err := p.Run(t.Context(), box, &runtime.Cmd{Args: []string{"python3", "-c", source}, Stdout: io.Discard}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for w := range p.open {
		if got := ownMemory(t, w.process.Process.Pid); got > 48<<20 {
			t.Errorf("the worker has %d bytes of its own after it wrote 64 MiB, and then nothing", got)
		}
	}
}

// ownMemory is how many bytes of a process are no file's (proc_pid_status(5)).
func ownMemory(t *testing.T, pid int) (bytes int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "RssAnon:")
	if _, err := fmt.Sscan(line, &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes << 10
}
