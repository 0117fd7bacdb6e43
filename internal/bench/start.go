package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"time"

	"boxer.dev/internal/bench/rival"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

// Start says what `boxer bench start` measures with.
type Start struct {
	Python   *oci.Rootfs // the Python base, opened
	CacheDir string      // of machine code, see runtime.Options
	Boxer    string      // the executable of boxer, to be run as a process
	Rivals   []*rival.Rival
	TempDir  string // for images of 20 and of 200 MB; empty: the host's default
	Quick    bool   // a fifth of the measurements
	Progress func(what string)
}

const hello = "print('hello')"

func (s Start) rounds(n int) int { return rounds(n, s.Quick) }

func (s Start) tell(what string) {
	if s.Progress != nil {
		s.Progress(what)
	}
}

// Run takes all figures.
func (s Start) Run(ctx context.Context) (*Section, error) {
	r := &Section{Name: "start", Title: "Starting", How: []string{
		"Instances that are ready are kept in boxer's process, as a server keeps them.",
		"Page cache and code cache are warm; the first two of each are not counted.",
	}}
	for _, part := range []struct {
		what string
		take func(context.Context, *Section) error
	}{
		{"hello in a pooled instance, and by full initialisation", s.pooled},
		{"hello in a worker", s.isolated},
		{"hello on one core", s.throughput},
		{"phases of a run", s.phases},
		{"hello in fresh sandboxes", s.fresh},
		{"hello as a process", s.process},
		{"many starts", s.many},
		{"live instances", s.live},
		{"restoring 20 and 200 MB", s.growth},
	} {
		s.tell(part.what)
		if err := part.take(ctx, r); err != nil {
			return nil, fmt.Errorf("measuring %s: %w", part.what, err)
		}
	}
	return r, nil
}

// python makes an engine that keeps instances ready, and the Python base in it.
func (s Start) python(ctx context.Context, keep int) (*runtime.Engine, *runtime.Box, error) {
	engine, err := runtime.New(ctx, runtime.Options{CacheDir: s.CacheDir, Keep: keep})
	if err != nil {
		return nil, nil, err
	}
	box, err := engine.Load(s.Python)
	if err != nil {
		return nil, nil, errors.Join(err, engine.Close())
	}
	return engine, box, nil
}

// sayHello runs hello and gives how long it took, in microseconds.
func sayHello(ctx context.Context, box *runtime.Box, fresh bool) (float64, error) {
	var out bytes.Buffer
	start := time.Now()
	err := box.Run(ctx, &runtime.Cmd{Args: []string{"python3", "-c", hello}, Stdout: &out, Stderr: &out, Fresh: fresh})
	took := microseconds(time.Since(start))
	if err != nil {
		return 0, err
	}
	if out.String() != "hello\n" {
		return 0, fmt.Errorf("hello is answered by %q", out.String())
	}
	return took, nil
}

// pooledPerPair is how many pooled runs stand beside one full initialisation, which takes hundreds of times as long.
const pooledPerPair = 20

func (s Start) pooled(ctx context.Context, r *Section) (err error) {
	engine, box, err := s.python(ctx, 4)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	for range 5 { // warm-up
		for _, fresh := range []bool{true, false} {
			if _, err := sayHello(ctx, box, fresh); err != nil {
				return err
			}
		}
	}
	var all, neighbours, initialised Sample
	for range s.rounds(100) {
		took, err := sayHello(ctx, box, true)
		if err != nil {
			return err
		}
		initialised = append(initialised, took)
		var near Sample
		for range pooledPerPair {
			engine.Settle()
			took, err := sayHello(ctx, box, false)
			if err != nil {
				return err
			}
			near = append(near, took)
		}
		neighbours = append(neighbours, near.quantile(0.5))
		all = append(all, near...)
	}
	ratio, err := initialised.Over(neighbours)
	if err != nil {
		return err
	}
	r.add(Line{Key: "pooled_hello_us", What: "hello, instance at hand", Unit: "µs", Figure: figure(all), Goal: "≤ 120"})
	r.add(Line{Key: "init_us", What: "hello, full initialisation", Unit: "ms", Figure: figure(initialised), Scale: 1e-3})
	r.add(Line{Key: "init_over_pooled", What: "  as a multiple", Unit: "×", Figure: figure(ratio), Goal: "≥ 400"})
	return nil
}

// throughput runs hello again and again on one core, and divides by the time that the core was busy.
func (s Start) throughput(ctx context.Context, r *Section) (err error) {
	line := Line{Key: "runs_per_second_per_core", What: "isolated hellos, one core", Unit: "/s", Goal: "≥ 5000"}
	if _, err := processorTime(); err != nil {
		r.lacks(line, err.Error())
		return nil
	}
	engine, box, err := s.python(ctx, 4)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(1))
	const batch = 200
	var rates Sample
	for round := range s.rounds(20) + 1 {
		before, err := processorTime()
		if err != nil {
			return err
		}
		for range batch {
			if _, err := sayHello(ctx, box, false); err != nil {
				return err
			}
		}
		engine.Settle()
		after, err := processorTime()
		if err != nil {
			return err
		}
		if round > 0 { // the first is warm-up
			rates = append(rates, batch/(after-before).Seconds())
		}
	}
	line.Figure = figure(rates)
	r.add(line)
	return nil
}
