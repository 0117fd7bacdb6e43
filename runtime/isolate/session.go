package isolate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"boxer.dev/runtime"
)

// Session is a runtime.Session in a worker. It is safe for concurrent use. Where the worker is lost, every call fails with a
// *runtime.SessionEndedError because of a *WorkerError.
type Session struct {
	pool    *Pool
	hall    *hall
	number  int
	command *runtime.Cmd
	limits  runtime.Limits // of the command, within those of the box
	closed  atomic.Bool
}

// Session begins a session as runtime.Box.Session does, in a worker that may hold others of the box and tenant.
func (p *Pool) Session(ctx context.Context, b Box, c *runtime.Cmd) (*Session, error) {
	class, c, err := p.class(b, c)
	if err != nil {
		return nil, err
	}
	defer p.left(class)
	own := *c
	own.Stdin, own.Stdout, own.Stderr, own.Stats, own.Signals, own.Terminal = nil, nil, nil, nil, nil, nil
	r, _, err := newRequest(&own)
	if err != nil {
		return nil, err
	}
	s, err := p.openSession(ctx, class, c, r, false)
	if errors.Is(err, errUnprepared) { // no memory image serves it
		return p.openSession(ctx, class, c, r, true)
	}
	return s, err
}

func (p *Pool) openSession(ctx context.Context, class *class, c *runtime.Cmd, r *request, whole bool) (*Session, error) {
	h, err := p.hall(ctx, class, r.program(class.limits), whole)
	if err != nil {
		return nil, err
	}
	s := &Session{pool: p, hall: h, number: p.nextSerial(), command: c, limits: c.Limits.Narrow(class.limits)}
	r.stdin, r.stdout, r.stderr = framedIf(c.Stdin != nil), framedIf(c.Stdout != nil), framedIf(c.Stderr != nil)
	if same(c.Stdout, c.Stderr) {
		r.stderr = joined
	}
	x := s.exchange(r, c)
	message, err := r.encode()
	if err == nil {
		_, err = s.do(ctx, x, s.limits.Timeout, methodOpen, message)
	}
	if err != nil {
		p.exit(h)
		return nil, err
	}
	return s, nil
}

func framedIf(there bool) stream {
	if there {
		return framed
	}
	return absent
}

// program is what a worker has to know of a session to prepare itself: what it starts, and what that counts.
func (r *request) program(box runtime.Limits) *request {
	like := &request{
		Args: r.Args[:min(len(r.Args), 1)], Entrypoint: r.Entrypoint, hasEntrypoint: r.hasEntrypoint,
		fresh: r.fresh, countFuel: r.countFuel || r.limits.Fuel > 0 || box.Fuel > 0,
	}
	for _, variable := range r.Env {
		if strings.HasPrefix(variable, "PATH=") {
			like.Env = append(like.Env, variable)
		}
	}
	if slices.ContainsFunc(slices.Concat(like.Entrypoint, like.Args), func(name string) bool { return strings.Contains(name, "/") }) {
		like.Dir = r.Dir
	}
	return like
}

// exchange is about what a command has.
func (s *Session) exchange(r *request, c *runtime.Cmd) *exchange {
	r.serial = s.pool.nextSerial()
	return &exchange{worker: s.hall.worker, request: r, command: c, margin: cmp.Or(s.pool.Margin, defaultMargin)}
}

// do asks for something that takes no longer than limit, if that is not 0.
func (s *Session) do(ctx context.Context, x *exchange, limit time.Duration, m method, payload []byte) ([]byte, error) {
	if limit > 0 {
		x.killAfter(limit+x.margin+x.command.Grace, "its time")
	}
	r, lost := s.hall.do(ctx, x, ask{serial: x.request.serial, session: s.number, method: m, payload: payload})
	switch {
	case lost != nil:
		return nil, &runtime.SessionEndedError{Status: statusKilled, Cause: lost}
	case x.broken != nil:
		return nil, &runtime.SessionEndedError{Status: runtime.StatusFailure, Cause: x.broken}
	}
	return r.payload, r.err(ctx)
}

// fileTime bounds what is done with files, and other things that take a moment.
const fileTime = 30 * time.Second

// ask asks for something that takes a moment.
func (s *Session) ask(m method, payload []byte) ([]byte, error) {
	return s.do(context.Background(), s.exchange(&request{}, &runtime.Cmd{}), fileTime, m, payload)
}

