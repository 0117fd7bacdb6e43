// Command soak asks a server for everything at once, well and badly, for some minutes, and fails if the server does not become
// again what it was: memory, goroutines, open files, processes. It needs /proc.
//
//	soak [-time 3m] [-cycles 6] BOXER
//
// The time is cut into cycles. Each is load, by clients of which some behave badly, and a rest, which begins when nothing runs and
// no session is open any more. At rest a server should look the same every time.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

func main() {
	took := flag.Duration("time", 3*time.Minute, "of load")
	cycles := flag.Int("cycles", 6, "that it is cut into")
	clients := flag.Int("clients", 16, "at the same time")
	seed := flag.Uint64("seed", 1, "of what they ask for")
	flag.Parse()
	if flag.NArg() != 1 || *cycles < 3 {
		fmt.Fprintln(os.Stderr, "usage: soak [-time 3m] [-cycles 6] BOXER")
		os.Exit(2)
	}
	if err := soak(context.Background(), os.Stdout, flag.Arg(0), *took, *cycles, *clients, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func soak(ctx context.Context, out io.Writer, boxer string, took time.Duration, cycles, clients int, seed uint64) (err error) {
	s, err := serve(ctx, boxer)
	if err != nil {
		return err
	}
	defer func() {
		if ended := s.end(); err == nil {
			err = ended
		}
	}()
	fmt.Fprintf(out, "%6s %8s %8s %8s  %10s %6s %6s  %10s %6s %6s\n", "cycle", "answers", "refused", "dropped",
		"goroutines", "files", "MiB", "workers", "files", "MiB")
	var rests []rest
	for cycle := range cycles {
		counts, err := load(ctx, s, took/time.Duration(cycles), clients, seed+uint64(cycle)<<32)
		if err != nil {
			return err
		}
		r, err := s.rest(ctx)
		if err != nil {
			return err
		}
		rests = append(rests, r)
		fmt.Fprintf(out, "%6d %8d %8d %8d  %10d %6d %6d  %10d %6d %6d\n", cycle+1, counts.answers.Load(), counts.refused.Load(), counts.dropped.Load(),
			r.goroutines, r.files, r.memory>>20, r.workers, r.workerFiles, r.workerMemory>>20)
	}
	return verdict(rests)
}

// load has clients ask for things until the time is over. The first that goes wrong ends it.
func load(ctx context.Context, s *served, took time.Duration, clients int, seed uint64) (*counts, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var all counts
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() {
			c := newClient(s, &all, rand.New(rand.NewPCG(seed, uint64(i))))
			for end := time.Now().Add(took); time.Now().Before(end) && ctx.Err() == nil; {
				if err := c.something(ctx); err != nil {
					fail(err)
				}
			}
			c.http.CloseIdleConnections()
		})
	}
	running.Wait()
	return &all, context.Cause(ctx)
}
