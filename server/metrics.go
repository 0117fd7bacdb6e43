package server

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"boxer.dev/runtime"
)

// metrics are what /metrics shows. Labels have values out of closed sets: routes, outcomes, phases, codes; nothing that a client or
// a program says.
type metrics struct {
	handler    http.Handler
	requests   *prometheus.CounterVec
	latency    *prometheus.HistogramVec
	problems   *prometheus.CounterVec
	runs       *prometheus.CounterVec
	executions *prometheus.CounterVec
	phases     *prometheus.HistogramVec
	opened     prometheus.Counter
	expired    prometheus.Counter
}

// buckets are from a tenth of a millisecond to a minute, in seconds.
var buckets = []float64{1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

func newMetrics(s *Server) *metrics {
	registry := prometheus.NewRegistry()
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "boxer", Name: name, Help: help}, labels)
		registry.MustRegister(v)
		return v
	}
	histograms := func(name, help string, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "boxer", Name: name, Help: help, Buckets: buckets}, labels)
		registry.MustRegister(v)
		return v
	}
	gauge := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "boxer", Name: name, Help: help}, value))
	}
	m := &metrics{
		requests:   counters("requests_total", "Requests that were answered.", "route", "status"),
		latency:    histograms("request_seconds", "Time from a request to its answer.", "route"),
		problems:   counters("problems_total", "Requests that were answered by a problem.", "code"),
		runs:       counters("runs_total", "Runs that have ended.", "outcome"),
		executions: counters("executions_total", "Executions in sessions that have ended.", "outcome"),
		phases:     histograms("run_phase_seconds", "Time that runs spent in each phase.", "phase"),
		opened:     prometheus.NewCounter(prometheus.CounterOpts{Namespace: "boxer", Name: "sessions_opened_total", Help: "Sessions that were opened or forked."}),
		expired:    prometheus.NewCounter(prometheus.CounterOpts{Namespace: "boxer", Name: "sessions_expired_total", Help: "Sessions that nobody used."}),
	}
	registry.MustRegister(m.opened, m.expired, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge("running", "Runs and executions that go on.", func() float64 { return float64(s.work.Running()) })
	gauge("waiting", "Runs and executions that wait for their turn.", func() float64 { return float64(s.work.Waiting()) })
	gauge("capacity", "Runs and executions that can go on at the same time.", func() float64 { return float64(s.options.Running) })
	gauge("sessions", "Sessions that are open.", func() float64 { return float64(s.sessions.count()) })
	gauge("session_memory_bytes", "Memory that sessions hold.", func() float64 { return float64(s.sessions.memory()) })
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return m
}

func (s *Server) getMetrics(w http.ResponseWriter, r *http.Request) error {
	s.metrics.handler.ServeHTTP(w, r)
	return nil
}

// ran counts a run.
func (m *metrics) ran(outcome runtime.Outcome, stats *runtime.Stats) {
	m.runs.WithLabelValues(string(outcome)).Inc()
	for _, p := range append(phasesOf(stats), phase{"total", stats.Total}) {
		if p.took > 0 {
			m.phases.WithLabelValues(p.name).Observe(p.took.Seconds())
		}
	}
}

// waited counts the time until a run's turn.
func (m *metrics) waited(took time.Duration) {
	m.phases.WithLabelValues("queue").Observe(took.Seconds())
}
