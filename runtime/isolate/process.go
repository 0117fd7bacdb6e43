package isolate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"

	"boxer.dev/internal/hint"
	"boxer.dev/runtime"
)

// worker is a process, as its pool sees it.
type worker struct {
	line
	hurried bool // nobody waits long for its frames
	class   *class
	lessons int // those of the class when it was started
	given   int // that it was given
	walls   []Wall
	outcome string // of an attempt, see Probe

	compiled bool // something, before it had its walls

	process *exec.Cmd
	last    tail // of what it wrote to standard error: how it died, if the Go runtime had a word to say
	dead    chan struct{}
	killed  atomic.Bool // by us
}

// argument is how a worker is told: the whole of its command line.
const argument = "boxer-worker"

// startWorker starts a process and waits until it has its walls.
func (p *Pool) startWorker(ctx context.Context, s *spec) (_ *worker, err error) {
	if s.compilesBehindWalls() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, cmp.Or(p.compileTime, compileTime), errSlowCompile)
		defer cancel()
		defer func() { err = s.brought.blame(err) }()
	}
	name, err := p.executable()
	if err != nil {
		return nil, err
	}
	s.Version, s.Parent = version, os.Getpid()
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	w := &worker{dead: make(chan struct{})}
	w.process = &exec.Cmd{Path: name, Args: []string{argument}, Env: s.environment(), Stderr: &w.last, SysProcAttr: processAttributes()}
	var started func()
	w.line, started, err = connect(w.process, p.Busy)
	if s.Brought {
		s.brought.inherit(w.process)
	}
	if err == nil {
		err = onStarter(func() error { return unhurried(w.process.Start) })
	}
	started()
	if err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	p.ending.Go(w.wait)
	stop := context.AfterFunc(ctx, w.kill)
	defer stop()
	if err = w.send(kindSpec, text); err == nil {
		err = w.awaitReady(p)
	}
	if err == nil && stop() { // else it is being killed
		return w, nil
	}
	w.kill()
	<-w.dead
	w.Close()
	var refused *refusal
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.As(err, &refused):
		return nil, refused.error
	}
	return nil, fmt.Errorf("starting a worker: %w", err)
}

// refusal is what a worker says that cannot prepare itself: what a run in this process would end with.
type refusal struct{ error }

// wait waits for the end of the process.
func (w *worker) wait() {
	_ = w.process.Wait()
	close(w.dead)
}

// kill ends the process, whatever it does.
func (w *worker) kill() {
	w.killed.Store(true)
	_ = w.process.Process.Kill()
}

// discard ends a worker that nobody uses.
func (w *worker) discard() {
	w.kill()
	w.Close()
}

// awaitReady hears what a worker says while it prepares itself.
func (w *worker) awaitReady(p *Pool) error {
	for {
		k, message, err := w.runs.receive()
		if err != nil {
			return w.death(err)
		}
		switch k {
		case kindWarning:
			p.warn(errors.New(printable(string(message))))
		case kindProgress:
			var progress runtime.Progress
			if json.Unmarshal(message, &progress) != nil {
				return errProtocol
			}
			w.compiled = w.compiled || progress.Done
			if p.Progress != nil {
				progress.Program = printable(progress.Program)
				p.Progress(progress)
			}
		case kindReady:
			return w.ready(message)
		default:
			return errProtocol
		}
	}
}

func (w *worker) ready(message []byte) error {
	var r ready
	switch err := json.Unmarshal(message, &r); {
	case err != nil:
		return errProtocol
	case r.Version != version:
		return fmt.Errorf("the worker is of another version (%d, not %d)", r.Version, version)
	case r.Error != "":
		return &refusal{hint.To(errors.New(printable(r.Error)), "%s", printable(r.Hint))}
	}
	w.walls, w.outcome = r.Walls, r.Outcome
	return nil
}

// death says how the worker died whose connection broke with err. One that has only closed it is killed.
func (w *worker) death(err error) error {
	if !errors.Is(err, io.EOF) && !disconnected(err) {
		return err
	}
	select {
	case <-w.dead:
	default:
		_ = w.process.Process.Kill()
		<-w.dead
	}
	how := "it ended"
	if state := w.process.ProcessState; state != nil {
		how = state.String()
	}
	last := w.last.firstLine()
	if last != "" {
		how += ": " + last
	}
	return &WorkerError{Reason: "the worker died: " + how, starved: strings.HasPrefix(last, "fatal error: ") && strings.Contains(last, outOfMemory)}
}

// outOfMemory is what Go's runtime says when it meets Pool.Memory, in some words, and a worker whose run cannot be ended.
const outOfMemory = "out of memory"

// statusKilled is what a shell reports of a process that SIGKILL ended.
const statusKilled = 128 + 9

// WorkerError is the end of a run that lost its worker, which was killed, or died, or broke the protocol.
type WorkerError struct {
	Reason  string
	cause   error // the end of the run's context, if that was before
	starved bool  // it got no more memory
}

func (e *WorkerError) Error() string { return e.Reason }

// Unwrap says that the run was ended by somebody else.
func (e *WorkerError) Unwrap() []error {
	killed := []error{context.Canceled, &runtime.KilledError{Reason: e.Reason, Status: statusKilled}}
	if e.cause != nil {
		killed = append(killed, e.cause)
	}
	return killed
}

// maxLast is how much of what a worker writes to standard error is kept.
const maxLast = 4 << 10

// tail keeps the beginning of what is written: the Go runtime says the reason first.
type tail struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.text.Write(p[:min(len(p), maxLast-t.text.Len())])
	return len(p), nil
}

func (t *tail) firstLine() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	line, _, _ := strings.Cut(strings.TrimSpace(t.text.String()), "\n")
	return printable(line)
}

// printable makes what a worker says harmless to terminals.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, text)
}

// starter is a thread that lives as long as this process: the system ends a worker with the thread that started it
// (PR_SET_PDEATHSIG of prctl(2)), and other threads of a Go program come and go.
var starter = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		goruntime.LockOSThread()
		for call := range calls {
			call()
		}
	}()
	return calls
})

func onStarter(start func() error) (err error) {
	done := make(chan struct{})
	starter() <- func() {
		err = start()
		close(done)
	}
	<-done
	return err
}
