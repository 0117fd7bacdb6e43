package main

import (
	"strings"
	"testing"
)

// TestVerdict: what goes up and down is fine, what only goes up is not.
func TestVerdict(t *testing.T) {
	flat := rest{goroutines: 20, files: 35, memory: 20 << 20, workers: 6, workerFiles: 78, workerMemory: 200 << 20}
	for name, test := range map[string]struct {
		change func(i int, r *rest)
		says   string
	}{
		"flat":            {func(int, *rest) {}, ""},
		"up and down":     {func(i int, r *rest) { r.goroutines += 40 * (i % 2); r.memory += int64(i%2) << 26 }, ""},
		"only at first":   {func(i int, r *rest) { r.workerMemory += int64(min(i, 2)) << 25 }, ""},
		"goroutines":      {func(i int, r *rest) { r.goroutines += 10 * i }, "goroutines grow"},
		"files":           {func(i int, r *rest) { r.files += 10 * i }, "open files of the server grow"},
		"memory":          {func(i int, r *rest) { r.memory += int64(i) << 24 }, "bytes of the server grow"},
		"workers' memory": {func(i int, r *rest) { r.workerMemory += int64(i) << 25 }, "bytes of workers grow"},
		"workers":         {func(i int, r *rest) { r.workers += 3 * i }, "workers grow"},
	} {
		t.Run(name, func(t *testing.T) {
			var rests []rest
			for i := range 6 {
				r := flat
				test.change(i, &r)
				rests = append(rests, r)
			}
			err := verdict(rests)
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestQuiet(t *testing.T) {
	for metrics, want := range map[string]bool{
		"boxer_running 0\nboxer_sessions 0\nboxer_waiting 0\n": true,
		"boxer_running 1\nboxer_sessions 0\nboxer_waiting 0\n": false,
		"boxer_sessions 0\nboxer_waiting 0\n":                  false,
	} {
		if quiet(metrics) != want {
			t.Errorf("%q", metrics)
		}
	}
}
