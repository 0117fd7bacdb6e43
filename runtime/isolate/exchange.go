package isolate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"boxer.dev/runtime"
)

// exchange is one run in a worker.
type exchange struct {
	*worker
	command *runtime.Cmd
	request *request
	margin  time.Duration
	alone   bool // no other run goes on, and Go may use more than one processor

	begun   bool  // it was asked for of a worker that was there: a session's
	heard   bool  // the worker has said something
	printed int64 // bytes
	wanting atomic.Bool
	calling atomic.Int32

	calls    context.Context // of the command's functions
	endCalls context.CancelFunc

	broken error // a stream of the command; the run is to end, and what else it prints is dropped

	mutex sync.Mutex
	over  bool
	late  *time.Timer
	why   string // the worker was killed
}

var (
	errUnread     = errors.New("the worker was gone before the run began")
	errUnprepared = errors.New("the worker has not loaded what the run needs")
)

const defaultMargin = time.Second

// run asks for the run and hears its worker until it has ended.
func (x *exchange) run(ctx context.Context, message []byte, files []*os.File) error {
	if x.margin == 0 {
		x.margin = defaultMargin
	}
	defer x.finish()
	if x.command.Signals != nil {
		over := make(chan struct{})
		defer close(over)
		go x.passSignals(over)
	}
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() { x.cancel(context.Cause(ctx), ctx.Err() == context.DeadlineExceeded) })()
	}
	if timeout := x.command.Limits.Narrow(x.class.limits).Timeout; timeout > 0 {
		x.killAfter(timeout+x.margin+x.command.Grace, "its time")
	}
	err := x.send(kindRequest, message, files...)
	if err == nil {
		err = x.hear(ctx)
	}
	var ended *endedError
	switch {
	case x.broken != nil && (err == nil || errors.As(err, &ended)):
		return x.broken
	case err == nil, errors.Is(err, errUnprepared):
		return err
	case errors.As(err, &ended):
		return ended.error
	case unread(err) && !x.heard && ctx.Err() == nil:
		x.kill()
		return errUnread
	}
	x.kill()
	return x.lost(ctx, err)
}

// endedError is the end of a run that says nothing about its worker.
type endedError struct{ error }

// finish makes sure that nothing reaches the worker any more, which may have another run by then.
func (x *exchange) finish() {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.over = true
	if x.late != nil {
		x.late.Stop()
	}
	if x.endCalls != nil {
		x.endCalls()
	}
}

// killAfter kills the worker after a time, unless the run has ended or that is to happen anyway.
func (x *exchange) killAfter(d time.Duration, end string) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	if x.over {
		return
	}
	if x.late != nil {
		x.late.Stop()
	}
	x.late = time.AfterFunc(d, func() {
		x.mutex.Lock()
		defer x.mutex.Unlock()
		if !x.over {
			x.why = fmt.Sprintf("the run was killed with its worker: it had not ended %s after the end of %s", x.margin, end)
			x.kill()
		}
	})
}

// cancel asks for the end of the run. A worker that does not comply is killed.
func (x *exchange) cancel(cause error, late bool) {
	x.killAfter(x.margin+x.command.Grace, "its context")
	bit := 0
	if late {
		bit = 1
	}
	message := appendNumber(appendNumber(nil, x.request.serial), bit)
	_ = x.send(kindCancel, append(message, cause.Error()...))
}

// lost is the error of a run whose worker is lost.
func (x *exchange) lost(ctx context.Context, err error) error {
	x.mutex.Lock()
	why := x.why
	x.mutex.Unlock()
	if why != "" {
		return &WorkerError{Reason: why, cause: ctx.Err()}
	}
	var known *WorkerError
	if err = x.death(err); errors.As(err, &known) {
		if memory := x.command.Limits.Memory; known.starved && memory > 0 && ctx.Err() == nil {
			return &runtime.LimitError{Limit: runtime.Limits{Memory: memory}, Outcome: runtime.OutcomeOutOfMemory}
		}
		return &WorkerError{Reason: "the run was lost: " + known.Reason, cause: ctx.Err()}
	}
	return &WorkerError{Reason: fmt.Sprintf("the run was ended, and its worker killed: %v", err)}
}

