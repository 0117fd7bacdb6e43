package bench

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"boxer.dev/oci"
	"boxer.dev/runtime"
)

// CPU says what `boxer bench cpu` measures with.
type CPU struct {
	Python   *oci.Rootfs // the Python base, opened
	CacheDir string      // of machine code, see runtime.Options
	Python3  string      // the host's Python; empty: it is not compared with
	Quick    bool        // a fifth of the measurements
	Progress func(what string)
}

// Forms in which a program is measured: as it is, as it can be stopped, and as it is charged.
const (
	plain = iota
	stoppable
	fuelled
	native // in the host's Python
	forms
)

// CPUReport tells what it costs Python programs that they can be stopped, and that they are charged.
type CPUReport struct {
	Workloads []Workload
	// Over all workloads, the geometric mean of each round.
	Stoppable, Fuel, Native *Figure
	Missing                 map[string]string
}

// Workload is one program: how long it takes, in microseconds, and in other forms as multiples of that.
type Workload struct {
	Name            string  `json:"name"`
	Plain           *Figure `json:"plain_us"`
	Stoppable, Fuel *Figure
	Native          *Figure // how many times as long as the host's Python the program takes; nil if there is none
}

//go:embed cpu.py
var cpuPrograms string

var workloads = []string{
	"fib", "integers", "json_round_trip", "sorting", "regular_expressions", "strings", "dictionaries", "objects", "generators",
	"big_integers", "queens",
}

// Run runs every program in every form in turns: three of them live in one process, each in a box of its own, and wait.
func (c CPU) Run(ctx context.Context) (_ *CPUReport, err error) {
	engine, err := runtime.New(ctx, runtime.Options{CacheDir: c.CacheDir})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	box, err := engine.Load(c.Python)
	if err != nil {
		return nil, err
	}
	var runners [forms]*runner
	defer func() {
		for _, r := range runners {
			if r != nil {
				err = errors.Join(err, r.end())
			}
		}
	}()
	for form, cmd := range []runtime.Cmd{
		plain:     {},
		stoppable: {Stoppable: true},
		fuelled:   {Limits: runtime.Limits{Fuel: math.MaxInt64}},
	} {
		runners[form] = inBox(ctx, box, cmd)
	}
	if c.Python3 != "" {
		if runners[native], err = onHost(ctx, c.Python3); err != nil {
			return nil, err
		}
	}
	return c.measure(runners)
}

func (c CPU) measure(runners [forms]*runner) (*CPUReport, error) {
	times := make([][forms]Sample, len(workloads))
	rounds := 60
	if c.Quick {
		rounds = 12
	}
	for round := range rounds + 2 {
		if c.Progress != nil && round%10 == 0 {
			c.Progress(fmt.Sprintf("round %d of %d", round, rounds+2))
		}
		for w, name := range workloads {
			for i := range runners {
				form := (round + i) % forms // nobody is always behind the same one
				if runners[form] == nil {
					continue
				}
				took, err := runners[form].time(name)
				if err != nil {
					return nil, fmt.Errorf("running %s: %w", name, err)
				}
				if round >= 2 { // the first are warm-up
					times[w][form] = append(times[w][form], took)
				}
			}
		}
	}
	return cpuReport(workloads, times)
}

// cpuReport sums up how long each workload took in each form, round by round.
func cpuReport(names []string, times [][forms]Sample) (*CPUReport, error) {
	report := &CPUReport{Missing: map[string]string{}}
	var all [forms][]Sample
	for w, name := range names {
		var ratios [forms]*Figure
		for form, took := range times[w] {
			if form == plain || len(took) == 0 {
				continue
			}
			ratio, err := took.Over(times[w][plain])
			if form == native {
				ratio, err = times[w][plain].Over(took)
			}
			if err != nil {
				return nil, err
			}
			ratios[form] = figure(ratio)
			all[form] = append(all[form], ratio)
		}
		report.Workloads = append(report.Workloads, Workload{name, figure(times[w][plain]), ratios[stoppable], ratios[fuelled], ratios[native]})
	}
	report.Stoppable, report.Fuel = figure(geometricMeans(all[stoppable])), figure(geometricMeans(all[fuelled]))
	if len(all[native]) > 0 {
		report.Native = figure(geometricMeans(all[native]))
	} else {
		report.Missing["plain_over_python3"] = "the host has no python3"
	}
	return report, nil
}

// geometricMeans gives the mean of the first measurements of all samples, of the second ones, and so on. The samples are of
// one length.
func geometricMeans(samples []Sample) (means Sample) {
	if len(samples) == 0 {
		return nil
	}
	for i := range samples[0] {
		sum := 0.0
		for _, s := range samples {
			sum += math.Log(s[i])
		}
		means = append(means, math.Exp(sum/float64(len(samples))))
	}
	return means
}

// runner is an interpreter that runs programs when it is told to.
type runner struct {
	questions io.WriteCloser
	answers   *bufio.Reader
	wait      func() error
	ours      bool // it runs in this process, which knows better than the program how long it took
}

func inBox(ctx context.Context, box *runtime.Box, cmd runtime.Cmd) *runner {
	stdin, questions := io.Pipe()
	answers, stdout := io.Pipe()
	var complaint strings.Builder
	cmd.Args = []string{"python3", "-c", cpuPrograms}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, &complaint
	ended := make(chan error, 1)
	go func() {
		err := box.Run(ctx, &cmd)
		if err != nil {
			err = fmt.Errorf("%w: %s", err, complaint.String())
		}
		stdout.CloseWithError(err)
		stdin.Close()
		ended <- err
	}()
	return &runner{questions, bufio.NewReader(answers), func() error { return <-ended }, true}
}

func onHost(ctx context.Context, python3 string) (*runner, error) {
	command := exec.CommandContext(ctx, python3, "-I", "-c", cpuPrograms)
	questions, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	return &runner{questions, bufio.NewReader(answers), command.Wait, false}, nil
}

// time gives how much processor time a program took, in microseconds. Wall-clock time would measure what else the machine does.
func (r *runner) time(program string) (float64, error) {
	var before, after time.Duration
	var err error
	if r.ours {
		before, err = processorTime()
	}
	known := r.ours && err == nil
	if _, err := fmt.Fprintln(r.questions, program); err != nil {
		return 0, err
	}
	answer, err := r.answers.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if known {
		after, err = processorTime()
		return microseconds(after - before), err
	}
	nanoseconds, err := strconv.ParseInt(strings.TrimSpace(answer), 10, 64)
	return float64(nanoseconds) / 1e3, err
}

func (r *runner) end() error { return errors.Join(r.questions.Close(), r.wait()) }
