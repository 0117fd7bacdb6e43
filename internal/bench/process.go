package bench

import (
	"context"
	"fmt"
	"os/exec"
	"time"
)

// process times whole processes, in turns: `boxer run` and the host's Python.
func (s Start) process(ctx context.Context, r *Section) error {
	boxer := Line{Key: "process_us", What: "hello as a process", Unit: "ms", Scale: 1e-3}
	python := Line{Key: "python3_us", What: "the host's python3 -I", Unit: "ms", Scale: 1e-3}
	over := Line{Key: "process_over_python3", What: "  boxer as a multiple", Unit: "×", Goal: "≤ 2.5"}
	sides := []*turn{{command: []string{s.Boxer, "run", "python:3.13", "-c", hello}}}
	if s.Python3 != "" {
		sides = append(sides, &turn{command: []string{s.Python3, "-I", "-c", hello}})
	}
	if err := takeTurns(ctx, s.rounds(100), sides); err != nil {
		return err
	}
	boxer.Figure = figure(sides[0].took)
	r.add(boxer)
	if s.Python3 == "" {
		r.lacks(python, "the host has no python3")
		r.lacks(over, "the host has no python3")
		return nil
	}
	ratio, err := sides[0].took.Over(sides[1].took)
	if err != nil {
		return err
	}
	python.Figure, over.Figure = figure(sides[1].took), figure(ratio)
	r.add(python)
	r.add(over)
	return nil
}

// turn is one of several commands that say hello, each in turn.
type turn struct {
	command []string
	took    Sample // microseconds
}

// takeTurns runs the commands after one another, again and again. Two rounds before are warm-up.
func takeTurns(ctx context.Context, rounds int, sides []*turn) error {
	for round := range rounds + 2 {
		for _, side := range sides {
			took, err := spawn(ctx, side.command)
			if err != nil {
				return err
			}
			if round >= 2 {
				side.took = append(side.took, took)
			}
		}
	}
	return nil
}

// spawn runs a command that says hello and gives how long it took from start to end, in microseconds.
func spawn(ctx context.Context, command []string) (float64, error) {
	start := time.Now()
	output, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	took := microseconds(time.Since(start))
	if err != nil {
		return 0, fmt.Errorf("running %s: %w", command[0], err)
	}
	if string(output) != "hello\n" {
		return 0, fmt.Errorf("%s answers %q to hello", command[0], output)
	}
	return took, nil
}
