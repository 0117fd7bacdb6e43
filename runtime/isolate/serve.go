package isolate

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"boxer.dev/runtime"
)

// server is a worker's own view of itself. One goroutine listens, another has the run.
type server struct {
	*connection
	box      *runtime.Box
	mounts   []runtime.Mount
	preopens []runtime.Preopen
	work     chan *job

	mutex   sync.Mutex
	current *job
}

// job is a run, from the time it was asked for.
type job struct {
	*request
	files []*os.File
	ctx   context.Context
	end   context.CancelCauseFunc
	input chan []byte // what came of standard input
}

// listen hears the pool until it hangs up.
func (s *server) listen() error {
	for {
		k, message, files, err := s.receiveWithFiles()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch k {
		case kindRequest:
			err = s.begin(message, files)
		case kindCancel, kindInput:
			err = s.tell(k, message)
		default:
			err = errMalformed
		}
		if err != nil {
			return err
		}
	}
}

func (s *server) begin(message []byte, files []*os.File) error {
	asked, err := decodeRequest(message)
	if err != nil {
		return err
	}
	j := &job{request: asked, files: files, input: make(chan []byte, 1)}
	j.ctx, j.end = context.WithCancelCause(context.Background())
	s.mutex.Lock()
	s.current = j
	s.mutex.Unlock()
	s.work <- j
	return nil
}

// tell passes on what is said of a run, if it is still the one that is going on.
func (s *server) tell(k kind, message []byte) error {
	p := parser{rest: message}
	serial := p.number(math.MaxInt)
	if p.failed {
		return errMalformed
	}
	s.mutex.Lock()
	j := s.current
	s.mutex.Unlock()
	switch {
	case j == nil || j.serial != serial:
	case k == kindCancel:
		j.end(errors.New(string(p.rest)))
	default:
		select {
		case j.input <- bytes.Clone(p.rest):
		default: // nobody asked
			return errMalformed
		}
	}
	return nil
}

// serve runs one job after another.
func (s *server) serve() {
	for j := range s.work {
		ended := s.run(j)
		message := ended.append(make([]byte, 0, 64+len(ended.output)+len(ended.failure)+len(ended.stats)))
		if s.send(kindResult, message) != nil {
			os.Exit(0) // the pool is gone
		}
	}
}

func (s *server) run(j *job) (ended result) {
	defer j.end(nil)
	defer func() {
		for _, file := range j.files {
			file.Close()
		}
	}()
	out := &output{connection: s.connection}
	command := s.command(j.request)
	s.connect(command, j, out)
	err := s.box.Run(j.ctx, command)
	ended.last, ended.output = out.rest()
	var unprepared *runtime.NotPreparedError
	switch {
	case errors.As(err, &unprepared):
		ended.unprepared = true
	case err != nil:
		ended.failure, _ = json.Marshal(runtime.FailureOf(err))
	}
	if command.Stats != nil {
		ended.stats, _ = json.Marshal(command.Stats)
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
func (s *server) connect(command *runtime.Cmd, j *job, out *output) {
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
			return &printer{out, k}
		case passed:
			if file := next(); file != nil {
				return file
			}
		}
		return nil
	}
	switch j.stdin {
	case framed:
		command.Stdin = &asker{out: out, job: j}
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

// output collects what a run prints for a moment, so that what is printed last goes with the result.
type output struct {
	*connection
	mutex sync.Mutex
	kind  kind
	bytes []byte
	timer *time.Timer
	over  bool
}

// holdBack is how long output waits for company.
const holdBack = time.Millisecond

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
	if len(b) >= maxPart {
		return len(b), o.pieces(p.as, b)
	}
	if o.kind, o.bytes = p.as, append(o.bytes, b...); o.timer == nil {
		o.timer = time.AfterFunc(holdBack, o.flushLater)
	} else if len(o.bytes) == len(b) {
		o.timer.Reset(holdBack)
	}
	return len(b), nil
}

// pieces sends what is too long for a message to a pool.
func (o *output) pieces(k kind, b []byte) error {
	for len(b) > 0 {
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

func (o *output) flushLater() {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	_ = o.flush()
}

// rest gives what has not been sent, to be sent by the caller; nothing more will be.
func (o *output) rest() (kind, []byte) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.over = true
	if o.timer != nil {
		o.timer.Stop()
	}
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

// Read asks, after what was printed has been sent: whoever types waits for the question.
func (a *asker) Read(p []byte) (int, error) {
	if len(a.ahead) == 0 && !a.ended {
		a.out.flushLater()
		if err := a.out.send(kindWant, binary.AppendUvarint(nil, uint64(min(len(p), maxPart/2)))); err != nil {
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
