package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	goruntime "runtime"
	"sync"

	"boxer.dev/runtime"
)

// live starts a thousand programs that stay alive, has each answer, and divides the memory by their number.
func (s Start) live(ctx context.Context, r *Section) (err error) {
	const instances = 1000
	engine, box, err := s.python(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	if _, err := sayHello(ctx, box, false); err != nil {
		return err
	}
	goruntime.GC()
	before, unknown := privateBytes()
	crowd := newCrowd(ctx, box, instances)
	ready := crowd.hear("ready\n")
	goruntime.GC()
	after, _ := privateBytes()
	crowd.tell()
	answered := crowd.hear("42\n")
	if err := crowd.leave(); err != nil {
		return err
	}
	if ready != instances || answered != instances {
		return fmt.Errorf("of %d instances %d were ready and %d answered", instances, ready, answered)
	}
	r.add(Line{Key: "live_instances", What: "live instances, all answering", Figure: figure(Sample{float64(answered)}), Goal: "≥ 1000"})
	private := Line{Key: "private_bytes_per_instance", What: "private memory, live instance", Unit: "KB", Scale: 1e-3, Goal: "≤ 700"}
	if unknown != nil {
		r.lacks(private, unknown.Error())
		return nil
	}
	private.Figure = figure(Sample{float64(after-before) / instances})
	r.add(private)
	return nil
}

// crowd is a number of programs that are alive at once.
type crowd struct {
	members []*member
	runs    sync.WaitGroup
}

type member struct {
	question *io.PipeWriter
	answers  *io.PipeReader
	err      error
}

const waiting = "import sys\nprint('ready', flush=True)\nprint(int(sys.stdin.readline()) * 2, flush=True)"

func newCrowd(ctx context.Context, box *runtime.Box, n int) *crowd {
	c := &crowd{}
	for range n {
		stdin, question := io.Pipe()
		answers, stdout := io.Pipe()
		m := &member{question: question, answers: answers}
		c.members = append(c.members, m)
		c.runs.Go(func() {
			m.err = box.Run(ctx, &runtime.Cmd{Args: []string{"python3", "-c", waiting}, Stdin: stdin, Stdout: stdout})
			stdout.CloseWithError(m.err)
		})
	}
	return c
}

// hear counts the members that say a line.
func (c *crowd) hear(line string) (n int) {
	said := make([]byte, len(line))
	for _, m := range c.members {
		if _, err := io.ReadFull(m.answers, said); err == nil && string(said) == line {
			n++
		}
	}
	return n
}

func (c *crowd) tell() {
	for _, m := range c.members {
		go io.WriteString(m.question, "21\n")
	}
}

// leave waits for the programs' ends.
func (c *crowd) leave() error {
	var errs []error
	for _, m := range c.members {
		m.question.Close()
	}
	c.runs.Wait()
	for _, m := range c.members {
		errs = append(errs, m.err)
	}
	return errors.Join(errs...)
}
