package python_test

import (
	"bytes"
	"testing"

	"boxer.dev/runtime"
)

// TestVariablesNeedNoStart: runs with variables that people set for every Python continue the memory image, and leave most
// of it as it is when they end. To take an interpreter apart writes to two thousand pages.
func TestVariablesNeedNoStart(t *testing.T) {
	const pages = 300
	python := load(t)
	for _, variable := range []string{
		"PYTHONUNBUFFERED=1", "PYTHONUNBUFFERED=", "PYTHONDONTWRITEBYTECODE=1", "PYTHONIOENCODING=utf-8", "PYTHONUTF8=1",
		"PYTHONPATH=/srv", "PYTHON_VERSION=3.13", "LANG=de_DE.UTF-8",
	} {
		t.Run(variable, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			var stats runtime.Stats
			err := python.Run(t.Context(), &runtime.Cmd{
				Args: []string{"python3", "-c", "print(input())"}, Env: []string{variable},
				Stdin: bytes.NewBufferString("line\n"), Stdout: &stdout, Stderr: &stderr, Stats: &stats,
			})
			if err != nil || stdout.String() != "line\n" {
				t.Fatalf("%v; printed %q, %q", err, &stdout, &stderr)
			}
			if stats.Restored != 1 || stats.PagesTouched > pages {
				t.Errorf("continued %d images, touched %d pages; want 1 and at most %d", stats.Restored, stats.PagesTouched, pages)
			}
		})
	}
}

// TestStartsWithoutClock: who is granted no clock can use Python; only asking for the time fails.
func TestStartsWithoutClock(t *testing.T) {
	python := load(t)
	for name, fresh := range map[string]bool{"continued": false, "anew": true} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			cmd := &runtime.Cmd{
				Args:   []string{"python3", "-c", "import time\ntry: time.time()\nexcept OSError: print('no time')"},
				Stdout: &stdout, Stderr: &stderr, Fresh: fresh,
			}
			cmd.Limits.NoClock = true
			if err := python.Run(t.Context(), cmd); err != nil || stdout.String() != "no time\n" {
				t.Errorf("%v; printed %q, %q", err, &stdout, &stderr)
			}
		})
	}
}