// Execute executes source as runtime.Session.Execute does. MaxResult is 3 MiB at most.
func (s *Session) Execute(ctx context.Context, source string, e runtime.Execution) (*runtime.Value, error) {
	began := time.Now()
	c := &runtime.Cmd{
		Stdin: orElse(e.Stdin, s.command.Stdin), Stdout: orElse(e.Stdout, s.command.Stdout), Stderr: orElse(e.Stderr, s.command.Stderr),
		Functions: s.command.Functions, Calls: s.command.Calls, Grace: s.command.Grace,
	}
	c.Limits.Output = cmp.Or(e.Limits.Output, s.limits.Output)
	asked := &execution{
		source: source, stdin: framedIf(c.Stdin != nil), stdout: framedIf(c.Stdout != nil), stderr: framedIf(c.Stderr != nil),
		timeout: e.Limits.Timeout, cpu: e.Limits.CPU, fuel: e.Limits.Fuel, output: e.Limits.Output, maxResult: min(max(e.MaxResult, 0), maxValue),
	}
	if same(c.Stdout, c.Stderr) {
		asked.stderr = joined
	}
	input, err := inMemory(e.Stdin)
	if err != nil {
		return nil, err
	}
	if input != nil {
		asked.stdin, asked.input = carried, input
	}
	if len(source) > maxAsked-2*maxCarried {
		return nil, errTooLong
	}
	x := s.exchange(&request{stdin: asked.stdin, stdout: asked.stdout, stderr: asked.stderr}, c)
	payload, err := s.do(ctx, x, cmp.Or(e.Limits.Timeout, s.limits.Timeout), methodExecute, asked.encode())
	value, broken := decodeValue(payload, cmp.Or(asked.maxResult, maxValue))
	var lost *WorkerError
	switch {
	case broken != nil:
		s.hall.kill()
		return nil, fmt.Errorf("%w: %w", errProtocol, broken)
	case value == nil && errors.As(err, &lost) && x.begun:
		value = &runtime.Value{Elapsed: time.Since(began)}
	}
	return value, err
}

func orElse[T comparable](own, other T) T {
	var none T
	if own == none {
		return other
	}
	return own
}

// Fork gives a session in the same state, in the same worker.
func (s *Session) Fork(ctx context.Context) (*Session, error) {
	f := &Session{pool: s.pool, hall: s.hall, number: s.pool.nextSerial(), command: s.command, limits: s.limits}
	s.pool.mutex.Lock()
	s.pool.enter(s.hall)
	s.pool.mutex.Unlock()
	_, err := s.do(ctx, s.exchange(&request{}, &runtime.Cmd{}), s.limits.Timeout, methodFork, appendNumber(nil, f.number))
	if err != nil {
		s.pool.exit(s.hall)
		return nil, err
	}
	return f, nil
}

// Signal sends a signal, and reports whether something is being executed.
func (s *Session) Signal(signal runtime.Signal) bool {
	told, err := s.ask(methodSignal, appendNumber(nil, int(signal)))
	return err == nil && bytes.Equal(told, flag(true))
}

// Read gives a file of at most max bytes, 64 MiB at most, or a directory's entries.
func (s *Session) Read(name string, max int) (*runtime.Contents, error) {
	max = min(max, maxReply-maxPart)
	payload, err := s.ask(methodRead, appendText(appendNumber(nil, max), name))
	if err != nil {
		return nil, err
	}
	found, err := decodeContents(payload, max)
	if err != nil {
		s.hall.kill()
		return nil, fmt.Errorf("%w: %w", errProtocol, err)
	}
	return found, nil
}

// Write makes a file, or replaces one.
func (s *Session) Write(name string, data []byte) error {
	if len(data) > maxAsked-maxPart {
		return &fs.PathError{Op: "write", Path: name, Err: runtime.ErrTooLarge}
	}
	_, err := s.ask(methodWrite, append(appendText(nil, name), data...))
	return err
}

// Remove removes a file, or a directory with what is in it.
func (s *Session) Remove(name string) error {
	_, err := s.ask(methodRemove, appendText(nil, name))
	return err
}

// Held is how much memory the session has for itself, in bytes, as its worker says.
func (s *Session) Held() (int64, error) {
	payload, err := s.ask(methodHeld, nil)
	p := parser{rest: payload}
	held := p.number(math.MaxInt64)
	if err == nil && p.end() != nil {
		s.hall.kill()
		err = errProtocol
	}
	return int64(held), err
}

// Close ends the session, after what is being executed.
func (s *Session) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	_, err := s.do(context.Background(), s.exchange(&request{}, &runtime.Cmd{}), 0, methodClose, nil)
	s.pool.exit(s.hall)
	var ended *runtime.SessionEndedError
	if errors.As(err, &ended) {
		return nil
	}
	return err
}

// err is what a reply says is wrong.
func (r reply) err(ctx context.Context) error {
	var cause error
	if len(r.failure) > 0 {
		var failure runtime.Failure
		if json.Unmarshal(r.failure, &failure) != nil {
			return errProtocol
		}
		cause = failure.Err(ctx)
	}
	switch {
	case r.state == stateFine:
		return nil
	case r.state == stateUnprepared:
		return errUnprepared
	case r.state == stateEnded:
		return &runtime.SessionEndedError{Status: r.status, Cause: cause}
	case r.file.number > 0:
		return r.file.err()
	case cause == nil:
		return errProtocol
	}
	return cause
}
