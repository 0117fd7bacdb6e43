package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"
	"weak"

	"github.com/tetratelabs/wazero/api"

	"boxer.dev/runtime/memory"
	"boxer.dev/runtime/wasi"
	"boxer.dev/vfs"
)

// Exports by which a program holds sessions; see docs/embedding.md.
const (
	exportOpen    = "boxer.open"    // () -> (): in place of _start
	exportExecute = "boxer.execute" // (size i32) -> i32: executes so many bytes of source, which it fetches; 1: it has ended
	exportForked  = "boxer.forked"  // () -> (): is called in a fork before anything else is
)

// Session is an interpreter that executes one piece of source after another and keeps its state in between. Between calls
// it is memory and files, and no goroutine. It is safe for concurrent use; calls wait for each other.
type Session struct {
	turn    chan struct{} // holds something while somebody uses what follows
	cmd     *Cmd          // as it was granted, with the streams that it was given
	sandbox *sandbox
	program *program
	path    string // of the program, for people
	first   command
	forks   int
	image   *memory.Image
	process *wasi.Process
	live    *instance // nil once the session has ended
	execute weak.Pointer[function]
	ended   error // why
}

// Execution is one call of Session.Execute. The zero value is the session's own streams and limits.
type Execution struct {
	Stdin          io.Reader // nil: that of the session's Cmd, likewise below
	Stdout, Stderr io.Writer
	// Limits bound this execution by their Timeout, CPU, Fuel and Output; where one is 0 it is the session's. A session counts
	// fuel if its Cmd bounds it.
	Limits Limits
	// MaxResult bounds each part of the Value, in bytes. 0: 1 MiB.
	MaxResult int
}

// Value is what an execution gave.
type Value struct {
	// Repr is the value of the last statement, if that is an expression and its value not None, as Python's repr has it.
	Repr string
	// JSON is that value if it can be expressed so, and is not larger than MaxResult; else nil.
	JSON json.RawMessage
	// Exception is what ended the source early; nil if nothing has. The session goes on.
	Exception *Exception
	// Truncated tells that MaxResult cut off Repr or a text of Exception.
	Truncated bool

	Elapsed time.Duration
	Fuel    int64 // instructions executed, if they are counted
}

// Exception is one that nobody caught.
type Exception struct {
	Type      string // its name, with that of its module unless it is a built-in one
	Message   string
	Traceback string // as Python prints it
}

func (e *Exception) Error() string {
	if e.Message == "" {
		return e.Type
	}
	return e.Type + ": " + e.Message
}

// SessionEndedError is how a session ended: its program asked for it, or could not go on. It is the error of every call after.
type SessionEndedError struct {
	Status int   // exit status, if Cause is nil or an *ExitError
	Cause  error // nil: exit status 0
}

func (e *SessionEndedError) Error() string {
	var exit *ExitError
	if e.Cause == nil || errors.As(e.Cause, &exit) {
		return fmt.Sprintf("the session has ended with status %d", e.Status)
	}
	return fmt.Sprintf("the session has ended: %v", e.Cause)
}

func (e *SessionEndedError) Unwrap() error { return e.Cause }

// ErrClosed is the error of a session that was closed.
var ErrClosed = errors.New("the session is closed")

// defaultResult is Execution.MaxResult where that says nothing.
const defaultResult = 1 << 20

// maxSource bounds what is executed at once, in bytes.
const maxSource = 64 << 20

// Session begins a session with the program that c names by Args, or with python3. Limits of time, fuel and output hold for
// each execution, the others for the session as a whole. FS, Preopens, Collect, Stats and Signals are not for sessions.
//
// A program that holds no sessions is a *NotExecutableError.
func (b *Box) Session(ctx context.Context, c *Cmd) (_ *Session, err error) {
	if c.FS != nil || len(c.Preopens) > 0 {
		return nil, errSessionFiles
	}
	if c, err = b.grantedSession(c); err != nil {
		return nil, err
	}
	own := *c
	s := &Session{turn: make(chan struct{}, 1), cmd: &own}
	if s.sandbox, err = b.sandbox(c); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	return s, s.open(ctx)
}

