package server

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"boxer.dev/internal/otlp"
	"boxer.dev/runtime"
)

// traced serves a program that tells of its phases, and gives what asks it, and what a collector has of it in the end.
func traced(t *testing.T, logs io.Writer, ask func(url string)) (spans []*tracepb.Span) {
	t.Helper()
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		var data tracepb.TracesData
		if err != nil || proto.Unmarshal(text, &data) != nil {
			t.Errorf("what is sent is no request: %v", err)
		}
		for _, resource := range data.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				spans = append(spans, scope.Spans...)
			}
		}
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.URL+"/v1/traces")
	provider, err := otlp.Provider(t.Context(), "boxer", func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	url, _ := start(t, Options{Traces: provider, Logger: slog.New(slog.NewTextHandler(logs, nil)), Runner: runnerFunc(func(_ context.Context, c *runtime.Cmd) error {
		c.Stats.Restore, c.Stats.Run = time.Millisecond, 2*time.Millisecond
		return &runtime.ExitError{Code: 3}
	})})
	ask(url)
	if err := provider.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	return spans
}

func attributes(span *tracepb.Span) map[string]string {
	list := map[string]string{}
	for _, a := range span.Attributes {
		list[a.Key] = strings.Trim(a.Value.String(), `"`)
		if _, value, ok := strings.Cut(list[a.Key], ":"); ok {
			list[a.Key] = strings.Trim(value, `"`)
		}
	}
	return list
}

func TestTrace(t *testing.T) {
	const id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	var log buffer
	spans := traced(t, &log, func(url string) {
		call(t, "POST", url+"/v1/runs", `{"id": "mine", "argv": ["secret"]}`, "Traceparent: 00-"+id+"-"+parent+"-01")
	})
	byName, names := map[string]*tracepb.Span{}, []string{}
	for _, span := range spans {
		byName[span.Name] = span
		names = append(names, span.Name)
		if hex.EncodeToString(span.TraceId) != id {
			t.Errorf("%s is in the trace %x", span.Name, span.TraceId)
		}
		if strings.Contains(span.String(), "secret") {
			t.Errorf("%s has what was run", span)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"POST /v1/runs", "execute", "queue", "restore", "run"}, names); diff != "" {
		t.Fatal(diff)
	}
	request, execute := byName["POST /v1/runs"], byName["execute"]
	if hex.EncodeToString(request.ParentSpanId) != parent || request.Kind != tracepb.Span_SPAN_KIND_SERVER {
		t.Errorf("the request is %s", request)
	}
	for name, above := range map[string]*tracepb.Span{"queue": request, "execute": request, "restore": execute, "run": execute} {
		if !bytes.Equal(byName[name].ParentSpanId, above.SpanId) {
			t.Errorf("%s is not within %s", name, above.Name)
		}
	}
	if took := byName["run"].EndTimeUnixNano - byName["run"].StartTimeUnixNano; time.Duration(took) != 2*time.Millisecond {
		t.Errorf("the run takes %d ns", took)
	}
	a := attributes(execute)
	if a["boxer.outcome"] != "exit" || a["boxer.run.id"] != "mine" || a["boxer.exit_status"] != "3" {
		t.Errorf("attributes %v", a)
	}
	if text := string(log.take()); !strings.Contains(text, "run=mine") || !strings.Contains(text, "trace_id="+id) {
		t.Errorf("the log is %s", text)
	}
}

// TestTraceIsUpToTheClient: who has decided not to have a trace kept has none, and nonsense begins a new one.
func TestTraceIsUpToTheClient(t *testing.T) {
	var log buffer
	spans := traced(t, &log, func(url string) {
		call(t, "GET", url+"/health", "", "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
		call(t, "GET", url+"/health", "", "Traceparent: 00-nonsense")
	})
	if len(spans) != 1 || len(spans[0].ParentSpanId) != 0 {
		t.Errorf("spans %v", spans)
	}
}
