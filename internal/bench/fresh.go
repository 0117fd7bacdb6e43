package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"boxer.dev/internal/bench/rival"
)

// fresh times hello in a sandbox that has run nothing yet, of a process that has all loaded: boxer's instances at hand, and what
// rivals have of the kind.
func (s Start) fresh(ctx context.Context, r *Section) (err error) {
	engine, box, err := s.python(ctx, 4)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	type side struct {
		taken
		driver *rival.Driver
		spent  time.Duration
	}
	sides := []*side{{taken: taken{who: "boxer"}}}
	for _, r := range s.Rivals {
		if isContainer(r) || r.Key == "python3" {
			continue // they have nothing but processes
		}
		one := &side{taken: taken{who: r.Key, missing: r.Missing}}
		sides = append(sides, one)
		if r.Missing != "" {
			continue
		}
		if one.driver, err = r.Drive(ctx); err != nil {
			one.missing, one.driver = err.Error(), nil
			continue
		}
		defer one.driver.Close()
	}
	for round, counts := range paced(s.rounds(40), s.Quick) {
		for i := range sides {
			one := sides[(round+i)%len(sides)]
			took := 0.0
			switch {
			case one.who == "boxer":
				engine.Settle()
				if took, err = sayHello(ctx, box, false); err != nil {
					return err
				}
			case one.driver == nil || one.missing != "":
				continue
			default:
				out, duration, err := one.driver.Ask(rival.Fresh, hello)
				one.spent += duration
				if why := tooSlow(one.spent, s.Quick); why != "" && err == nil {
					err = errors.New(why)
				}
				if err == nil && out != "hello\n" {
					err = fmt.Errorf("it answers %q to hello", out)
				}
				if err != nil {
					one.missing, one.sample = err.Error(), nil
					continue
				}
				took = microseconds(duration)
			}
			if counts {
				one.sample = append(one.sample, took)
			}
		}
	}
	all := make([]taken, len(sides))
	for i, one := range sides {
		all[i] = one.taken
	}
	c, err := compare(Comparison{Key: "fresh", What: "Hello in a fresh sandbox, in a process that has all loaded", Unit: "ms", Scale: 1e-3}, all)
	r.Comparisons = append(r.Comparisons, c)
	return err
}
