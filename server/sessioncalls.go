package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"

	"boxer.dev/runtime"
)

// sessionRequest is what POST /v1/sessions takes.
type sessionRequest struct {
	surroundings
	IdleTimeout duration `json:"idle_timeout"`
}

// duration is a time in JSON, as Go writes it: "5m".
type duration time.Duration

// UnmarshalText reads one that is more than nothing.
func (d *duration) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	if err != nil || value <= 0 {
		return badRequest("%q is no time, such as 5m", text)
	}
	*d = duration(value)
	return nil
}

// executeRequest is what POST /v1/sessions/{id}/execute takes.
type executeRequest struct {
	Code          *string `json:"code"`
	Stdin         string  `json:"stdin"`
	StdinEncoding string  `json:"stdin_encoding"`
	Limits        limits  `json:"limits"`
	Stream        bool    `json:"stream"`
}

// executeResult is its answer. An exception ends with the outcome and status that it would give a program; the session goes on.
type executeResult struct {
	ID string `json:"id"`
	runtime.Result
	Repr      string          `json:"repr,omitempty"`
	JSON      json.RawMessage `json:"json,omitempty"`
	Exception *exception      `json:"exception,omitempty"`
	Truncated bool            `json:"truncated,omitempty"`
	*Printed
	Elapsed float64 `json:"elapsed_ms"`
	Fuel    int64   `json:"fuel,omitempty"`
	Ended   bool    `json:"ended"` // the session is over
}

type exception struct {
	Type      string `json:"type"`
	Message   string `json:"message"`
	Traceback string `json:"traceback"`
}

var errNoSessions = newProblem(http.StatusNotImplemented, "no_sessions", "this server has no sessions")

// postSession opens a session.
func (s *Server) postSession(w http.ResponseWriter, r *http.Request) error {
	var ask sessionRequest
	body, err := s.readJSON(w, r, &ask, false)
	if err != nil {
		return err
	}
	opener, ok := s.options.Runner.(Opener)
	if !ok {
		return errNoSessions
	}
	idle := s.options.Sessions.Idle
	if asked := time.Duration(ask.IdleTimeout); asked > idle {
		return newProblem(http.StatusUnprocessableEntity, "beyond_limits", "idle_timeout is at most %s", idle)
	} else if asked > 0 {
		idle = asked
	}
	command, err := ask.command(s.options.Limits)
	if err != nil {
		return err
	}
	command.Stats = nil
	return s.reply(w, r, body, func(ctx context.Context) (int, any, error) {
		return s.opening(ctx, w, r, &session{key: keyOf(r), box: orElse(ask.Box, s.options.Box), idle: idle}, func(x *session) error {
			return s.open(ctx, opener, x, command)
		})
	})
}

// opening makes a session by open, if there is room for one.
func (s *Server) opening(ctx context.Context, w http.ResponseWriter, r *http.Request, x *session, open func(*session) error) (int, any, error) {
	if err := s.sessions.reserve(x.key, s.options.Sessions); err != nil {
		return 0, nil, err
	}
	done, err := s.begin(ctx, x.key)
	if err == nil {
		err = open(x)
		done()
	}
	if err != nil {
		s.sessions.unreserve(x.key)
		return 0, nil, s.notOpened(r, err)
	}
	s.sessions.add(x, s.figures.expired.Inc)
	s.figures.opened.Inc()
	s.sessions.weigh(x)
	w.Header().Set("Location", "/v1/sessions/"+x.id)
	return http.StatusCreated, s.sessions.info(x), nil
}

// notOpened tells the client what it can do something about.
func (s *Server) notOpened(r *http.Request, err error) error {
	result := runtime.ResultOf(err)
	var p *problem
	var file *fs.PathError
	switch {
	case errors.As(err, &file):
		return fileProblem(file.Path, err)
	case errors.As(err, &p), r.Context().Err() != nil, result.Outcome == runtime.OutcomeError, result.Outcome == runtime.OutcomeKilled:
		return err
	}
	note(r, func(n *notes) { n.outcome = result.Outcome })
	return newProblem(http.StatusUnprocessableEntity, "not_opened", "%s: %s", result.Outcome, result.Message)
}

func (s *Server) open(ctx context.Context, opener Opener, x *session, command *runtime.Cmd) error {
	opened, release, err := s.boxes.use(ctx, x.box)
	if err != nil {
		return err
	}
	if x.live, err = opener.Open(ctx, opened, x.key, command); err != nil {
		release()
		return err
	}
	x.release = release
	return nil
}

// postFork opens a session in the state of another.
func (s *Server) postFork(w http.ResponseWriter, r *http.Request) error {
	body, err := s.read(w, r)
	if err != nil {
		return err
	}
	return s.reply(w, r, body, func(ctx context.Context) (int, any, error) {
		from, done, err := s.sessions.use(keyOf(r), r.PathValue("id"))
		if err != nil {
			return 0, nil, err
		}
		defer done()
		return s.opening(ctx, w, r, &session{key: from.key, box: from.box, idle: from.idle}, func(x *session) error {
			_, release, err := s.boxes.use(ctx, x.box)
			if err != nil {
				return err
			}
			if x.live, err = from.live.Fork(ctx); err != nil {
				release()
				return s.gone(from, err)
			}
			x.release = release
			return nil
		})
	})
}

// gone is the problem of a session that is over.
func (s *Server) gone(x *session, err error) error {
	var ended *runtime.SessionEndedError
	if errors.As(err, &ended) || errors.Is(err, runtime.ErrClosed) {
		s.sessions.remove(x)
		return newProblem(http.StatusGone, "session_ended", "%s", err)
	}
	return err
}

