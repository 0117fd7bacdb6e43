package isolate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"sync"

	"boxer.dev/runtime"
)

// held are the sessions of a worker that holds some.
type held struct {
	mutex sync.Mutex
	by    map[int]*runtime.Session
}

func (h *held) get(number int) *runtime.Session {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.by[number]
}

func (h *held) put(number int, s *runtime.Session) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.by == nil {
		h.by = map[int]*runtime.Session{}
	}
	h.by[number] = s
}

func (h *held) remove(number int) *runtime.Session {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	s := h.by[number]
	delete(h.by, number)
	return s
}

// hold does what is asked of sessions, each ask beside the others, until the pool hangs up.
func (s *server) hold() error {
	for {
		k, message, err := s.runs.receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if k != kindAsk {
			return errMalformed
		}
		asked, err := decodeAsk(bytes.Clone(message))
		if err != nil {
			return err
		}
		j := newJob(&request{serial: asked.serial})
		s.add(j)
		go func() {
			reply := s.reply(j, asked)
			j.end(nil)
			s.remove(j)
			_ = s.send(kindReply, reply.encode(asked.serial)) // who cannot be told has hung up
		}()
	}
}

// jobKey is by which a function that is lent finds the job that calls it: of a session, the execution.
type jobKey struct{}

// reply does what is asked.
func (s *server) reply(j *job, a ask) reply {
	ctx := context.WithValue(j.ctx, jobKey{}, j)
	if a.method == methodOpen {
		return s.openSession(ctx, j, a)
	}
	session := s.held.get(a.session)
	if session == nil {
		return newReply(runtime.ErrClosed, nil)
	}
	p := parser{rest: a.payload}
	switch a.method {
	case methodFork:
		fork, err := session.Fork(ctx)
		if err == nil {
			s.held.put(p.number(math.MaxInt), fork)
		}
		return newReply(err, nil)
	case methodExecute:
		return s.execute(ctx, j, session, a.payload)
	case methodSignal:
		told := session.Signal(runtime.Signal(p.number(math.MaxUint8)))
		return newReply(nil, flag(told))
	case methodRead:
		most := p.number(maxReply)
		found, err := session.Read(p.text(), most)
		if err != nil {
			return newReply(err, nil)
		}
		return newReply(nil, appendContents(nil, found))
	case methodWrite:
		name := p.text()
		return newReply(session.Write(name, p.rest), nil)
	case methodRemove:
		return newReply(session.Remove(p.text()), nil)
	case methodHeld:
		held, err := session.Held()
		return newReply(err, appendNumber(nil, held))
	}
	session = s.held.remove(a.session)
	if session == nil {
		return newReply(nil, nil)
	}
	return newReply(session.Close(), nil)
}

func flag(on bool) []byte {
	if on {
		return []byte{1}
	}
	return []byte{0}
}

func (s *server) openSession(ctx context.Context, j *job, a ask) reply {
	r, err := decodeRequest(a.payload)
	if err != nil {
		return newReply(err, nil)
	}
	r.serial, j.request = a.serial, r
	command := s.command(r)
	s.lend(command, r.functions)
	command.Stats = nil
	command.Stdin, command.Stdout, command.Stderr = s.streams(j, r.stdin, r.input, r.stdout, r.stderr)
	session, err := s.box.Session(ctx, command)
	if err == nil {
		s.held.put(a.session, session)
	}
	return newReply(err, nil)
}

func (s *server) execute(ctx context.Context, j *job, session *runtime.Session, payload []byte) reply {
	e, err := decodeExecution(payload)
	if err != nil {
		return newReply(err, nil)
	}
	x := runtime.Execution{MaxResult: e.maxResult, Limits: runtime.Limits{Timeout: e.timeout, CPU: e.cpu, Fuel: e.fuel, Output: e.output}}
	x.Stdin, x.Stdout, x.Stderr = s.streams(j, e.stdin, e.input, e.stdout, e.stderr)
	value, err := session.Execute(ctx, e.source, x)
	return newReply(err, appendValue(nil, value))
}

// streams are those of something that is asked of a session.
func (s *server) streams(j *job, in stream, input []byte, out, errors stream) (stdin io.Reader, stdout, stderr io.Writer) {
	j.out = &output{connection: s.runs, flows: true}
	stdin = strings.NewReader("")
	switch in {
	case framed:
		stdin = &asker{out: j.out, job: j}
	case carried:
		stdin = bytes.NewReader(input)
	}
	writer := func(mode stream, k kind) io.Writer {
		if mode == framed {
			return &teller{job: j, to: s.runs, as: k}
		}
		return io.Discard
	}
	stdout = writer(out, kindStdout)
	if stderr = stdout; errors != joined {
		stderr = writer(errors, kindStderr)
	}
	return stdin, stdout, stderr
}

// lend lets a session call the functions of its pool, as part of the execution that calls them.
func (s *server) lend(command *runtime.Cmd, names []string) {
	for _, name := range names {
		if command.Functions == nil {
			command.Functions = map[string]runtime.Function{}
		}
		command.Functions[name] = func(ctx context.Context, arguments json.RawMessage) (any, error) {
			return ctx.Value(jobKey{}).(*job).call(ctx, s.runs, name, arguments)
		}
	}
}

// window is how many messages with output of one execution may be on their way: who takes them slowly keeps nobody else waiting.
const window = 16

// teller is standard output or standard error of an execution.
type teller struct {
	job *job
	to  *connection
	as  kind
}

func (t *teller) Write(b []byte) (int, error) {
	most := maxPart - 16 // with the serial number it is one frame
	for at := 0; at < len(b); at += most {
		part := b[at:min(at+most, len(b))]
		select {
		case t.job.sent <- struct{}{}:
		case <-t.job.ctx.Done():
			return at, context.Cause(t.job.ctx)
		}
		message := append(appendNumber(make([]byte, 0, 16+len(part)), t.job.serial), part...)
		if err := t.to.send(t.as, message); err != nil {
			return at, err
		}
	}
	return len(b), nil
}

// taken makes room for further messages.
func (j *job) taken(messages int) {
	for range messages {
		select {
		case <-j.sent:
		default:
		}
	}
}
