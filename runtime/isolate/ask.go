package isolate

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"syscall"
	"time"

	"boxer.dev/runtime"
)

// A worker that holds sessions is asked many things at a time. Each has a serial number, which all that is said of it begins with,
// and gets one reply.

// method is what a session is asked for.
type method byte

const (
	methodOpen    method = iota // a request: opens the session
	methodFork                  // the number of the fork
	methodExecute               // an execution
	methodSignal                // a number; the reply is whether there was somebody to tell
	methodRead                  // the most bytes, and a path; the reply is contents
	methodWrite                 // a path and bytes
	methodRemove                // a path
	methodHeld                  // the reply is a number of bytes
	methodClose
	methods
)

// ask is one such thing.
type ask struct {
	serial, session int
	method          method
	payload         []byte
}

func (a ask) encode() []byte {
	head := appendNumber(appendNumber(appendNumber(make([]byte, 0, 16+len(a.payload)), a.serial), a.session), a.method)
	return append(head, a.payload...)
}

func decodeAsk(message []byte) (a ask, err error) {
	p := parser{rest: message}
	a.serial, a.session, a.method = p.number(math.MaxInt), p.number(math.MaxInt), method(p.number(int(methods)-1))
	if p.failed {
		return ask{}, errMalformed
	}
	a.payload = p.rest
	return a, nil
}

// state says what an error means for the session.
type state byte

const (
	stateFine   state = iota
	stateFailed       // nothing
	stateEnded        // its end
	stateUnprepared
	states
)

// reply is what came of an ask.
type reply struct {
	state   state
	status  int    // of a session that has ended
	failure []byte // a runtime.Failure in JSON; empty: none
	file    fileFailure
	payload []byte
}

// fileFailure is an *fs.PathError within an error.
type fileFailure struct {
	number int // 0: there is none; 1, 2: those of fileErrors; else a system's error and len(fileErrors)
	op     string
	path   string
}

var fileErrors = []error{nil, runtime.ErrNotRegular, runtime.ErrTooLarge}

func newFileFailure(err error) (f fileFailure) {
	var at *fs.PathError
	if !errors.As(err, &at) {
		return f
	}
	f = fileFailure{int(syscall.EIO) + len(fileErrors), at.Op, at.Path}
	var errno syscall.Errno
	if errors.As(at.Err, &errno) {
		f.number = int(errno) + len(fileErrors)
	}
	for i, known := range fileErrors[1:] {
		if errors.Is(at.Err, known) {
			f.number = 1 + i
		}
	}
	return f
}

func (f fileFailure) err() error {
	if f.number < len(fileErrors) {
		return &fs.PathError{Op: f.op, Path: f.path, Err: fileErrors[f.number]}
	}
	return &fs.PathError{Op: f.op, Path: f.path, Err: syscall.Errno(f.number - len(fileErrors))}
}

// newReply says what an error of a session's means.
func newReply(err error, payload []byte) reply {
	var ended *runtime.SessionEndedError
	var unprepared *runtime.NotPreparedError
	r := reply{payload: payload}
	switch {
	case err == nil:
		return r
	case errors.As(err, &unprepared):
		r.state = stateUnprepared
	case errors.As(err, &ended):
		if r.state, r.status = stateEnded, ended.Status; ended.Cause != nil {
			r.failure, _ = json.Marshal(runtime.FailureOf(ended.Cause))
		}
	case errors.Is(err, runtime.ErrClosed):
		r.state = stateEnded
	default:
		r.state, r.file = stateFailed, newFileFailure(err)
		r.failure, _ = json.Marshal(runtime.FailureOf(err))
	}
	return r
}

func (r reply) encode(serial int) []byte {
	b := appendNumber(appendNumber(appendNumber(nil, serial), r.state), r.status)
	b = append(appendNumber(b, len(r.failure)), r.failure...)
	b = appendNumber(b, r.file.number)
	b = appendText(appendText(b, r.file.op), r.file.path)
	return append(b, r.payload...)
}

// decodeReply takes what follows the serial number.
func decodeReply(p *parser) (r reply, err error) {
	r.state, r.status = state(p.number(int(states)-1)), p.number(math.MaxUint8)
	r.failure = p.bytes()
	r.file = fileFailure{p.number(math.MaxInt32), p.text(), p.text()}
	r.payload = p.rest
	if p.failed {
		return reply{}, errMalformed
	}
	return r, nil
}

