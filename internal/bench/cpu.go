package bench

import (
	"context"
	"errors"
	"fmt"
	"math"

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

// Forms in which boxer runs a program: as usual, so that it cannot be stopped, and charged.
const (
	boxer = iota
	plain
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

// Run runs every program on every side in turns: each interpreter is there all the time, and waits.
func (c CPU) Run(ctx context.Context) (_ *Section, err error) {
	sides := make([]*side, forms, forms+len(c.Rivals))
	var engines []*runtime.Engine
	defer func() {
		for _, s := range sides {
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
		fuel     int64
	}{boxer: {key: "boxer"}, plain: {key: "plain", counting: runtime.CountNever}, fuelled: {key: "fuel", fuel: math.MaxInt64}} {
		engine, err := runtime.New(ctx, runtime.Options{CacheDir: c.CacheDir, Counting: of.counting})
		if err != nil {
			return nil, err
		}
		engines = append(engines, engine)
		box, err := engine.Load(c.Python)
		if err != nil {
			return nil, err
		}
		running, err := inBox(ctx, box, runtime.Cmd{Limits: runtime.Limits{Fuel: of.fuel}})
		if err != nil {
			return nil, err
		}
		sides[form] = newSide(of.key, running, "")
	}
	for _, r := range c.Rivals {
		sides = append(sides, rivalSide(ctx, r))
	}
	if err := c.measure(sides); err != nil {
		return nil, err
	}
	return cpuSection(sides)
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
	count := rounds(60, c.Quick)
	for round, counts := range paced(count, c.Quick) {
		if c.Progress != nil && round%10 == 0 {
			c.Progress(fmt.Sprintf("programs, round %d of %d", round, count+warmRounds(c.Quick)))
		}
		for p, program := range programs {
			for i := range sides {
				s := sides[(round+i)%len(sides)] // nobody is always behind the same one
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
