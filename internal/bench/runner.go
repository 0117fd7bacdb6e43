package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"boxer.dev/internal/bench/rival"
	"boxer.dev/runtime"
)

// streamed is an interpreter that reads names of programs and answers with nanoseconds.
type streamed struct {
	questions io.WriteCloser
	answers   *bufio.Reader
	wait      func() error
	clock     func() (time.Duration, error) // knows better than the program how long it took; nil: nothing does
}

// inBox runs the programs in a box in this process.
func inBox(ctx context.Context, box *runtime.Box, cmd runtime.Cmd) (*streamed, error) {
	stdin, questions := io.Pipe()
	answers, stdout := io.Pipe()
	var complaint strings.Builder
	cmd.Args = []string{"python3", "-c", harnessed()}
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
	s := &streamed{questions: questions, answers: bufio.NewReader(answers), wait: func() error { return <-ended }, clock: processorTime}
	if _, err := processorTime(); err != nil {
		s.clock = nil
	}
	return s, s.ready()
}

// rivalRunner runs the programs as the rival runs programs that stay.
func rivalRunner(ctx context.Context, r *rival.Rival) (runner, error) {
	if !r.Streams {
		driver, err := r.Drive(ctx)
		if err != nil {
			return nil, err
		}
		return &driven{driver: driver, known: map[string]bool{}}, nil
	}
	line := r.Command(harnessed())
	command := exec.CommandContext(ctx, line[0], line[1:]...)
	command.Env = append(os.Environ(), r.Env...)
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
	s := &streamed{questions: questions, answers: bufio.NewReader(answers), wait: command.Wait}
	if r.Outside {
		s.clock = func() (time.Duration, error) { return busyTime(command.Process.Pid) }
		if _, err := s.clock(); err != nil {
			s.clock = nil
		}
	}
	return s, s.ready()
}

func (s *streamed) ready() error {
	if line, err := s.answers.ReadString('\n'); err != nil || line != "ready\n" {
		return errors.Join(fmt.Errorf("instead of being ready it says %q", line), err, s.end())
	}
	return nil
}

func (s *streamed) time(p program) (float64, error) {
	var before time.Duration
	var err error
	if s.clock != nil {
		if before, err = s.clock(); err != nil {
			return 0, err
		}
	}
	if _, err := fmt.Fprintln(s.questions, p.name); err != nil {
		return 0, err
	}
	answer, err := s.answers.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if s.clock != nil {
		after, err := s.clock()
		return microseconds(after - before), err
	}
	nanoseconds, err := strconv.ParseInt(strings.TrimSpace(answer), 10, 64)
	return float64(nanoseconds) / 1e3, err
}

func (s *streamed) end() error { return errors.Join(s.questions.Close(), s.wait()) }

// driven is an interpreter inside of a rival's driver.
type driven struct {
	driver *rival.Driver
	known  map[string]bool // the names of programs that it has been given
}

func (d *driven) time(p program) (float64, error) {
	if !d.known[p.name] {
		if _, _, err := d.driver.Ask(rival.Keep, renamed(p)); err != nil {
			return 0, err
		}
		d.known[p.name] = true
	}
	before, unknown := busyTime(d.driver.Process())
	_, took, err := d.driver.Ask(rival.Keep, p.name+"_program()")
	if err != nil || unknown != nil {
		return microseconds(took), err
	}
	after, err := busyTime(d.driver.Process())
	return microseconds(after - before), err
}

func (d *driven) end() error { return d.driver.Close() }

// renamed is the program's text with a name of its own for its function, since all of them share one namespace.
func renamed(p program) string {
	return strings.Replace(p.text, "def program():", "def "+p.name+"_program():", 1)
}
