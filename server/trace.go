package server

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"boxer.dev/runtime"
)

// tracer makes the spans of requests: one for the request, and within it one for the time that it waits, and one for what it runs,
// with the phases of that. Nothing of code, of its output or of its environment is in them. A nil tracer makes none.
type tracer struct{ trace.Tracer }

func newTracer(p trace.TracerProvider) *tracer {
	if p == nil {
		return nil
	}
	return &tracer{p.Tracer("boxer.dev/server")}
}

// start begins a span.
func (t *tracer) start(ctx context.Context, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	if t == nil {
		return ctx, noop.Span{}
	}
	return t.Start(ctx, name, o...)
}

// request begins the span of a request, as a part of the trace that its client has it in (W3C Trace Context).
func (t *tracer) request(r *http.Request, id string) (*http.Request, trace.Span) {
	if t == nil {
		return r, noop.Span{}
	}
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("boxer.request.id", id)))
	return r.WithContext(ctx), span
}

// answered ends the span of a request.
func answered(span trace.Span, route string, status int) {
	if !span.IsRecording() {
		return
	}
	span.SetName(route)
	span.SetAttributes(attribute.String("http.route", route), attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(status))
	}
	span.End()
}

// ran ends the span of a run that began then: what it is called, how it ended, and the phases, which are known only now, one after
// another.
func (t *tracer) ran(ctx context.Context, span trace.Span, began time.Time, id string, result runtime.Result, stats *runtime.Stats) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String("boxer.run.id", id), attribute.String("boxer.outcome", string(result.Outcome)),
		attribute.Int("boxer.exit_status", result.Status))
	if result.Outcome == runtime.OutcomeError {
		span.SetStatus(codes.Error, "boxer failed")
	}
	if stats != nil {
		for _, p := range phasesOf(stats) {
			if p.took == 0 {
				continue
			}
			_, phase := t.start(ctx, p.name, trace.WithTimestamp(began))
			began = began.Add(p.took)
			phase.End(trace.WithTimestamp(began))
		}
		span.SetAttributes(attribute.Int64("boxer.cpu_us", stats.CPU.Microseconds()), attribute.Int64("boxer.memory.peak", int64(stats.PeakMemory)))
	}
	span.End()
}

// phase is a part of a run.
type phase struct {
	name string
	took time.Duration
}

// phasesOf are those of a run, in their order.
func phasesOf(s *runtime.Stats) []phase {
	return []phase{
		{"lookup", s.Lookup}, {"compile", s.Compile}, {"load", s.Load}, {"restore", s.Restore},
		{"instantiate", s.Instantiate}, {"run", s.Run}, {"reset", s.Reset},
	}
}