// grantedSession is granted for a session.
func (b *Box) grantedSession(c *Cmd) (*Cmd, error) {
	c, err := b.granted(c)
	if err != nil {
		return nil, err
	}
	if c.Args == nil {
		c.Args, c.Entrypoint = []string{"python3"}, []string{}
	}
	return c, nil
}

var errSessionFiles = errors.New("a session has a tree of its own, and no pre-opened directories")

// open finds the program and lets it begin.
func (s *Session) open(ctx context.Context) error {
	first, err := s.sandbox.box.command(s.sandbox, s.sandbox.cmd)
	if err != nil {
		return err
	}
	if err := bring(s.sandbox.tree, first.dir, s.cmd.Files, first.user); err != nil {
		return err
	}
	if s.cmd.Limits.ReadOnly {
		s.sandbox.configure(true)
	}
	found, err := s.sandbox.find(&first)
	if err != nil {
		return err
	}
	s.path, s.first = found.path, first
	if found.utility != nil || found.shell {
		return notForSessions(found.path)
	}
	s.process = s.sandbox.process(first)
	return s.bounded(ctx, Execution{}, func(ctx context.Context) error { return s.begin(ctx, found.module) })
}

func notForSessions(path string) error {
	return &NotExecutableError{Path: path, Reason: "it holds no sessions: it exports no function " + exportOpen}
}

// begin makes the instance, out of a memory image if there is one that serves.
func (s *Session) begin(ctx context.Context, module source) (err error) {
	module.meters = s.sandbox.metering()
	if image := s.sandbox.imageFor(module.digest); image != nil {
		served, err := s.beginWith(ctx, module, image.Image)
		if served || err != nil {
			return err
		}
	}
	_, err = s.beginWith(ctx, module, nil)
	return err
}

func (s *Session) beginWith(ctx context.Context, module source, image *memory.Image) (served bool, err error) {
	module.form = restorable
	if image == nil {
		module.form = exporting // a fork needs the globals
	}
	if s.program, err = s.sandbox.engine.load(ctx, module, &Stats{}); err != nil {
		if errors.Is(err, errSealed) {
			err = &NotPreparedError{s.path}
		}
		return false, notRunnable(s.path, err)
	}
	i, err := s.program.instance(ctx, image, s.sandbox.memory)
	if errors.Is(err, errMemory) && s.sandbox.memory != nil {
		err = s.sandbox.tooSmall()
	}
	if err != nil {
		tankOf(ctx).lose()
		return false, err
	}
	if i.module.ExportedFunction(exportOpen) == nil {
		i.close()
		return false, notForSessions(s.path)
	}
	served, err = i.open(ctx)
	if !served {
		s.program.release(i, s.sandbox.engine.options, nil)
		return false, err
	}
	s.live, s.image = i, image
	return true, err
}

// open makes the instance ready to execute something, if it serves the session.
func (i *instance) open(ctx context.Context) (served bool, err error) {
	defer i.enter(ctx)()
	if served, err := i.serve(ctx); !served {
		return false, err
	}
	if i.initialize != nil {
		if _, err := i.initialize.Call(ctx); err != nil {
			return true, err
		}
		i.initialize = nil
	}
	_, err = i.module.ExportedFunction(exportOpen).Call(ctx)
	return true, err
}

