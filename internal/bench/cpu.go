package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"boxer.dev/internal/bench/rival"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

// CPU says what `boxer bench cpu` measures with.
type CPU struct {
	Python   *oci.Rootfs    // the Python base, opened
	CacheDir string         // of machine code, see runtime.Options
	Rivals   []*rival.Rival // what it is compared with
	Quick    bool           // a fifth of the measurements
	Progress func(what string)
}

// Forms in which boxer runs a program: as usual, so that it counts nothing and nothing could end it, so that it counts in order to be
// stopped, and charged. On machines where programs can be interrupted the first two are the same code.
const (
	boxer = iota
	plain
	counting
	fuelled
	forms
)

// side is one interpreter that runs programs in turn with others.
type side struct {
	key     string
	runner  runner
	took    [][]float64 // by program, in microseconds
	missing []string    // by program: why it cannot run it
	gone    string      // why it cannot run any; "" if it can
}

// Run runs every program on every side in turns: each interpreter is there all the time, and waits. boxer's own forms differ by a few
// per cent, so they take turns among themselves first.
func (c CPU) Run(ctx context.Context) (_ *Section, err error) {
	own := make([]*side, forms)
	var others []*side
	var engines []*runtime.Engine
	defer func() {
		for _, s := range slices.Concat(own, others) {
			if s != nil && s.runner != nil {
				err = errors.Join(err, s.runner.end())
			}
		}
		for _, e := range engines {
			err = errors.Join(err, e.Close())
		}
	}()
	for form, of := range []struct {
		key      string
		counting runtime.Counting
		limits   runtime.Limits
	}{
		boxer:    {key: "boxer", limits: runtime.Limits{Timeout: math.MaxInt64}},
		plain:    {key: "plain", counting: runtime.CountNever},
		counting: {key: "counting", counting: runtime.CountAlways, limits: runtime.Limits{Timeout: math.MaxInt64}},
		fuelled:  {key: "fuel", limits: runtime.Limits{Fuel: math.MaxInt64}},
	} {
		engine, err := runtime.New(ctx, runtime.Options{CacheDir: c.CacheDir, Counting: of.counting})
		if err != nil {
			return nil, err
		}
		engines = append(engines, engine)
		box, err := engine.Load(c.Python)
		if err != nil {
			return nil, err
		}
		running, err := inBox(ctx, box, runtime.Cmd{Limits: of.limits})
		if err != nil {
			return nil, err
		}
		own[form] = newSide(of.key, running, "")
	}
	if err := c.measure(own); err != nil {
		return nil, err
	}
	for _, r := range c.Rivals {
		others = append(others, rivalSide(ctx, r))
	}
	again := newSide("boxer", own[boxer].runner, "")
	if err := c.measure(append([]*side{again}, others...)); err != nil {
		return nil, err
	}
	return cpuSection(own, again, others)
}

func newSide(key string, r runner, gone string) *side {
	return &side{key: key, runner: r, gone: gone, took: make([][]float64, len(programs)), missing: make([]string, len(programs))}
}

// rivalSide starts a rival's interpreter. That it cannot be is something to report, and no reason to stop.
func rivalSide(ctx context.Context, r *rival.Rival) *side {
	if r.Missing != "" {
		return newSide(r.Key, nil, r.Missing)
	}
	running, err := rivalRunner(ctx, r)
	if err != nil {
		return newSide(r.Key, nil, err.Error())
	}
	return newSide(r.Key, running, "")
}

func (c CPU) measure(sides []*side) error {
	count, order := rounds(60, c.Quick), rand.New(rand.NewPCG(1, 2))
	for round, counts := range paced(count, c.Quick) {
		if c.Progress != nil && round%10 == 0 {
			c.Progress(fmt.Sprintf("programs, round %d of %d", round, count+warmRounds(c.Quick)))
		}
		for p, program := range programs {
			for _, i := range order.Perm(len(sides)) { // who comes after another of this process finds the processor's caches warm
				s := sides[i]
				if s.runner == nil || s.missing[p] != "" {
					continue
				}
				took, err := s.runner.time(program)
				switch {
				case err != nil && s.key == "boxer":
					return fmt.Errorf("running %s: %w", program.name, err)
				case err != nil:
					s.missing[p], s.took[p] = err.Error(), nil
				case counts:
					s.took[p] = append(s.took[p], took)
				}
			}
		}
	}
	return nil
}

// runner is an interpreter that runs programs when it is told to.
type runner interface {
	// time gives how much processor time a program took, in microseconds. Wall-clock time would measure what else the machine
	// does.
	time(p program) (float64, error)
	end() error
}
