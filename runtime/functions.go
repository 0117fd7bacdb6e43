package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"boxer.dev/runtime/wasi"
)

// Function is one ability that an embedding program lends a box. arguments is JSON that is valid and not larger than
// Calls.MaxArguments; from Python an array of the positional arguments, or an object if there are only named ones. The
// result is made into JSON. An error becomes an exception in Python, with its text.
//
// It runs in a goroutine of its own, several calls at a time if the program makes them. The context ends with the run, and
// when the program drops the call: a function that goes on all the same keeps nobody waiting. It may run boxes itself.
type Function func(ctx context.Context, arguments json.RawMessage) (any, error)

// Calls bounds the calls of Cmd.Functions. The zero value works.
type Calls struct {
	MaxArguments int          // bytes of JSON; 0: 8 MiB
	MaxResult    int          // bytes of JSON; 0: 8 MiB
	MaxRunning   int          // calls that go on at the same time; 0: 64
	Logger       *slog.Logger // is told of every call that has been answered; nil: none
}

const (
	defaultCallSize    = 8 << 20
	defaultCallRunning = 64
)

// lent is what the programs of a run can call.
type lent struct {
	functions map[string]Function
	calls     Calls
	answered  atomic.Int64
}

// functions gives the run's functions as the programs of the run know them.
func (s *sandbox) functions() wasi.Functions {
	if len(s.cmd.Functions) == 0 {
		return wasi.Functions{}
	}
	s.lend.Do(func() { s.lent = lent{functions: s.cmd.Functions, calls: s.cmd.Calls.withDefaults()} })
	f := wasi.Functions{
		Call: s.lent.call, MaxArguments: s.lent.calls.MaxArguments, MaxCalls: s.lent.calls.MaxRunning,
	}
	for name := range s.lent.functions {
		f.Names = append(f.Names, name)
	}
	slices.Sort(f.Names)
	return f
}

func (c Calls) withDefaults() Calls {
	if c.MaxArguments <= 0 {
		c.MaxArguments = defaultCallSize
	}
	if c.MaxResult <= 0 {
		c.MaxResult = defaultCallSize
	}
	if c.MaxRunning <= 0 {
		c.MaxRunning = defaultCallRunning
	}
	return c
}

// call gives the answer to a call: a JSON object with the result, or with the text of an error.
func (l *lent) call(ctx context.Context, name string, arguments []byte) []byte {
	result, err := l.answer(ctx, name, arguments)
	if err != nil {
		text, _ := json.Marshal(err.Error()) // a string always can be
		return slices.Concat([]byte(`{"error":`), text, []byte("}"))
	}
	return slices.Concat([]byte(`{"result":`), result, []byte("}"))
}

// answer gives the result of a call as JSON.
func (l *lent) answer(ctx context.Context, name string, arguments []byte) ([]byte, error) {
	began := time.Now()
	result, err := l.result(ctx, name, arguments)
	l.answered.Add(1)
	if l.calls.Logger != nil {
		l.log(ctx, name, len(arguments), len(result), time.Since(began), err)
	}
	return result, err
}

// Call answers a call of one of the command's functions as a run would, with JSON, for whoever runs the command elsewhere.
func (c *Cmd) Call(ctx context.Context, name string, arguments []byte) ([]byte, error) {
	l := lent{functions: c.Functions, calls: c.Calls.withDefaults()}
	if l.functions[name] == nil {
		return nil, fmt.Errorf("there is no function %q", name)
	}
	if len(arguments) > l.calls.MaxArguments {
		return nil, fmt.Errorf("the arguments are larger than %d bytes", l.calls.MaxArguments)
	}
	return l.answer(ctx, name, arguments)
}

func (l *lent) log(ctx context.Context, name string, arguments, result int, elapsed time.Duration, err error) {
	attributes := []slog.Attr{
		slog.String("function", name), slog.Int("argument_bytes", arguments), slog.Int("result_bytes", result),
		slog.Duration("elapsed", elapsed),
	}
	level := slog.LevelInfo
	if err != nil {
		level = slog.LevelWarn
		attributes = append(attributes, slog.Any("error", err))
	}
	l.calls.Logger.LogAttrs(context.WithoutCancel(ctx), level, "host function", attributes...)
}

var errNotJSON = errors.New("the arguments are not JSON")

func (l *lent) result(ctx context.Context, name string, arguments []byte) (result []byte, err error) {
	if !json.Valid(arguments) {
		return nil, errNotJSON
	}
	value, err := guarded(ctx, l.functions[name], arguments)
	if err != nil {
		return nil, err
	}
	if result, err = json.Marshal(value); err != nil {
		return nil, fmt.Errorf("the result is not JSON: %w", err)
	}
	if len(result) > l.calls.MaxResult {
		return nil, fmt.Errorf("the result is larger than %d bytes", l.calls.MaxResult)
	}
	return result, nil
}

// guarded makes a panic an error: what a guest says to a function must not end the process.
func guarded(ctx context.Context, f Function, arguments []byte) (value any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{r, debug.Stack()}
		}
	}()
	return f(ctx, arguments)
}

// panicError is the end of a function that panicked. The guest does not learn of what.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return "the function has panicked" }

// LogValue is for whoever has to find out why.
func (e *panicError) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprintf("%v\n%s", e.value, e.stack))
}