// Execute runs source, and waits for its end. What it raises is part of the value. The error is a *SessionEndedError if the
// session ended by it: the source asked for that, reached a limit, ran into a trap, or was stopped by its context.
func (s *Session) Execute(ctx context.Context, source string, e Execution) (*Value, error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.give()
	switch {
	case s.live == nil:
		return nil, s.ended
	case len(source) > maxSource:
		return nil, fmt.Errorf("the source is larger than %d bytes", maxSource)
	case !utf8.ValidString(source):
		return nil, errors.New("the source is not UTF-8")
	}
	began := time.Now()
	value := &valueBuilder{limit: e.MaxResult}
	if value.limit <= 0 {
		value.limit = defaultResult
	}
	s.process.Dialogue = wasi.Dialogue{Source: source, Result: value.add}
	over := false
	err := s.bounded(ctx, e, func(ctx context.Context) error {
		execute := s.function()
		results, err := execute.Call(ctx, uint64(len(source)))
		over = err == nil && results[0] != 0
		return err
	})
	s.process.Dialogue = wasi.Dialogue{}
	if err == nil && over {
		err = &SessionEndedError{Status: value.status}
		if value.status != 0 {
			err = &SessionEndedError{Status: value.status, Cause: &ExitError{Code: value.status}}
		}
		s.end(err)
	}
	v := value.value()
	v.Elapsed = time.Since(began)
	if s.sandbox.fuel != nil {
		v.Fuel = s.sandbox.fuel.total()
	}
	return v, err
}

// function is one of an instance. It holds more than a kilobyte, and without the patches of internal/wazero the stack that its last
// call needed, which takes time to make: as much as a short execution. So the next call has it again, unless the garbage collector
// came first: then the session is an idle one, and many of those are to be small.
type function struct{ api.Function }

// function gives boxer.execute.
func (s *Session) function() *function {
	f := s.execute.Value()
	if f == nil {
		f = &function{s.live.module.ExportedFunction(exportExecute)}
		s.execute = weak.Make(f)
	}
	return f
}

// bounded calls the program within the limits of one execution. An error ends the session.
func (s *Session) bounded(ctx context.Context, e Execution, call func(context.Context) error) error {
	box := s.sandbox
	s.prepare(e)
	ctx, cancel := box.bounded(ctx)
	defer cancel()
	ctx = box.fuel.tank(ctx)
	if s.program != nil && s.program.deaf {
		var end func()
		ctx, end = mortal(ctx, s.process)
		defer end()
	}
	ctx, err := wasi.NewContext(ctx, s.process)
	if err != nil {
		return fmt.Errorf("running %q: %w", s.path, err)
	}
	clock, done := box.cpu.work()
	defer done()
	s.process.Clock.Waiting = clock.waiting()
	s.process.Forget()
	box.running.add(s.process)
	defer box.running.remove(s.process)
	box.until(ctx.Done())
	defer box.until(nil)
	box.begin()
	leave := func() {}
	if s.live != nil {
		leave = s.live.enter(ctx)
	}
	err = call(ctx)
	leave()
	if err = box.charged(err); err == nil {
		return nil
	}
	if s.live != nil {
		s.live.ended = err
	}
	err = box.explain(box.atLimit(ctx, s.sandbox.metering().ending(ctx, s.path, err)))
	if s.live == nil { // it was not opened
		return err
	}
	ended := &SessionEndedError{Cause: err}
	var exit *ExitError
	if errors.As(err, &exit) {
		ended.Status = exit.Code
	}
	s.end(ended)
	return ended
}

// prepare gives the program the streams and limits of one execution.
func (s *Session) prepare(e Execution) {
	c, l := s.sandbox.cmd, s.cmd.Limits
	c.Limits.Timeout, c.Limits.CPU, c.Limits.Fuel, c.Limits.Output = l.Timeout, l.CPU, l.Fuel, l.Output
	if e.Limits.Timeout > 0 {
		c.Limits.Timeout = e.Limits.Timeout
	}
	if e.Limits.CPU > 0 {
		c.Limits.CPU = e.Limits.CPU
	}
	if e.Limits.Output > 0 {
		c.Limits.Output = e.Limits.Output
	}
	if e.Limits.Fuel > 0 && l.Fuel > 0 {
		c.Limits.Fuel = e.Limits.Fuel
	}
	s.sandbox.renew()
	stdin, stdout, stderr := s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr
	if e.Stdin != nil {
		stdin = e.Stdin
	}
	if e.Stdout != nil {
		stdout = e.Stdout
	}
	if e.Stderr != nil {
		stderr = e.Stderr
	}
	c.Stdin = stdin
	c.Stdout, c.Stderr = s.sandbox.output.stream(stdout, nil), s.sandbox.output.stream(stderr, &s.sandbox.output.tail)
	s.process.SetStreams(c.Stdin, c.Stdout, c.Stderr)
}

