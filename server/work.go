package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"boxer.dev/runtime"
	"boxer.dev/server/internal/admission"
)

// Runner carries runs out.
type Runner interface {
	// Run runs a command in a box as runtime.Box.Run does. Runs of different tenants share nothing.
	Run(ctx context.Context, b *Opened, tenant string, c *runtime.Cmd) error
}

// Opener is a Runner that has sessions, too.
type Opener interface {
	// Open opens one as runtime.Box.Session does, on the same terms.
	Open(ctx context.Context, b *Opened, tenant string, c *runtime.Cmd) (Session, error)
}

// Session is what a *runtime.Session is, wherever it lives.
type Session interface {
	Execute(ctx context.Context, source string, e runtime.Execution) (*runtime.Value, error)
	Fork(ctx context.Context) (Session, error)
	Signal(runtime.Signal) bool
	Held() (int64, error)
	Read(name string, max int) (*runtime.Contents, error)
	Write(name string, data []byte) error
	Remove(name string) error
	Close() error
}

// begin waits for a turn. What it gives is to be called when the work is done, and before its result is sent.
func (s *Server) begin(ctx context.Context, key string) (done func(), err error) {
	if s.draining.Load() {
		return nil, problemDraining()
	}
	place, err := s.work.Enter(key)
	if err != nil {
		return nil, err
	}
	return s.turn(ctx, place)
}

func (s *Server) turn(ctx context.Context, place *admission.Place) (done func(), err error) {
	began := time.Now()
	_, span := s.tracer.start(ctx, "queue", trace.WithTimestamp(began))
	defer span.End()
	if err := place.Turn(ctx); err != nil {
		place.Leave()
		return nil, err
	}
	s.figures.waited(time.Since(began))
	return place.Leave, nil
}

// running are the runs that can be ended from outside.
type running struct {
	mutex sync.Mutex
	runs  map[string]context.CancelCauseFunc // by key and id
}

// errCancelled is the end of a run that was asked for.
var errCancelled = &runtime.KilledError{Reason: "cancelled", Status: runtime.StatusInterrupted}

// add notes a run, until it is removed. It fails if there is one of that name.
func (r *running) add(key, id string, cancel context.CancelCauseFunc) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	name := key + "\x00" + id
	if r.runs[name] != nil {
		return newProblem(http.StatusConflict, "id_in_use", "a run of that id is going on")
	}
	if r.runs == nil {
		r.runs = map[string]context.CancelCauseFunc{}
	}
	r.runs[name] = cancel
	return nil
}

func (r *running) remove(key, id string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.runs, key+"\x00"+id)
}

// end ends a key's run, and reports whether there is one.
func (r *running) end(key, id string) bool {
	r.mutex.Lock()
	found := r.runs[key+"\x00"+id]
	r.mutex.Unlock()
	if found != nil {
		found(errCancelled)
	}
	return found != nil
}
