package bench

import (
	"bytes"
	"context"
	"errors"
	"time"

	"boxer.dev/runtime"
)

// phases are where the time of a run goes: what boxer does before Python runs and after it, and Python itself.
var phases = []struct {
	key  string
	what string
	of   func(*runtime.Stats) time.Duration
}{
	{"lookup", "find the program and its files", func(s *runtime.Stats) time.Duration { return s.Lookup }},
	{"load", "fetch its machine code", func(s *runtime.Stats) time.Duration { return s.Load + s.Compile }},
	{"restore", "make an instance of the memory image", func(s *runtime.Stats) time.Duration { return s.Restore + s.Instantiate }},
	{"run", "Python runs", func(s *runtime.Stats) time.Duration { return s.Run }},
	{"reset", "make the instance as new", func(s *runtime.Stats) time.Duration { return s.Reset }},
}

// phases measures hello in an engine that is new, as in a process that has just started, and with an instance at hand.
func (s Start) phases(ctx context.Context, r *Section) (err error) {
	engine, _, err := s.python(ctx, 4)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	fresh, pooled := make([]Sample, len(phases)), make([]Sample, len(phases))
	for _, counts := range paced(s.rounds(100), s.Quick) {
		first, err := s.firstRun(ctx)
		if err != nil {
			return err
		}
		engine.Settle()
		next, err := s.phasesOf(ctx, engine)
		if err != nil {
			return err
		}
		for i, phase := range phases {
			if counts {
				fresh[i] = append(fresh[i], microseconds(phase.of(first)))
				pooled[i] = append(pooled[i], microseconds(phase.of(next)))
			}
		}
	}
	r.Comparisons = append(r.Comparisons,
		phaseComparison("phases_first", "Where the time of a process's first run goes", "ms", 1e-3, fresh),
		phaseComparison("phases_pooled", "Where the time of a run with an instance at hand goes", "µs", 1, pooled))
	return nil
}

// firstRun runs hello in an engine that has run nothing.
func (s Start) firstRun(ctx context.Context) (_ *runtime.Stats, err error) {
	engine, err := runtime.New(ctx, runtime.Options{CacheDir: s.CacheDir})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	return s.phasesOf(ctx, engine)
}

func (s Start) phasesOf(ctx context.Context, engine *runtime.Engine) (*runtime.Stats, error) {
	box, err := engine.Load(s.Python)
	if err != nil {
		return nil, err
	}
	var stats runtime.Stats
	var out bytes.Buffer
	err = box.Run(ctx, &runtime.Cmd{Args: []string{"python3", "-c", hello}, Stdout: &out, Stats: &stats})
	return &stats, err
}

func phaseComparison(key, what, unit string, scale float64, samples []Sample) Comparison {
	c := Comparison{Key: key, What: what, Unit: unit, Scale: scale, Phases: true}
	for i, phase := range phases {
		c.Entries = append(c.Entries, Entry{Who: phase.key, Note: phase.what, Figure: figure(samples[i])})
	}
	return c
}
