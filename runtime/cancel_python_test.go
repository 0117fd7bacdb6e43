package runtime

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"
)

// BenchmarkPythonCancel is how long a run goes on after its context has ended, in the middle of what it is doing: the median, and the
// longest.
func BenchmarkPythonCancel(b *testing.B) {
	for _, c := range []struct{ name, source string }{
		{"loop", "while True: pass"},
		{"except", "while True:\n  try:\n    while True: pass\n  except BaseException: pass"},
		{"sum", "import itertools\nwhile True: sum(itertools.repeat(1))"},
		{"re", "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')"},
		{"pow", "10**10**8"},
		{"sleep", "import time\ntime.sleep(100)"},
		{"sorted", "import random\nx = list(range(1_000_000))\nrandom.shuffle(x)\nprint(1, flush=True)\nwhile True: sorted(x)"},
		{"find in 250 MB", "x = b'a' * 250_000_000\nprint(1, flush=True)\nwhile True: x.find(b'b')"},
		{"800 MB", "x = b'1' * 800_000_000\nprint(1, flush=True)\nwhile True: pass"},
		{"fill 800 MB", "while True: b'1' * 800_000_000"},
	} {
		b.Run(c.name, func(b *testing.B) {
			box := newPython(b)
			if err := box.Run(b.Context(), &Cmd{Args: []string{"python3", "-c", "1"}}); err != nil {
				b.Fatal(err)
			}
			if !bytes.Contains([]byte(c.source), []byte("print")) {
				c.source = "print(1, flush=True)\n" + c.source
			}
			benchmarkCancel(b, box, "python3", "-c", c.source)
		})
	}
}

// BenchmarkPythonInterrupt is how long it takes Python code to handle a signal that is sent in the middle of what it is doing: the
// median, and the longest.
func BenchmarkPythonInterrupt(b *testing.B) {
	for _, c := range []struct{ name, source string }{
		{"loop", "pass"},
		{"re", "re.match(r'(a+)+$', 'a' * 40 + 'b')"},
		{"pow", "10**10**6"},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkInterrupt(b, newPython(b), c.source) })
	}
}

// benchmarkInterrupt interrupts code that goes on all the same.
func benchmarkInterrupt(b *testing.B, box *Box, code string) {
	const program = "import os, re, signal\nsignal.signal(signal.SIGINT, lambda *a: os.write(1, b'told'))\n" +
		"print('go', flush=True)\nwhile True: "
	signals, said, ended := make(chan Signal), make(chan time.Time), make(chan error, 1)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	out := writer(func(p []byte) (int, error) {
		select {
		case said <- time.Now():
		case <-ctx.Done():
		}
		return len(p), nil
	})
	go func() {
		ended <- box.Run(ctx, &Cmd{Args: []string{"python3", "-c", program + code}, Stdout: out, Signals: signals})
	}()
	next := func() (at time.Time) {
		select {
		case at = <-said:
		case err := <-ended:
			b.Fatal(err)
		}
		return at
	}
	next()
	var took []time.Duration
	for b.Loop() {
		time.Sleep(time.Millisecond) // until it is at it again
		at := time.Now()
		signals <- Interrupt
		took = append(took, next().Sub(at))
	}
	cancel()
	<-ended
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "µs/signal")
	b.ReportMetric(float64(took[len(took)-1].Nanoseconds())/1e3, "µs/longest")
	b.ReportMetric(0, "ns/op")
}

// benchmarkCancel ends a command a moment after it has written something.
func benchmarkCancel(b *testing.B, box *Box, args ...string) {
	var took []time.Duration
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		var at time.Time
		begun := writer(func(p []byte) (int, error) {
			time.AfterFunc(20*time.Millisecond, func() {
				at = time.Now()
				cancel()
			})
			return len(p), nil
		})
		err := box.Run(ctx, &Cmd{Args: args, Stdout: begun})
		took = append(took, time.Since(at))
		if ResultOf(err).Outcome != OutcomeKilled {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1e3, "ms/cancel")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1e3, "ms/longest")
	b.ReportMetric(0, "ns/op")
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
