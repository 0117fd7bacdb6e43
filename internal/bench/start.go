package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	goruntime "runtime"
	"sync"
	"time"

	"boxer.dev/oci"
	"boxer.dev/runtime"
)

// Start says what `boxer bench start` measures with.
type Start struct {
	Python   *oci.Rootfs // the Python base, opened
	CacheDir string      // of machine code, see runtime.Options
	Boxer    string      // the executable of boxer, to be run as a process
	Python3  string      // the host's Python, to be run as a process; empty: that figure is left out
	TempDir  string      // for images of 20 and of 200 MB; empty: the host's default
	Quick    bool        // a fifth of the measurements
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
		{"hello as a process", s.process},
		{"restoring 20 and 200 MB", s.growth},
		{"live instances", s.live},
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

// live starts a thousand programs that stay alive, has each answer, and divides the memory by their number.
func (s Start) live(ctx context.Context, r *Section) (err error) {
	const instances = 1000
	engine, box, err := s.python(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	if _, err := sayHello(ctx, box, false); err != nil {
		return err
	}
	goruntime.GC()
	before, unknown := privateBytes()
	crowd := newCrowd(ctx, box, instances)
	ready := crowd.hear("ready\n")
	goruntime.GC()
	after, _ := privateBytes()
	crowd.tell()
	answered := crowd.hear("42\n")
	if err := crowd.leave(); err != nil {
		return err
	}
	if ready != instances || answered != instances {
		return fmt.Errorf("of %d instances %d were ready and %d answered", instances, ready, answered)
	}
	r.add(Line{Key: "live_instances", What: "live instances, all answering", Figure: figure(Sample{float64(answered)}), Goal: "≥ 1000"})
	private := Line{Key: "private_bytes_per_instance", What: "private memory, live instance", Unit: "KB", Scale: 1e-3, Goal: "≤ 700"}
	if unknown != nil {
		r.lacks(private, unknown.Error())
		return nil
	}
	private.Figure = figure(Sample{float64(after-before) / instances})
	r.add(private)
	return nil
}

// crowd is a number of programs that are alive at once.
type crowd struct {
	members []*member
	runs    sync.WaitGroup
}

type member struct {
	question *io.PipeWriter
	answers  *io.PipeReader
	err      error
}

const waiting = "import sys\nprint('ready', flush=True)\nprint(int(sys.stdin.readline()) * 2, flush=True)"

func newCrowd(ctx context.Context, box *runtime.Box, n int) *crowd {
	c := &crowd{}
	for range n {
		stdin, question := io.Pipe()
		answers, stdout := io.Pipe()
		m := &member{question: question, answers: answers}
		c.members = append(c.members, m)
		c.runs.Go(func() {
			m.err = box.Run(ctx, &runtime.Cmd{Args: []string{"python3", "-c", waiting}, Stdin: stdin, Stdout: stdout})
			stdout.CloseWithError(m.err)
		})
	}
	return c
}

// hear counts the members that say a line.
func (c *crowd) hear(line string) (n int) {
	said := make([]byte, len(line))
	for _, m := range c.members {
		if _, err := io.ReadFull(m.answers, said); err == nil && string(said) == line {
			n++
		}
	}
	return n
}

func (c *crowd) tell() {
	for _, m := range c.members {
		go io.WriteString(m.question, "21\n")
	}
}

// leave waits for the programs' ends.
func (c *crowd) leave() error {
	var errs []error
	for _, m := range c.members {
		m.question.Close()
	}
	c.runs.Wait()
	for _, m := range c.members {
		errs = append(errs, m.err)
	}
	return errors.Join(errs...)
}
