package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"boxer.dev/runtime"
)

// events are an answer that goes on: server-sent events (HTML Standard, 9.2). A client that does not take them in time ends what
// they are about.
type events struct {
	server  *Server
	writer  http.ResponseWriter
	control *http.ResponseController

	mutex sync.Mutex
	begun bool
	last  time.Time
	err   error // of a write; there are no more
	ended bool
}

func (s *Server) events(w http.ResponseWriter) *events {
	return &events{server: s, writer: w, control: http.NewResponseController(w)}
}

// send sends an event with a value as JSON, at once.
func (e *events) send(name string, value any) error {
	data, err := encode(value)
	if err != nil {
		return err
	}
	return e.write(fmt.Appendf(nil, "event: %s\ndata: %s\n", name, data))
}

func (e *events) write(b []byte) error {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.err != nil || e.ended {
		return e.err
	}
	e.last = time.Now()
	_ = e.control.SetWriteDeadline(e.last.Add(e.server.options.Timeouts.Write))
	if !e.begun {
		e.begun = true
		h := e.writer.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no") // proxies are to pass it on as it comes
		e.writer.WriteHeader(http.StatusOK)
	}
	if _, e.err = e.writer.Write(b); e.err == nil {
		e.err = e.control.Flush()
	}
	return e.err
}

// beat shows a client in pauses that the stream lives, and finds out whether the client does.
func (e *events) beat() (stop func()) {
	over, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		ticker := time.NewTicker(e.server.options.Timeouts.Beat)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
				_ = e.write([]byte(": \n\n"))
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(over)
		<-finished
	})
}

// end lets nothing more be sent: a program that was left behind may still write.
func (e *events) end() {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.ended = true
}

// eventWriter sends what is written to it. Characters are not torn apart.
type eventWriter struct {
	events *events
	name   string
	mutex  sync.Mutex
	torn   []byte // the beginning of a character
}

func (w *eventWriter) Write(b []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	text := append(bytes.Clone(w.torn), b...)
	whole := wholeRunes(text)
	w.torn = text[whole:]
	if whole == 0 {
		return len(b), nil
	}
	return len(b), w.events.send(w.name, newContent(text[:whole]))
}

// flush sends the beginning of a character that nothing followed.
func (w *eventWriter) flush() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.torn) > 0 {
		_ = w.events.send(w.name, newContent(w.torn))
		w.torn = nil
	}
}

// wholeRunes is the length of b without the beginning of a character at its end.
func wholeRunes(b []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(b); back++ {
		if at := len(b) - back; utf8.RuneStart(b[at]) {
			if utf8.FullRune(b[at:]) {
				return len(b)
			}
			return at
		}
	}
	return len(b)
}

// text is output as text, whatever bytes it has.
func text(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

// stream does what prints and has a result, and sends both as events. Its error is that of what did not begin.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, id string, do func(ctx context.Context, stdout, stderr *eventWriter) (any, error)) error {
	if r.Header.Get("Idempotency-Key") != "" {
		return badRequest("streams are not remembered: leave the Idempotency-Key or the stream out")
	}
	ctx, cancel := s.within(r.Context())
	defer cancel(nil)
	e := s.events(w)
	defer e.end()
	w.Header().Set("X-Run-Id", id)
	stop := e.beat()
	defer stop()
	stdout, stderr := &eventWriter{events: e, name: "stdout"}, &eventWriter{events: e, name: "stderr"}
	result, err := do(ctx, stdout, stderr)
	stop()
	if err != nil && !e.begun {
		return err
	}
	stdout.flush()
	stderr.flush()
	if err != nil {
		p := problemOf(err)
		p.Request = requestID(r)
		note(r, func(n *notes) { n.problem, n.err = p.Code, err })
		_ = e.send("problem", p)
		return nil
	}
	_ = e.send("result", result)
	return nil
}

// streamRun runs, and sends what is written while it is written.
func (s *Server) streamRun(w http.ResponseWriter, r *http.Request, ask *runRequest, command *runtime.Cmd) error {
	return s.stream(w, r, ask.ID, func(ctx context.Context, stdout, stderr *eventWriter) (any, error) {
		command.Stdout, command.Stderr = stdout, stderr
		unbuffered(command)
		result, err := s.run(ctx, r, ask, command)
		if err != nil {
			return nil, err
		}
		return result, nil
	})
}

// unbuffered lets Python write at once what it prints, unless the client has said otherwise.
func unbuffered(c *runtime.Cmd) {
	const name = "PYTHONUNBUFFERED="
	if !slices.ContainsFunc(c.Env, func(variable string) bool { return strings.HasPrefix(variable, name) }) {
		c.Env = append(c.Env, name+"1")
	}
}
