package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"boxer.dev/oci"
	"boxer.dev/server/internal/admission"
	"boxer.dev/server/internal/once"
)

// problem is an answer that is not what was asked for (RFC 9457).
type problem struct {
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Code    string `json:"code"` // for programs
	Detail  string `json:"detail"`
	Request string `json:"request_id,omitempty"`

	after time.Duration // Retry-After
}

func (p *problem) Error() string { return p.Detail }

func newProblem(status int, code, format string, args ...any) *problem {
	return &problem{Title: http.StatusText(status), Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *problem {
	return newProblem(http.StatusBadRequest, "bad_request", format, args...)
}

func problemDraining() *problem {
	p := newProblem(http.StatusServiceUnavailable, "draining", "the server is stopping")
	p.after = 5 * time.Second
	return p
}

// errGone is for clients that are not there any more.
var errGone = errors.New("the client has gone")

// problemOf says what became of a request that could not be answered. What the server knows of itself is for its log.
func problemOf(err error) *problem {
	var p *problem
	var refusal *admission.Refusal
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		own := *p
		return &own
	case errors.As(err, &refusal):
		p = newProblem(http.StatusServiceUnavailable, "overloaded", "%s", refusal)
		if refusal.Own() {
			p = newProblem(http.StatusTooManyRequests, "too_many_requests", "%s", refusal)
		}
		p.after = refusal.After
		return p
	case errors.As(err, &large):
		return newProblem(http.StatusRequestEntityTooLarge, "too_large", "the request is larger than %d bytes", large.Limit)
	case errors.Is(err, once.ErrOther):
		return newProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", "%s", err)
	case errors.Is(err, oci.ErrNotFound):
		return newProblem(http.StatusNotFound, "no_such_box", "%s", err)
	case errors.Is(err, errStopped):
		return problemDraining()
	case errors.Is(err, context.Canceled), errors.Is(err, errGone):
		return newProblem(http.StatusRequestTimeout, "gone", "the client has gone")
	}
	return newProblem(http.StatusInternalServerError, "internal", "the server failed; its log says more under this request's number")
}

// fail answers with a problem.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(r, err)
	if isCall(r.URL.Path) {
		s.failCall(w, r, p)
		return
	}
	if p.after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(p.after.Seconds()))))
	}
	body, err := encode(p)
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	s.bodyless(w, r)
	s.write(w, p.Status, body)
}

// problem says what became of a request, to whoever asked and to those who watch.
func (s *Server) problem(r *http.Request, err error) *problem {
	p := problemOf(err)
	p.Request = requestID(r)
	note(r, func(n *notes) { n.problem, n.err = p.Code, err })
	s.figures.problems.With(p.Code).Inc()
	return p
}

// bodyless bounds the time that net/http waits for the body of a request which nobody wants to read, before it sends the answer.
func (s *Server) bodyless(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.options.Timeouts.Body))
	}
}

// write sends an answer, and gives the client a bounded time to take it.
func (s *Server) write(w http.ResponseWriter, status int, body []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout(s.options.Timeouts.Write, len(body))))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever has gone does not hear of it
}

func (s *Server) writeJSON(w http.ResponseWriter, status int, value any) error {
	body, err := encode(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	s.write(w, status, body)
	return nil
}

// encode makes JSON of a value, and a line. What HTML would take for tags stays as it is: no browser takes an answer for HTML.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encoding an answer: %w", err)
	}
	return b.Bytes(), nil
}

// maxIdempotencyKey bounds the names that clients give requests, in bytes.
const maxIdempotencyKey = 255

// reply answers with what do gives. If the client named the request, it has the same answer whenever it asks again.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, body []byte, do func(context.Context) (status int, value any, err error)) error {
	ctx, cancel := s.within(r.Context())
	defer cancel(nil)
	name := r.Header.Get("Idempotency-Key")
	switch {
	case name == "":
		status, value, err := do(ctx)
		if err != nil {
			return err
		}
		return s.writeJSON(w, status, value)
	case len(name) > maxIdempotencyKey:
		return badRequest("the Idempotency-Key is longer than %d bytes", maxIdempotencyKey)
	}
	var failed error
	answer, again, err := s.answers.Do(ctx, keyOf(r)+"\x00"+name, request(r, body), func() (once.Answer, bool) {
		status, value, err := do(ctx)
		var encoded []byte
		if err == nil {
			encoded, err = encode(value)
		}
		failed = err
		return once.Answer{Status: status, Body: encoded}, err == nil && ctx.Err() == nil
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	if again {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.Header().Set("Content-Type", "application/json")
	s.write(w, answer.Status, answer.Body)
	return nil
}

// request is what makes a request the same as another.
func request(r *http.Request, body []byte) []byte {
	return append([]byte(r.Method+" "+r.URL.Path+"\n"), body...)
}

// slowest is how slow a client may take an answer, in bytes a second.
const slowest = 64 << 10

// writeTimeout is the time that a client has for an answer of some size, in bytes.
func writeTimeout(least time.Duration, size int) time.Duration {
	return least + time.Duration(size/slowest)*time.Second
}
