package otlp

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector takes traces, after it has answered with some statuses that say no.
type collector struct {
	*httptest.Server
	mutex   sync.Mutex
	refuse  []int
	spans   map[string]string // by their names: of which service
	headers []http.Header
}

func collect(t *testing.T, refuse ...int) *collector {
	c := &collector{refuse: refuse, spans: map[string]string{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.take(t, w, r) }))
	t.Cleanup(c.Close)
	for _, variable := range os.Environ() { // what the tester has of his own
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
	return c
}

func (c *collector) take(t *testing.T, w http.ResponseWriter, r *http.Request) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.headers = append(c.headers, r.Header)
	if len(c.refuse) > 0 {
		w.WriteHeader(c.refuse[0])
		c.refuse = c.refuse[1:]
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			t.Error(err)
			return
		}
		body = z
	}
	text, err := io.ReadAll(body)
	var data tracepb.TracesData
	if err != nil || proto.Unmarshal(text, &data) != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("%s %v: %v", r.URL, r.Header, err)
	}
	for _, resource := range data.ResourceSpans {
		service := ""
		for _, a := range resource.Resource.Attributes {
			if a.Key == "service.name" {
				service = a.Value.GetStringValue()
			}
		}
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				c.spans[span.Name] = service
			}
		}
	}
}

// sent makes a span, and gives the error of sending it.
func sent(t *testing.T) (failed error) {
	t.Helper()
	provider, err := Provider(context.Background(), "boxer", func(err error) { failed = err })
	if err != nil || provider == nil {
		t.Fatalf("there is no provider: %v", err)
	}
	_, span := provider.Tracer("test").Start(context.Background(), "work")
	span.End()
	return errors.Join(provider.Shutdown(context.Background()), failed)
}

func TestSent(t *testing.T) {
	for name, test := range map[string]struct {
		env     map[string]string
		service string
	}{
		"the least":  {nil, "boxer"},
		"named":      {map[string]string{"OTEL_SERVICE_NAME": "mine"}, "mine"},
		"attributed": {map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "service.name=theirs"}, "theirs"},
		"zipped":     {map[string]string{"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}, "boxer"},
		"protocol":   {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_TRACES_EXPORTER": "otlp"}, "boxer"},
	} {
		t.Run(name, func(t *testing.T) {
			c := collect(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL+"/")
			t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=a%20b, x-other=2")
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			if err := sent(t); err != nil || c.spans["work"] != test.service {
				t.Errorf("%v; the collector has %v", err, c.spans)
			}
			if h := c.headers[0]; h.Get("X-Token") != "a b" || h.Get("X-Other") != "2" {
				t.Errorf("headers %v", h)
			}
		})
	}
}

// TestSentAgain: a collector that is busy is asked again, one that does not want it is not.
func TestSentAgain(t *testing.T) {
	c := collect(t, http.StatusServiceUnavailable, http.StatusTooManyRequests)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", c.URL+"/v1/traces")
	if err := sent(t); err != nil || len(c.headers) != 3 || c.spans["work"] == "" {
		t.Errorf("%v after %d requests", err, len(c.headers))
	}
	c.refuse = []int{http.StatusBadRequest}
	if err := sent(t); err == nil || len(c.headers) != 4 {
		t.Errorf("%v after %d requests", err, len(c.headers))
	}
}

func TestOff(t *testing.T) {
	for _, env := range []map[string]string{
		{},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:1", "OTEL_TRACES_EXPORTER": "none"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:1", "OTEL_SDK_DISABLED": "true"},
	} {
		t.Run("", func(t *testing.T) {
			collect(t)
			for name, value := range env {
				t.Setenv(name, value)
			}
			if provider, err := Provider(t.Context(), "boxer", func(error) {}); provider != nil || err != nil {
				t.Errorf("%v: %v, %v", env, provider, err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4317", "OTEL_EXPORTER_OTLP_HEADERS": "secret", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere",
	} {
		t.Run(name, func(t *testing.T) {
			collect(t)
			t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
			t.Setenv(name, value)
			_, err := Provider(t.Context(), "boxer", func(error) {})
			if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
}
