// Package otlp sends traces to a collector: OpenTelemetry's SDK, configured by its environment variables, and the protocol OTLP
// over HTTP.
//
// The SDK's own exporter of that protocol links gRPC, 2 MB of it, for types of messages that HTTP does not use. This one is a
// transport for the SDK's common part (otlptrace.Client), which sends the same bytes.
package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Provider makes a tracer provider of the environment (OpenTelemetry Environment Variable Specification, and Protocol Exporter).
// It is nil if nothing says that traces are wanted: no OTEL_TRACES_EXPORTER, no OTEL_EXPORTER_OTLP_ENDPOINT. It is to be shut
// down, which sends what is left. service is the name unless the environment gives another. failed is told what could not be sent.
func Provider(ctx context.Context, service string, failed func(error)) (*trace.TracerProvider, error) {
	if wanted, err := wanted(); err != nil || !wanted {
		return nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(failed))
	client, err := newClient()
	if err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, err
	}
	about, err := resource.New(ctx, resource.WithAttributes(semconv.ServiceName(service)), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, err
	}
	return trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about)), nil
}

func wanted() (bool, error) {
	if disabled, _ := strconv.ParseBool(os.Getenv("OTEL_SDK_DISABLED")); disabled {
		return false, nil
	}
	switch exporter := os.Getenv("OTEL_TRACES_EXPORTER"); exporter {
	case "none":
		return false, nil
	case "otlp":
		return true, nil
	case "":
		return setting("ENDPOINT") != "", nil
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER=%s: it takes otlp or none", exporter)
	}
}

// setting is that of traces, or else that of all signals.
func setting(name string) string {
	if own := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_" + name); own != "" {
		return own
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_" + name)
}

// client posts traces.
type client struct {
	http    http.Client
	url     string
	headers http.Header
	zipped  bool
}

const defaultTimeout = 10 * time.Second

func newClient() (*client, error) {
	c := &client{headers: http.Header{}, zipped: setting("COMPRESSION") == "gzip"}
	if protocol := setting("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%s: it takes http/protobuf", protocol)
	}
	c.http.Timeout = defaultTimeout
	if text := setting("TIMEOUT"); text != "" {
		milliseconds, err := strconv.Atoi(text)
		if err != nil || milliseconds <= 0 {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT=%s: it takes milliseconds", text)
		}
		c.http.Timeout = time.Duration(milliseconds) * time.Millisecond
	}
	return c, errors.Join(c.setURL(), c.setHeaders(), c.setCertificate())
}

func (c *client) setURL() error {
	c.url = os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	if c.url == "" {
		base := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
		if base == "" {
			base = "http://localhost:4318"
		}
		c.url = strings.TrimRight(base, "/") + "/v1/traces"
	}
	if u, err := url.Parse(c.url); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %q is no address such as http://localhost:4318", c.url)
	}
	return nil
}

// setHeaders reads "name=value,name=value", percent-encoded (W3C Baggage).
func (c *client) setHeaders() error {
	text := setting("HEADERS")
	if text == "" {
		return nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil {
			return errors.New("OTEL_EXPORTER_OTLP_HEADERS: it takes NAME=VALUE,NAME=VALUE") // values are secrets
		}
		c.headers.Set(strings.TrimSpace(name), value)
	}
	return nil
}

func (c *client) setCertificate() error {
	file := setting("CERTIFICATE")
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: there is no certificate in %s", file)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	c.http.Transport = transport
	return nil
}

func (c *client) Start(context.Context) error { return nil }
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces sends spans. What a collector has no room for is sent again, as often as the time that there is for it allows.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	ctx, cancel := context.WithTimeout(ctx, c.http.Timeout)
	defer cancel()
	body, err := c.encode(spans)
	if err != nil {
		return err
	}
	for wait := 200 * time.Millisecond; ; wait *= 2 {
		again, after, err := c.post(ctx, body)
		if err == nil || !again {
			return err
		}
		timer := time.NewTimer(max(wait, after))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// encode makes an ExportTraceServiceRequest, whose bytes are those of a TracesData: both have resource_spans as their field 1.
func (c *client) encode(spans []*tracepb.ResourceSpans) ([]byte, error) {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil || !c.zipped {
		return body, err
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err = z.Write(body)
	err = errors.Join(err, z.Close())
	return zipped.Bytes(), err
}

// post sends a body once. again is whether it is worth another try, and after how long (OTLP Specification, "Failures").
func (c *client) post(ctx context.Context, body []byte) (again bool, after time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return false, 0, err
	}
	request.Header = c.headers.Clone()
	request.Header.Set("Content-Type", "application/x-protobuf")
	if c.zipped {
		request.Header.Set("Content-Encoding", "gzip")
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return true, 0, fmt.Errorf("sending traces: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
	switch answer.StatusCode {
	case http.StatusOK, http.StatusAccepted:
		return false, 0, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
	return again, time.Duration(seconds) * time.Second, fmt.Errorf("sending traces: the collector answers %s", answer.Status)
}
