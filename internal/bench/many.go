package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"boxer.dev/internal/bench/rival"
)

// Of many starts: a hundred one after another are measured in blocks, so that all sides take turns.
const (
	inSequence = 100
	block      = 20
	atOnce     = 16
)

// many times many starts of boxer, of the host's Python and of containers.
func (s Start) many(ctx context.Context, r *Section) error {
	sides := []*turn{s.turns()[0]}
	for _, rival := range s.Rivals {
		if rival.Container || rival.Missing != "" && isContainer(rival) || rival.Key == "python3" {
			sides = append(sides, rivalTurn(rival))
		}
	}
	starts, count := block, 5
	if s.Quick {
		starts, count = 5, leastPairs
	}
	for range count {
		for _, side := range sides {
			if side.missing != "" {
				continue
			}
			row, err := side.row(ctx, starts)
			if err == nil {
				var crowd float64
				crowd, err = side.crowd(ctx, atOnce)
				side.first, side.took = append(side.first, row*inSequence/float64(starts)), append(side.took, crowd)
			}
			switch {
			case err != nil && side.key == "boxer":
				return err
			case err != nil:
				side.missing, side.first, side.took = err.Error(), nil, nil
			}
		}
	}
	return r.compareTurns(sides, []kind{
		{"hundred_in_sequence", fmt.Sprintf("%d processes that print hello, one after another (measured in blocks of %d)", inSequence, starts), "s", 1e-6,
			func(t *turn) Sample { return t.first }},
		{"sixteen_at_once", fmt.Sprintf("%d processes that print hello at once, until the last has ended", atOnce), "s", 1e-6, func(t *turn) Sample { return t.took }},
	})
}

// isContainer says whether a rival that is not there would be a container.
func isContainer(r *rival.Rival) bool {
	return r.Key == "docker" || r.Key == "podman" || r.Key == "runc"
}

// row runs a command so many times, one after another, and gives how long that took in microseconds.
func (t *turn) row(ctx context.Context, times int) (float64, error) {
	start := time.Now()
	for range times {
		if _, _, err := spawn(ctx, t.command(hello), t.env); err != nil {
			return 0, err
		}
	}
	return microseconds(time.Since(start)), nil
}

// crowd runs a command so many times at once, and gives how long it took until the last had ended, in microseconds.
func (t *turn) crowd(ctx context.Context, times int) (float64, error) {
	errs := make([]error, times)
	var commands [][]string
	for range times {
		commands = append(commands, t.command(hello))
	}
	var all sync.WaitGroup
	start := time.Now()
	for i := range times {
		all.Go(func() { _, _, errs[i] = spawn(ctx, commands[i], t.env) })
	}
	all.Wait()
	return microseconds(time.Since(start)), firstOf(errs...)
}
