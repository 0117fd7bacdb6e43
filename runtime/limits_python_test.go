package runtime

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// TestPythonBlockingCallsEnd: what waits ends with the run's time, whatever it waits for (wasmtime-go #233).
func TestPythonBlockingCallsEnd(t *testing.T) {
	box := newPython(t)
	for name, source := range map[string]string{
		"input":        "input()",
		"raw read":     "import os\nos.read(0, 1)",
		"select":       "import select, sys\nselect.select([sys.stdin], [], [])",
		"sleep":        "import time\ntime.sleep(1e9)",
		"poll":         "import select\nselect.poll().poll(1e9)",
		"lock":         "import threading\nl = threading.Lock()\nl.acquire()\nl.acquire()",
		"queue":        "import queue\nqueue.Queue().get()",
		"event loop":   "import asyncio\nasyncio.run(asyncio.sleep(1e9))",
		"locked files": "import fcntl\nf, g = open('/tmp/l', 'w'), open('/tmp/l', 'w')\nfcntl.flock(f, fcntl.LOCK_EX)\nfcntl.flock(g, fcntl.LOCK_EX)\nwhile True: pass",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdin, open := io.Pipe()
			defer open.Close()
			err := box.Run(t.Context(), &Cmd{Args: []string{"python3", "-c", source}, Stdin: stdin, Limits: Limits{Timeout: 300 * time.Millisecond}})
			if r := ResultOf(err); r.Outcome != OutcomeTimeout {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestPythonOutputLimitEndsTheRun: no handler and no loop keeps a run going that has written too much.
func TestPythonOutputLimitEndsTheRun(t *testing.T) {
	box := newPython(t)
	for name, args := range map[string][]string{
		"alone":         {"python3", "-c", "try:\n  while True: print('x' * 1000)\nexcept BaseException: pass\nwhile True: pass"},
		"in a pipeline": {"sh", "-c", "python3 -c 'while True: pass' | python3 -c 'while True: print(1)'"},
		"of the shell":  {"sh", "-c", "python3 -c 'while True: pass' & while :; do echo 1; done"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := box.Run(t.Context(), &Cmd{Args: args, Stdout: &out, Limits: Limits{Output: 10_000}})
			if r := ResultOf(err); r.Outcome != OutcomeOutputLimit || out.Len() != 10_000 {
				t.Errorf("%+v, %d bytes", r, out.Len())
			}
		})
	}
}

// TestPythonWithoutAClock: time of day is an error; what there is besides moves by reading and sleeping, and tells nothing.
func TestPythonWithoutAClock(t *testing.T) {
	var out bytes.Buffer
	err := newPython(t).Run(t.Context(), &Cmd{Args: []string{"python3", "-c", `
import asyncio, datetime, time
for ask in time.time, datetime.datetime.now, lambda: time.clock_gettime(time.CLOCK_REALTIME):
    try: ask()
    except PermissionError: print('refused')
before = time.monotonic()
asyncio.run(asyncio.sleep(1000))
print(1000 <= time.monotonic() - before < 1001, time.perf_counter() < 1100, time.process_time() < 1)
`}, Stdout: &out, Stderr: &out, Limits: Limits{NoClock: true}})
	if want := strings.Repeat("refused\n", 3) + "True True True\n"; err != nil || out.String() != want {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// TestPythonMemoryWhileTheClockStands: memory is counted whatever the time is (monty #736).
func TestPythonMemoryWhileTheClockStands(t *testing.T) {
	box := newPython(t)
	for name, limits := range map[string]Limits{"fixed": {FixedClock: true}, "off": {NoClock: true}, "deterministic": {Deterministic: true}} {
		t.Run(name, func(t *testing.T) {
			limits.Memory = 64 << 20
			err := box.Run(t.Context(), &Cmd{Args: []string{"python3", "-c", "import time\nx = []\nwhile True:\n  x.append(bytes(1 << 20))\n  time.sleep(100)"}, Limits: limits})
			if r := ResultOf(err); r.Outcome != OutcomeOutOfMemory {
				t.Errorf("%+v", r)
			}
		})
	}
}
