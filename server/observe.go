package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"boxer.dev/runtime"
)

// notes are what becomes known of a request on its way, for its line in the log.
type notes struct {
	mutex   sync.Mutex
	id      string
	route   string
	key     string
	problem string
	err     error
	run     string
	outcome runtime.Outcome
}

type notesName struct{}

// note takes a note of a request.
func note(r *http.Request, take func(*notes)) {
	if n, ok := r.Context().Value(notesName{}).(*notes); ok {
		n.mutex.Lock()
		defer n.mutex.Unlock()
		take(n)
	}
}

func requestID(r *http.Request) (id string) {
	note(r, func(n *notes) { id = n.id })
	return id
}

// named notes the pattern that a request matched.
func named(pattern string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(r, func(n *notes) { n.route = pattern })
		next.ServeHTTP(w, r)
	})
}

// observed numbers requests, logs and counts them.
func (s *Server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		n := &notes{id: r.Header.Get("X-Request-Id"), route: "none"}
		if !validID(n.id) {
			n.id = rand.Text()
		}
		w.Header().Set("X-Request-Id", n.id)
		watched := &watchedWriter{ResponseWriter: w}
		r, span := s.tracer.request(r.WithContext(context.WithValue(r.Context(), notesName{}, n)), n.id)
		if r.Method != http.MethodPost && r.Method != http.MethodPut {
			s.bodyless(watched, r)
		}
		defer func() {
			if failure := recover(); failure != nil && failure != http.ErrAbortHandler {
				s.options.Logger.Error("panic", "request_id", n.id, "panic", failure, "stack", string(debug.Stack()))
				if watched.status == 0 {
					s.fail(watched, r, errPanic)
				}
			}
			s.account(r, n, watched, span, time.Since(began))
		}()
		next.ServeHTTP(watched, r)
	})
}

var errPanic = errors.New("the server panicked")

// account writes a request's line, and counts it.
func (s *Server) account(r *http.Request, n *notes, w *watchedWriter, span trace.Span, took time.Duration) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	answered(span, n.route, status)
	s.figures.requests.With(n.route, strconv.Itoa(status)).Inc()
	s.figures.latency.With(n.route).Observe(took.Seconds())
	level := slog.LevelInfo
	switch {
	case status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable:
		level = slog.LevelError
	case n.route == "GET /health" || n.route == "GET /ready" || n.route == "GET /metrics":
		level = slog.LevelDebug
	}
	if !s.options.Logger.Enabled(r.Context(), level) {
		return
	}
	attributes := []slog.Attr{
		slog.String("request_id", n.id), slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status),
		slog.Float64("took_ms", float64(took.Microseconds())/1000), slog.Int64("bytes", w.bytes), slog.String("client", r.RemoteAddr),
	}
	traced := ""
	if c := span.SpanContext(); c.HasTraceID() {
		traced = c.TraceID().String()
	}
	for _, a := range [][2]string{{"key", n.key}, {"run", n.run}, {"outcome", string(n.outcome)}, {"problem", n.problem}, {"trace_id", traced}} {
		if a[1] != "" {
			attributes = append(attributes, slog.String(a[0], a[1]))
		}
	}
	if n.err != nil {
		attributes = append(attributes, slog.String("error", n.err.Error()))
	}
	s.options.Logger.LogAttrs(r.Context(), level, "request", attributes...)
}

// maxID bounds names that clients choose, in bytes.
const maxID = 64

// validID reports whether a client's name for something is harmless anywhere.
func validID(id string) bool {
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return id != "" && len(id) <= maxID
}

// watchedWriter knows what was answered.
type watchedWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *watchedWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Flush is for gRPC.
func (w *watchedWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
