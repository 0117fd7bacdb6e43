package server

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"boxer.dev/runtime"
	"boxer.dev/server/internal/admission"
	"boxer.dev/server/internal/once"
	"boxer.dev/server/mcp"
)

// Server answers requests. Its methods are safe for concurrent use.
type Server struct {
	options     Options
	mux         *http.ServeMux
	handler     http.Handler
	toolHandler http.Handler // of POST /mcp
	tokens      tokens
	work        *admission.Gate
	bodies      *admission.Gate
	answers     once.Answers
	boxes       boxes
	programs    programs
	sessions    sessions
	running     running
	figures     *figures
	tracer      *tracer
	tools       *mcp.Server

	life     context.Context // ends when what is going on is to be cut off
	cut      context.CancelCauseFunc
	draining atomic.Bool
	closing  sync.Once
}

// answerAge is how long an answer is remembered for its Idempotency-Key.
const answerAge = time.Hour

// New makes a server. It is to be closed.
func New(o Options) *Server {
	o = o.complete()
	s := &Server{options: o, tokens: newTokens(o.Tokens), answers: once.Answers{MaxBytes: o.Remembered, Age: answerAge}}
	s.life, s.cut = context.WithCancelCause(context.Background())
	s.work, s.bodies = o.gates()
	s.boxes.open = o.Boxes.Open
	s.programs.configure(o)
	s.figures, s.tracer = newFigures(s), newTracer(o.Traces)
	s.mux = http.NewServeMux()
	s.tools = s.newMCP()
	s.toolHandler = s.tools.Handler()
	for _, r := range s.routes() {
		s.mux.Handle(r.pattern, s.route(r))
	}
	s.handler = s.observed(s.addressed(s.crossOrigin(http.HandlerFunc(s.serve))))
	return s
}

// Handler answers all requests.
func (s *Server) Handler() http.Handler { return s.handler }

// errStopped is the end of what goes on when the server ends.
var errStopped = &runtime.KilledError{Reason: "the server is stopping", Status: 128 + 15}

// Close cuts off what is going on, and closes sessions and boxes. The handler must not be in use any more.
func (s *Server) Close() (err error) {
	s.closing.Do(func() {
		s.draining.Store(true)
		s.cut(errStopped)
		s.sessions.closeAll()
		s.boxes.closeAll()
		err = s.programs.shelf.Close()
	})
	return err
}

// serve finds the route of a request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.fail(w, r, s.noRoute(w, r))
		return
	}
	s.mux.ServeHTTP(w, r)
}

// methods are those that there are routes for.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}

// noRoute says what is wrong with a request that is for no route.
func (s *Server) noRoute(w http.ResponseWriter, r *http.Request) error {
	for _, method := range methods {
		other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(other); pattern != "" {
			w.Header().Add("Allow", method)
		}
	}
	if w.Header().Get("Allow") != "" {
		return newProblem(http.StatusMethodNotAllowed, "method_not_allowed", "%s is not for this path", r.Method)
	}
	return newProblem(http.StatusNotFound, "no_such_path", "there is nothing here; /openapi.json describes what there is")
}

// route is what a request of a pattern passes.
func (s *Server) route(r route) http.Handler {
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if err := r.handle(w, request); err != nil {
			s.fail(w, request, err)
		}
	})
	if !r.open {
		h = s.authorized(h)
	}
	return named(r.pattern, h)
}

// within ends a context when the server cuts off what is going on, too.
func (s *Server) within(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.life, func() { cancel(context.Cause(s.life)) })
	return ctx, func(cause error) {
		stop()
		cancel(cause)
	}
}