// end lets go of the program. The files of the session stay.
func (s *Session) end(why error) {
	s.ended = why
	if s.live == nil {
		return
	}
	if s.live.ended == nil {
		s.program.release(s.live, s.sandbox.engine.options, nil)
	} else {
		s.program.pools.finish(s.live, s.sandbox.engine.options.CleanLater)
	}
	s.live = nil
	_ = s.process.Close() // what could be said about files went to the program, which closed them or did not care
}

// Signal sends the session a signal while it executes something: with Interrupt, Python code sees KeyboardInterrupt, and the
// session goes on. It reports whether something is being executed.
func (s *Session) Signal(signal Signal) bool { return s.sandbox.running.signal(signal) }

// FS is the session's tree. It may be used at any time; an execution that is going on uses it, too.
func (s *Session) FS() *vfs.FS { return s.sandbox.tree }

// Ended is nil, or why nothing can be executed any more.
func (s *Session) Ended() error {
	if err := s.take(context.Background()); err != nil {
		return err
	}
	defer s.give()
	return s.ended
}

// Held is how much of the host's memory the session has for itself, in bytes: the pages that its program has written, and what was
// written to its files. It waits for what is being executed.
func (s *Session) Held() (int64, error) {
	if err := s.take(context.Background()); err != nil {
		return 0, err
	}
	defer s.give()
	held := s.sandbox.tree.Used().Bytes
	if s.live == nil {
		return held, nil
	}
	touched, err := s.live.memory.Touched()
	if err != nil { // the system does not tell: it is all that there is, then
		return held + int64(s.live.module.Memory().Size()), nil
	}
	return held + int64(touched)*memory.PageSize, nil
}

// Close ends the session, after what is being executed, without another word to the program.
func (s *Session) Close() error {
	if err := s.take(context.Background()); err != nil {
		return nil
	}
	defer s.give()
	s.end(ErrClosed)
	if s.sandbox == nil {
		return nil
	}
	return s.sandbox.close()
}

// take waits for the session's turn.
func (s *Session) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

func (s *Session) give() { <-s.turn }

// valueBuilder puts a value together of the parts in which the program gives it.
type valueBuilder struct {
	limit     int
	repr      string
	json      []byte
	exception Exception
	raised    bool
	truncated bool
	status    int
}

// Parts of a value, as session.c of the base numbers them.
const (
	partRepr uint32 = iota
	partJSON
	partType
	partMessage
	partTraceback
	partStatus
)

func (v *valueBuilder) add(kind uint32, text []byte) {
	switch kind {
	case partRepr:
		v.repr = v.cut(text)
	case partJSON:
		if len(text) > v.limit {
			break
		}
		if text = bytes.Clone(text); json.Valid(text) { // first: the text may change
			v.json = text
		}
	case partType:
		v.raised = true
		v.exception.Type = v.cut(text)
	case partMessage:
		v.exception.Message = v.cut(text)
	case partTraceback:
		v.exception.Traceback = v.cut(text)
	case partStatus:
		if status, err := strconv.ParseUint(string(text[:min(len(text), 4)]), 10, 8); err == nil {
			v.status = int(status)
		}
	}
}

// cut keeps the beginning of a text, whole characters.
func (v *valueBuilder) cut(text []byte) string {
	if len(text) > v.limit {
		v.truncated = true
		text = text[:v.limit]
		for len(text) > 0 && !utf8.Valid(text[max(0, len(text)-utf8.UTFMax):]) && !utf8.RuneStart(text[len(text)-1]) {
			text = text[:len(text)-1]
		}
	}
	return string(text)
}

func (v *valueBuilder) value() *Value {
	value := &Value{Repr: v.repr, JSON: v.json, Truncated: v.truncated}
	if v.raised { // by the value's repr, perhaps
		value.Repr, value.JSON = "", nil
		value.Exception = &v.exception
	}
	return value
}
