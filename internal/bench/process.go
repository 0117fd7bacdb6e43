package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"boxer.dev/internal/bench/rival"
)

// turn is one of several ways to run a program as a process, each in turn.
type turn struct {
	key     string // of a contender
	missing string
	command func(code string) []string // a process of its own each time it is called
	env     []string
	first   Sample // until the first byte of output, in microseconds
	took    Sample // until the process has ended
	spent   time.Duration
}

// turns are boxer and its rivals as processes; the first is boxer.
func (s Start) turns() []*turn {
	all := []*turn{{key: "boxer", command: func(code string) []string { return []string{s.Boxer, "run", "python:3.13", "-c", code} }}}
	for _, r := range s.Rivals {
		all = append(all, rivalTurn(r))
	}
	return all
}

func rivalTurn(r *rival.Rival) *turn {
	t := &turn{key: r.Key, missing: r.Missing, command: r.Command, env: r.Env}
	if t.missing == "" && t.command == nil {
		t.missing = "it has no command"
	}
	return t
}

// process times whole processes that say hello.
func (s Start) process(ctx context.Context, r *Section) error {
	sides := s.turns()
	if err := s.takeTurns(ctx, sides); err != nil {
		return err
	}
	r.add(Line{Key: "process_us", What: "hello as a process", Unit: "ms", Scale: 1e-3, Figure: figure(sides[0].took)})
	for _, side := range sides {
		if side.key != "python3" {
			continue
		}
		over := Line{Key: "process_over_python3", What: "  as a multiple of python3 -I", Unit: "×", Goal: "≤ 2.5"}
		if side.missing != "" {
			r.lacks(over, side.missing)
			continue
		}
		pairs, err := sides[0].took.Over(side.took)
		if err != nil {
			return err
		}
		over.Figure = figure(pairs)
		r.add(over)
	}
	return r.compareTurns(sides, []kind{
		{"first_output", "A process that prints hello, until the first output", "ms", 1e-3, func(t *turn) Sample { return t.first }},
		{"process", "A process that prints hello, until its end", "ms", 1e-3, func(t *turn) Sample { return t.took }},
	})
}

type kind struct {
	key, what, unit string
	scale           float64
	of              func(*turn) Sample
}

// compareTurns adds comparisons.
func (s *Section) compareTurns(sides []*turn, kinds []kind) error {
	for _, k := range kinds {
		var all []taken
		for _, side := range sides {
			all = append(all, taken{side.key, k.of(side), side.missing})
		}
		c, err := compare(Comparison{Key: k.key, What: k.what, Unit: k.unit, Scale: k.scale}, all)
		if err != nil {
			return err
		}
		s.Comparisons = append(s.Comparisons, c)
	}
	return nil
}

// takeTurns runs the commands after one another, again and again. A rival that fails is left out
// from then on, and says why; boxer may not.
func (s Start) takeTurns(ctx context.Context, sides []*turn) error {
	for round, counts := range paced(s.rounds(30), s.Quick) {
		for i := range sides {
			side := sides[(round+i)%len(sides)] // nobody is always behind the same one
			if side.missing != "" {
				continue
			}
			start := time.Now()
			first, took, err := spawn(ctx, side.command(hello), side.env)
			side.spent += time.Since(start)
			if why := tooSlow(side.spent, s.Quick); why != "" && err == nil {
				err = errors.New(why)
			}
			switch {
			case err != nil && side.key == "boxer":
				return err
			case err != nil:
				side.missing, side.first, side.took = err.Error(), nil, nil
			case counts:
				side.first, side.took = append(side.first, first), append(side.took, took)
			}
		}
	}
	return nil
}

// spawn runs a command that says hello and gives how long it took from start to the first byte that it printed, and to its end, in
// microseconds.
func spawn(ctx context.Context, command, env []string) (first, took float64, err error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	var trouble strings.Builder
	cmd.Stderr = &trouble
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	said := make([]byte, 1)
	_, early := io.ReadFull(stdout, said)
	first = microseconds(time.Since(start))
	rest, late := io.ReadAll(stdout)
	err = cmd.Wait()
	took = microseconds(time.Since(start))
	if err != nil || early != nil || late != nil {
		return 0, 0, fmt.Errorf("running %s: %w: %s", command[0], firstOf(err, early, late), lastLine(trouble.String()))
	}
	if output := append(said, rest...); !bytes.Equal(output, []byte("hello\n")) {
		return 0, 0, fmt.Errorf("%s answers %q to hello", command[0], output)
	}
	return first, took, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
