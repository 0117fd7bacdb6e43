package server

import (
	"net/http"
	"time"

	"boxer.dev/runtime"
	"boxer.dev/server/internal/metrics"
)

// figures are what /metrics shows. Labels have values out of closed sets: routes, outcomes, phases, codes; nothing that a client or
// a program says.
type figures struct {
	all        metrics.Registry
	requests   *metrics.Counters
	latency    *metrics.Histograms
	problems   *metrics.Counters
	runs       *metrics.Counters
	executions *metrics.Counters
	phases     *metrics.Histograms
	opened     *metrics.Counter
	expired    *metrics.Counter
}

// bounds are from a tenth of a millisecond to a minute, in seconds.
var bounds = []float64{1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

func newFigures(s *Server) *figures {
	f := new(figures)
	f.requests = f.all.Counters("boxer_requests_total", "Requests that were answered.", "route", "status")
	f.latency = f.all.Histograms("boxer_request_seconds", "Time from a request to its answer.", bounds, "route")
	f.problems = f.all.Counters("boxer_problems_total", "Requests that were answered by a problem.", "code")
	f.runs = f.all.Counters("boxer_runs_total", "Runs that have ended.", "outcome")
	f.executions = f.all.Counters("boxer_executions_total", "Executions in sessions that have ended.", "outcome")
	f.phases = f.all.Histograms("boxer_run_phase_seconds", "Time that runs spent in each phase.", bounds, "phase")
	f.opened = f.all.Counter("boxer_sessions_opened_total", "Sessions that were opened or forked.")
	f.expired = f.all.Counter("boxer_sessions_expired_total", "Sessions that nobody used.")
	f.all.Gauge("boxer_running", "Runs and executions that go on.", func() float64 { return float64(s.work.Running()) })
	f.all.Gauge("boxer_waiting", "Runs and executions that wait for their turn.", func() float64 { return float64(s.work.Waiting()) })
	f.all.Gauge("boxer_capacity", "Runs and executions that can go on at the same time.", func() float64 { return float64(s.options.Running) })
	f.all.Gauge("boxer_sessions", "Sessions that are open.", func() float64 { return float64(s.sessions.count()) })
	f.all.Gauge("boxer_session_memory_bytes", "Memory that sessions hold.", func() float64 { return float64(s.sessions.memory()) })
	f.all.Process()
	return f
}

func (s *Server) getMetrics(w http.ResponseWriter, r *http.Request) error {
	s.figures.all.ServeHTTP(w, r)
	return nil
}

// ran counts a run.
func (f *figures) ran(outcome runtime.Outcome, stats *runtime.Stats) {
	f.runs.With(string(outcome)).Inc()
	for _, p := range append(phasesOf(stats), phase{"total", stats.Total}) {
		if p.took > 0 {
			f.phases.With(p.name).Observe(p.took.Seconds())
		}
	}
}

// waited counts the time until a run's turn.
func (f *figures) waited(took time.Duration) {
	f.phases.With("queue").Observe(took.Seconds())
}