// hear deals with what the worker says until it says how the run ended.
func (x *exchange) hear(ctx context.Context) error {
	if err := x.hurry(true); err != nil {
		return err
	}
	if x.alone {
		x.runs.watch(aMoment)
	}
	for {
		k, message, err := x.runs.receive()
		if errors.Is(err, errImpatient) { // this one takes longer
			if err = x.send(kindFlow, appendNumber(nil, x.request.serial)); err == nil {
				err = x.hurry(false)
			}
			if err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		x.heard = true
		switch k {
		case kindStdout, kindStderr:
			err = x.print(k, message)
		case kindWant, kindCall:
			err = x.asked(ctx, k, message)
		case kindWarning: // of the engine, which has none that are a run's
		case kindResult:
			return x.ended(ctx, message)
		default:
			err = errProtocol
		}
		if err != nil {
			return err
		}
	}
}

// holdBack is how long a run may keep what it prints, to tell it with its end.
const holdBack = 2 * time.Millisecond

// aMoment is how long the worker of a run that is the only one is looked for rather than waited for. To be woken takes 50 µs and
// more on a virtual machine, a small run of Python 0.2 ms.
const aMoment = 400 * time.Microsecond

// hurry has frames of the worker awaited no longer than that, or as long as it takes.
func (x *exchange) hurry(on bool) error {
	if on == x.hurried {
		return nil
	}
	x.hurried = on
	if on {
		return x.runs.patience(holdBack)
	}
	return x.runs.patience(0)
}

// print writes what the run printed. The bound of output is held here, too: a worker that goes on lies.
func (x *exchange) print(k kind, output []byte) error {
	to, mode := x.command.Stdout, x.request.stdout
	if k == kindStderr {
		to, mode = x.command.Stderr, x.request.stderr
	}
	if mode != framed {
		return errProtocol
	}
	x.printed += int64(len(output))
	if most := x.command.Limits.Output; most > 0 && x.printed > most {
		return fmt.Errorf("%w: more output than the run may have", errProtocol)
	}
	if x.broken != nil {
		return nil
	}
	if _, err := to.Write(output); err != nil {
		x.broken = fmt.Errorf("passing output on: %w", err)
		go x.cancel(x.broken, false)
	}
	return nil
}

// asked does what the worker asks for the run's sake.
func (x *exchange) asked(ctx context.Context, k kind, message []byte) error {
	p := parser{rest: message}
	serial := p.number(math.MaxInt)
	switch {
	case p.failed:
		return errProtocol
	case serial != x.request.serial: // of a run that is over
		return nil
	case k == kindWant:
		return x.want(&p)
	}
	return x.call(ctx, &p)
}

// call calls a function of the command.
func (x *exchange) call(ctx context.Context, p *parser) error {
	id, name := p.number(math.MaxInt), p.text()
	arguments := bytes.Clone(p.rest)
	if _, ok := x.command.Functions[name]; !ok || p.failed {
		return errProtocol
	}
	if most := cmp.Or(x.command.Calls.MaxRunning, defaultCalls); int(x.calling.Add(1)) > most { // the program has dropped some that go on
		x.calling.Add(-1)
		return x.answer(id, nil, errTooManyCalls)
	}
	if x.calls == nil {
		x.calls, x.endCalls = context.WithCancel(ctx)
	}
	go func() {
		result, err := x.command.Call(x.calls, name, arguments)
		x.calling.Add(-1)
		_ = x.answer(id, result, err)
	}()
	return nil
}

var errTooManyCalls = errors.New("too many calls go on")

func (x *exchange) answer(id int, result []byte, err error) error {
	failed := 0
	if err != nil {
		failed, result = 1, []byte(err.Error())
	}
	return x.send(kindAnswer, append(appendNumber(appendNumber(appendNumber(nil, x.request.serial), id), failed), result...))
}

// defaultCalls is what runtime.Calls says.
const defaultCalls = 64

// passSignals passes on what comes from Cmd.Signals until the run is over.
func (x *exchange) passSignals(over <-chan struct{}) {
	for {
		select {
		case s, ok := <-x.command.Signals:
			if !ok {
				return
			}
			_ = x.send(kindSignal, appendNumber(appendNumber(nil, x.request.serial), int(s)))
		case <-over:
			return
		}
	}
}

// want reads standard input for the run. It does so beside the run, which may end meanwhile.
func (x *exchange) want(p *parser) error {
	size := p.number(maxPart / 2)
	if x.request.stdin != framed || size == 0 || p.end() != nil || !x.wanting.CompareAndSwap(false, true) {
		return errProtocol
	}
	go func() {
		input := appendNumber(make([]byte, 0, size+binary.MaxVarintLen64), x.request.serial)
		n, err := 0, error(nil)
		for n == 0 && err == nil {
			n, err = x.command.Stdin.Read(input[len(input) : len(input)+size])
		}
		x.wanting.Store(false)
		_ = x.send(kindInput, input[:len(input)+n])
	}()
	return nil
}

// ended makes what Run returns of the worker's account.
func (x *exchange) ended(ctx context.Context, message []byte) error {
	r, err := decodeResult(message)
	if err != nil {
		return fmt.Errorf("%w: %w", errProtocol, err)
	}
	if r.unprepared {
		return errUnprepared
	}
	if r.last != 0 {
		if err := x.print(r.last, r.output); err != nil {
			return err
		}
	}
	if x.command.Stats != nil && len(r.stats) > 0 {
		p := parser{rest: r.stats}
		if p.fields(x.command.Stats); p.end() != nil {
			return errProtocol
		}
	}
	if err := collected(x.command.Collect, r.files, r.omitted); err != nil {
		return err
	}
	if len(r.failure) == 0 {
		return nil
	}
	var failure runtime.Failure
	if json.Unmarshal(r.failure, &failure) != nil {
		return errProtocol
	}
	return &endedError{failure.Err(ctx)}
}