// execution is a runtime.Execution, as a worker is asked for it.
type execution struct {
	source                string
	stdin, stdout, stderr stream
	input                 []byte
	timeout, cpu          time.Duration
	fuel, output          int64
	maxResult             int
}

func (e *execution) encode() []byte {
	b := appendText(make([]byte, 0, 64+len(e.source)+len(e.input)), e.source)
	for _, s := range []stream{e.stdin, e.stdout, e.stderr} {
		b = appendNumber(b, s)
	}
	b = append(appendNumber(b, len(e.input)), e.input...)
	b = appendNumber(appendNumber(b, max(e.timeout, 0)), max(e.cpu, 0))
	b = appendNumber(appendNumber(b, max(e.fuel, 0)), max(e.output, 0))
	return appendNumber(b, e.maxResult)
}

func decodeExecution(message []byte) (*execution, error) {
	p := parser{rest: message}
	e := &execution{source: p.text()}
	for _, s := range []*stream{&e.stdin, &e.stdout, &e.stderr} {
		*s = stream(p.number(int(joined)))
	}
	e.input = p.bytes()
	e.timeout, e.cpu = time.Duration(p.number(math.MaxInt)), time.Duration(p.number(math.MaxInt))
	e.fuel, e.output = int64(p.number(math.MaxInt)), int64(p.number(math.MaxInt))
	e.maxResult = p.number(maxValue)
	return e, p.end()
}

// maxValue bounds Execution.MaxResult: five parts of a value are in a message.
const maxValue = 3 << 20

// Switches of a value.
const (
	isTruncated = 1 << iota
	isException
	allOfValue = 1<<iota - 1
)

func appendValue(b []byte, v *runtime.Value) []byte {
	if v == nil {
		return b
	}
	bits, x := 0, v.Exception
	if v.Truncated {
		bits |= isTruncated
	}
	if x != nil {
		bits |= isException
	} else {
		x = &runtime.Exception{}
	}
	b = appendNumber(appendNumber(appendNumber(b, bits), max(v.Elapsed, 0)), max(v.Fuel, 0))
	return appendTexts(b, []string{v.Repr, string(v.JSON), x.Type, x.Message, x.Traceback})
}

// decodeValue takes nothing that is larger than was asked for.
func decodeValue(message []byte, max int) (*runtime.Value, error) {
	if len(message) == 0 {
		return nil, nil
	}
	p := parser{rest: message}
	bits := p.number(allOfValue)
	v := &runtime.Value{Truncated: bits&isTruncated != 0, Elapsed: time.Duration(p.number(math.MaxInt)), Fuel: int64(p.number(math.MaxInt))}
	texts := p.texts()
	if err := p.end(); err != nil || len(texts) != 5 {
		return nil, errMalformed
	}
	for _, text := range texts {
		if len(text) > max {
			return nil, errMalformed
		}
	}
	v.Repr = texts[0]
	if texts[1] != "" {
		if v.JSON = json.RawMessage(texts[1]); !json.Valid(v.JSON) {
			return nil, errMalformed
		}
	}
	if bits&isException != 0 {
		v.Exception = &runtime.Exception{Type: texts[2], Message: texts[3], Traceback: texts[4]}
	}
	return v, nil
}

func appendContents(b []byte, c *runtime.Contents) []byte {
	if !c.Dir {
		return append(append(b, 0), c.Data...)
	}
	b = appendNumber(append(b, 1), len(c.Entries))
	for _, e := range c.Entries {
		b = appendNumber(appendNumber(appendText(b, e.Name), int64(e.Mode)), max(e.Size, 0))
	}
	return b
}

// decodeContents takes no more than was asked for.
func decodeContents(message []byte, max int) (*runtime.Contents, error) {
	p := parser{rest: message}
	c := &runtime.Contents{Dir: p.number(1) == 1}
	if !c.Dir {
		if c.Data = p.rest; p.failed || len(c.Data) > max {
			return nil, errMalformed
		}
		return c, nil
	}
	for range p.number(len(p.rest)) {
		e := runtime.Entry{Name: p.text(), Mode: fs.FileMode(p.number(math.MaxUint32)), Size: int64(p.number(math.MaxInt))}
		if p.failed {
			break
		}
		c.Entries = append(c.Entries, e)
	}
	return c, p.end()
}
