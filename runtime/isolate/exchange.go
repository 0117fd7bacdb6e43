package isolate

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
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

	heard   bool  // the worker has said something
	printed int64 // bytes
	wanting atomic.Bool
	broken  error // a stream of the command; the run is to end, and what else it prints is dropped

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
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() { x.cancel(context.Cause(ctx).Error()) })()
	}
	if timeout := x.command.Limits.Timeout; timeout > 0 {
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
func (x *exchange) cancel(reason string) {
	x.killAfter(x.margin+x.command.Grace, "its context")
	_ = x.send(kindCancel, append(appendNumber(nil, x.request.serial), reason...))
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
		return &WorkerError{Reason: "the run was lost: " + known.Reason, cause: ctx.Err()}
	}
	return &WorkerError{Reason: fmt.Sprintf("the run was ended, and its worker killed: %v", err)}
}

// hear deals with what the worker says until it says how the run ended.
func (x *exchange) hear(ctx context.Context) error {
	for {
		k, message, err := x.receive()
		if err != nil {
			return err
		}
		x.heard = true
		switch k {
		case kindStdout, kindStderr:
			err = x.print(k, message)
		case kindWant:
			err = x.want(message)
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
		go x.cancel(x.broken.Error())
	}
	return nil
}

// want reads standard input for the run. It does so beside the run, which may end meanwhile.
func (x *exchange) want(message []byte) error {
	p := parser{rest: message}
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
		if json.Unmarshal(r.stats, x.command.Stats) != nil {
			return errProtocol
		}
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
