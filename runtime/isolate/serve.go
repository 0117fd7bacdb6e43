package isolate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"

	"boxer.dev/runtime"
)

// server is a worker's own view of itself. One goroutine runs what is asked for, another listens to what is said of it meanwhile.
type server struct {
	line
	engine   *runtime.Engine
	box      *runtime.Box
	mounts   []runtime.Mount
	preopens []runtime.Preopen

	held   held
	thrift thrift

	mutex sync.Mutex
	jobs  map[int]*job // that go on, by their serial numbers
	early []early
}

// early is what was said of a run that this worker has not read the request of: the two ways to a worker overtake each other.
type early struct {
	serial  int
	kind    kind
	message []byte
}

// maxEarly bounds what is kept. Some of it is about runs that were over.
const maxEarly = 16

func (s *server) add(j *job) {
	s.mutex.Lock()
	s.jobs[j.serial] = j
	var said []early
	s.early = slices.DeleteFunc(s.early, func(e early) bool {
		mine := e.serial == j.serial
		if mine {
			said = append(said, e)
		}
		return mine
	})
	s.mutex.Unlock()
	for _, e := range said {
		_ = s.tell(e.kind, e.message) // it was well-formed, or is of no use
	}
}

// job finds the run that something is said of, or keeps that for it.
func (s *server) job(serial int, k kind, message []byte) *job {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	j := s.jobs[serial]
	if j == nil && (k == kindCancel || k == kindFlow || k == kindSignal) {
		if len(s.early) == maxEarly {
			s.early = slices.Delete(s.early, 0, 1)
		}
		s.early = append(s.early, early{serial, k, bytes.Clone(message)})
	}
	return j
}

func (s *server) remove(j *job) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.jobs, j.serial)
}

// job is a run, from the time it was asked for.
type job struct {
	*request
	files []*os.File
	ctx   context.Context
	end   context.CancelCauseFunc
	out   *output
	input chan []byte // what came of standard input

	signals chan runtime.Signal
	mutex   sync.Mutex
	calls   map[int]chan answer // that have not been answered
	called  int

	sent chan struct{} // messages with output of a session that have not been taken yet
}

func newJob(r *request, files ...*os.File) *job {
	j := &job{
		request: r, files: files, input: make(chan []byte, 1), signals: make(chan runtime.Signal, 1), calls: map[int]chan answer{},
		sent: make(chan struct{}, window),
	}
	j.ctx, j.end = context.WithCancelCause(context.Background())
	return j
}

// answer is what came of a call.
type answer struct {
	result json.RawMessage
	err    error
}

// serve runs one job after another until the pool hangs up.
func (s *server) serve() error {
	for {
		k, message, files, err := s.runs.receiveWithFiles()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if k != kindRequest {
			return errMalformed
		}
		asked, err := decodeRequest(message)
		if err != nil {
			return err
		}
		if err := s.do(newJob(asked, files...)); err != nil {
			return err
		}
	}
}

// do runs a job and says how it ended.
func (s *server) do(j *job) error {
	j.out = &output{connection: s.runs, flows: !holdsBack}
	s.add(j)
	ended := s.run(j)
	s.remove(j)
	message := ended.append(make([]byte, 0, 64+len(ended.output)+len(ended.failure)+len(ended.stats)))
	err := s.send(kindResult, message)
	s.engine.Clean() // while nobody waits
	s.thrift.mind()
	return err
}

// listen hears what the pool says of the run that goes on, and that it hangs up.
func (s *server) listen() {
	for {
		k, message, err := s.asides.receive()
		if err == nil {
			err = s.tell(k, message)
		}
		if err != nil {
			os.Exit(0) // the pool is gone, or out of its mind
		}
	}
}

// tell passes on what is said of a run, if it is going on or about to.
func (s *server) tell(k kind, message []byte) error {
	p := parser{rest: message}
	serial := p.number(math.MaxInt)
	if p.failed {
		return errMalformed
	}
	j := s.job(serial, k, message)
	if j == nil {
		return nil
	}
	switch k {
	case kindCancel:
		cause := canceledError{late: p.number(1) == 1, reason: string(p.rest)}
		if p.failed {
			return errMalformed
		}
		j.end(cause)
	case kindInput:
		select {
		case j.input <- bytes.Clone(p.rest):
		default: // nobody asked
			return errMalformed
		}
	case kindSignal:
		select {
		case j.signals <- runtime.Signal(p.number(math.MaxUint8)):
		default: // the last one has not even been seen
		}
		return p.end()
	case kindAnswer:
		return j.answered(&p)
	case kindTaken:
		j.taken(p.number(window))
		return p.end()
	case kindFlow:
		j.out.flow()
	default:
		return errMalformed
	}
	return nil
}

// canceledError is why the pool wants a run to end.
type canceledError struct {
	late   bool // the time of its context is up
	reason string
}

func (e canceledError) Error() string { return e.reason }

func (e canceledError) Is(target error) bool { return e.late && target == context.DeadlineExceeded }