// postExecute executes code in a session.
func (s *Server) postExecute(w http.ResponseWriter, r *http.Request) error {
	var ask executeRequest
	body, err := s.readJSON(w, r, &ask, false)
	if err != nil {
		return err
	}
	if ask.Code == nil {
		return badRequest("the request has to have code")
	}
	bounds, err := ask.Limits.within(s.options.Limits)
	if err != nil {
		return err
	}
	stdin, err := content{ask.Stdin, ask.StdinEncoding}.bytes()
	if err != nil {
		return err
	}
	e := runtime.Execution{Stdin: bytes.NewReader(stdin), Limits: ask.Limits.narrowed(bounds)}
	if ask.Stream || wantsEvents(r) {
		return s.stream(w, r, r.PathValue("id"), func(ctx context.Context, stdout, stderr *eventWriter) (any, error) {
			e.Stdout, e.Stderr = stdout, stderr
			result, err := s.execute(ctx, r, *ask.Code, e)
			if err != nil {
				return nil, err
			}
			return result, nil
		})
	}
	return s.reply(w, r, body, func(ctx context.Context) (int, any, error) {
		stdout, stderr := &buffer{}, &buffer{}
		e.Stdout, e.Stderr = stdout, stderr
		result, err := s.execute(ctx, r, *ask.Code, e)
		if err != nil {
			return 0, nil, err
		}
		result.Printed = newPrinted(stdout, stderr)
		return http.StatusOK, result, nil
	})
}

// narrowed are the limits that were asked for; those of the session hold for the others.
func (l limits) narrowed(bounds runtime.Limits) (own runtime.Limits) {
	if l.Timeout > 0 {
		own.Timeout = bounds.Timeout
	}
	if l.CPU > 0 {
		own.CPU = bounds.CPU
	}
	if l.Output > 0 {
		own.Output = bounds.Output
	}
	return own
}

func (s *Server) execute(ctx context.Context, r *http.Request, code string, e runtime.Execution) (*executeResult, error) {
	x, done, err := s.sessions.use(keyOf(r), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	defer done()
	note(r, func(n *notes) { n.run = x.id })
	if err := s.sessions.room(x.key, s.options.Sessions); err != nil {
		return nil, err
	}
	ctx, release := x.within(ctx)
	defer release()
	leave, err := s.begin(ctx, x.key)
	if err != nil && x.life.Err() != nil {
		return nil, newProblem(http.StatusGone, "session_ended", "the session was closed while the request waited")
	} else if err != nil {
		return nil, err
	}
	defer leave()
	began := time.Now()
	ctx, span := s.tracer.start(ctx, "execute", trace.WithTimestamp(began))
	value, err := x.live.Execute(ctx, code, e)
	if closed := context.Cause(x.life); value == nil && closed != nil { // before it had begun
		value, err = &runtime.Value{}, &runtime.SessionEndedError{Cause: closed}
	}
	x.mutex.Lock()
	x.ran++
	x.mutex.Unlock()
	if value == nil {
		s.tracer.ran(ctx, span, began, x.id, runtime.ResultOf(err), nil)
		return nil, s.gone(x, err)
	}
	result := newExecuteResult(x.id, value, err)
	s.tracer.ran(ctx, span, began, x.id, result.Result, nil)
	result.Hint = s.hint(result.Result)
	if result.Ended {
		s.sessions.remove(x)
	} else {
		s.sessions.weigh(x)
	}
	s.figures.executions.With(string(result.Outcome)).Inc()
	note(r, func(n *notes) { n.outcome = result.Outcome })
	if r.Context().Err() != nil {
		return nil, errGone
	}
	return result, nil
}

func newExecuteResult(id string, v *runtime.Value, err error) *executeResult {
	var ended *runtime.SessionEndedError
	over := errors.As(err, &ended)
	if over {
		err = ended.Cause
	}
	result := &executeResult{
		ID: id, Result: runtime.ResultOf(err), Repr: v.Repr, JSON: v.JSON, Truncated: v.Truncated,
		Elapsed: float64(v.Elapsed.Microseconds()) / 1000, Fuel: v.Fuel, Ended: over,
	}
	if x := v.Exception; x != nil && !over {
		result.Exception = &exception{x.Type, x.Message, x.Traceback}
		result.Outcome, result.Status, result.Message = runtime.OutcomeExit, 1, x.Error()
	}
	return result
}

// postInterrupt lets what a session executes see KeyboardInterrupt; the session goes on.
func (s *Server) postInterrupt(w http.ResponseWriter, r *http.Request) error {
	x, done, err := s.sessions.use(keyOf(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	defer done()
	if !x.live.Signal(runtime.Interrupt) {
		return newProblem(http.StatusConflict, "not_busy", "the session executes nothing")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type sessionList struct {
	Sessions []sessionInfo `json:"sessions"`
}

func (s *Server) getSessions(w http.ResponseWriter, r *http.Request) error {
	list := sessionList{[]sessionInfo{}}
	for _, x := range s.sessions.of(keyOf(r)) {
		list.Sessions = append(list.Sessions, s.sessions.info(x))
	}
	return s.writeJSON(w, http.StatusOK, list)
}

func (s *Server) getSession(w http.ResponseWriter, r *http.Request) error {
	x, done, err := s.sessions.use(keyOf(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	done()
	return s.writeJSON(w, http.StatusOK, s.sessions.info(x))
}

func (s *Server) deleteSession(w http.ResponseWriter, r *http.Request) error {
	x, done, err := s.sessions.use(keyOf(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	done()
	s.sessions.remove(x)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
