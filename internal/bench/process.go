package bench

import (
	"context"
	"fmt"
	"os/exec"
	"time"
)

// process times whole processes, in turns: `boxer run` and the host's Python.
func (s Start) process(ctx context.Context, r *StartReport) error {
	const name = "process_over_python3"
	if s.Python3 == "" {
		r.Missing[name] = "the host has no python3"
		return nil
	}
	boxer := []string{s.Boxer, "run", "python:3.13", "-c", hello}
	python := []string{s.Python3, "-I", "-c", hello}
	var ours, theirs Sample
	for round := range s.rounds(100) + 2 {
		for _, side := range []struct {
			command []string
			sample  *Sample
		}{{boxer, &ours}, {python, &theirs}} {
			took, err := spawn(ctx, side.command)
			if err != nil {
				return err
			}
			if round >= 2 { // the first are warm-up
				*side.sample = append(*side.sample, took)
			}
		}
	}
	ratio, err := ours.Over(theirs)
	if err != nil {
		return err
	}
	r.Process, r.Python3, r.ProcessOverPython3 = figure(ours), figure(theirs), figure(ratio)
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