// call asks the pool to call a function.
func (j *job) call(ctx context.Context, c *connection, name string, arguments []byte) (json.RawMessage, error) {
	come := make(chan answer, 1)
	j.mutex.Lock()
	j.called++
	id := j.called
	j.calls[id] = come
	j.mutex.Unlock()
	defer func() {
		j.mutex.Lock()
		defer j.mutex.Unlock()
		delete(j.calls, id)
	}()
	message := appendText(appendNumber(appendNumber(nil, j.serial), id), name)
	if err := c.send(kindCall, append(message, arguments...)); err != nil {
		return nil, err
	}
	select {
	case a := <-come:
		return a.result, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// answered gives an answer to whoever waits for it.
func (j *job) answered(p *parser) error {
	id, failed := p.number(math.MaxInt), p.number(1) == 1
	if p.failed {
		return errMalformed
	}
	a := answer{result: bytes.Clone(p.rest)}
	if failed {
		a = answer{err: errors.New(string(p.rest))}
	}
	j.mutex.Lock()
	come := j.calls[id]
	delete(j.calls, id)
	j.mutex.Unlock()
	if come != nil { // else the program has dropped the call
		come <- a
	}
	return nil
}

func (s *server) run(j *job) (ended result) {
	defer j.end(nil)
	defer func() {
		for _, file := range j.files {
			file.Close()
		}
	}()
	command := s.command(j.request)
	s.connect(command, j)
	err := s.box.Run(context.WithValue(j.ctx, jobKey{}, j), command)
	ended.last, ended.output = j.out.rest()
	var unprepared *runtime.NotPreparedError
	switch {
	case errors.As(err, &unprepared):
		ended.unprepared = true
	case err != nil:
		ended.failure, _ = json.Marshal(runtime.FailureOf(err))
	}
	if c := command.Collect; c != nil {
		ended.files, ended.omitted = c.Files, c.Omitted
	}
	if command.Stats != nil {
		ended.stats = appendFields(nil, command.Stats)
	}
	return ended
}

// command is a run with what it is granted, as long as nothing of its streams is read or written.
func (s *server) command(r *request) *runtime.Cmd {
	command := r.command()
	command.Mounts, command.Preopens = s.mounts, s.preopens
	if r.stdin != absent {
		command.Stdin = strings.NewReader("")
	}
	return command
}

// connect gives a run its streams.
func (s *server) connect(command *runtime.Cmd, j *job) {
	files := j.files
	next := func() *os.File {
		if len(files) == 0 {
			return nil
		}
		file := files[0]
		files = files[1:]
		return file
	}
	writer := func(mode stream, k kind) io.Writer {
		switch mode {
		case framed:
			return &printer{j.out, k}
		case passed:
			if file := next(); file != nil {
				return file
			}
		}
		return nil
	}
	switch j.stdin {
	case framed:
		command.Stdin = &asker{out: j.out, job: j}
	case passed:
		if file := next(); file != nil {
			command.Stdin = file
		}
	case carried:
		command.Stdin = bytes.NewReader(j.request.input)
	}
	command.Stdout = writer(j.stdout, kindStdout)
	if command.Stderr = command.Stdout; j.stderr != joined {
		command.Stderr = writer(j.stderr, kindStderr)
	}
	if j.request.signals {
		command.Signals = j.signals
	}
	s.lend(command, j.functions)
	if j.terminal {
		command.Terminal = &runtime.Terminal{Size: j.size(command.Stdout)}
	}
}

// size asks the terminal itself, if the worker has it.
func (r *request) size(stdout io.Writer) func() (rows, columns int) {
	return func() (int, int) {
		if file, ok := stdout.(*os.File); ok {
			if columns, rows, err := term.GetSize(int(file.Fd())); err == nil {
				return rows, columns
			}
		}
		return r.rows, r.columns
	}
}

// output collects what a run prints until it has ended, so that what is printed last goes with the result; or until the pool,
// which has waited for that, wants to have it at once. There is no clock for it in the worker: a run may have a processor to itself.
type output struct {
	*connection
	mutex sync.Mutex
	kind  kind
	bytes []byte
	flows bool
	over  bool
}

// printer is standard output or standard error.
type printer struct {
	*output
	as kind
}

func (p *printer) Write(b []byte) (int, error) {
	o := p.output
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if len(o.bytes) > 0 && (o.kind != p.as || len(o.bytes)+len(b) > maxPart) {
		if err := o.flush(); err != nil {
			return 0, err
		}
	}
	if o.flows || len(b) >= maxPart {
		return len(b), o.pieces(p.as, b)
	}
	o.kind, o.bytes = p.as, append(o.bytes, b...)
	return len(b), nil
}

// Prompt spares a goroutine for each Write: the pool takes what is sent, or ends the worker.
func (p *printer) Prompt() bool { return true }

// flow sends what was collected, and from now on everything at once.
func (o *output) flow() {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.flows = true
	_ = o.flush()
}

// pieces sends what is too long for a message to a pool.
func (o *output) pieces(k kind, b []byte) error {
	for len(b) > 0 && !o.over {
		n := min(len(b), maxPart)
		if err := o.send(k, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// flush sends what was collected. The mutex is held.
func (o *output) flush() error {
	if len(o.bytes) == 0 || o.over {
		return nil
	}
	err := o.send(o.kind, o.bytes)
	o.bytes = o.bytes[:0]
	return err
}

// rest gives what has not been sent, to be sent by the caller; nothing more will be.
func (o *output) rest() (kind, []byte) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.over = true
	if len(o.bytes) == 0 {
		return 0, nil
	}
	return o.kind, o.bytes
}

// asker is standard input that the pool has.
type asker struct {
	out   *output
	job   *job
	ahead []byte
	ended bool
}

// Read asks, after what was printed has been sent: whoever types waits for a question.
func (a *asker) Read(p []byte) (int, error) {
	if len(a.ahead) == 0 && !a.ended {
		a.out.flow()
		if err := a.out.send(kindWant, appendNumber(appendNumber(nil, a.job.serial), min(len(p), maxPart/2))); err != nil {
			return 0, err
		}
		select {
		case a.ahead = <-a.job.input:
		case <-a.job.ctx.Done():
			return 0, context.Cause(a.job.ctx)
		}
		a.ended = len(a.ahead) == 0
	}
	if a.ended {
		return 0, io.EOF
	}
	n := copy(p, a.ahead)
	a.ahead = a.ahead[n:]
	return n, nil
}
