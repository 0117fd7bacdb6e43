// Package mcp offers boxes to language models, by the Model Context Protocol (modelcontextprotocol.io).
//
// Its tools are a client of the API below /v1: what a model asks for becomes requests to the handler that answers those. Limits,
// quotas, tokens and isolation are that API's, and so are the lines in its log; there is no second way to a box.
//
//   - tools.go lists the tools, with the words by which models know what they do.
//   - calls.go, sessions.go and files.go make requests of calls, api.go passes them on, and content.go makes of the answers what a
//     model can read.
package mcp

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Options say what the API behind the tools is like. The zero value works.
type Options struct {
	// Version of the server, for clients.
	Version string
	// Box is what the API runs code in that names no box.
	Box string
	// Dir is where code begins that names no box; session_open tells it. "": where the box says.
	Dir string
	// Limits are those of the API, for models to read.
	Limits string
	// Timeout is the API's limit for each run. Code of sessions is interrupted shortly before, because a session that reaches
	// the limit is over. 0: there is none.
	Timeout time.Duration
	// NoSessions leaves out the tools for sessions, for an API without.
	NoSessions bool
	// Logger is told of what goes wrong within the protocol. Nil: nobody.
	Logger *slog.Logger
}

// Server has the tools. Its methods are safe for concurrent use.
type Server struct {
	sdk    *sdk.Server
	logger *slog.Logger
}

// New makes a server whose tools ask api, which answers below /v1 as boxer.dev/server does.
func New(api http.Handler, o Options) *Server {
	s := &Server{logger: warnings(o.Logger)}
	s.sdk = sdk.NewServer(&sdk.Implementation{Name: "boxer", Title: "boxer", Version: o.Version}, &sdk.ServerOptions{
		Instructions: o.instructions(),
		Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}}, // the list does not change
		Logger:       s.logger,
	})
	(&tools{api: client{api}, Options: o}).add(s.sdk)
	return s
}

// Serve answers one client, in lines of JSON (the protocol's transport "stdio"), until in ends or ctx does.
func (s *Server) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	session, err := s.sdk.Connect(ctx, &sdk.IOTransport{Reader: io.NopCloser(in), Writer: unclosed{out}}, nil)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = session.Close() }) // Wait has its error
	defer stop()
	if err := session.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// warnings leaves out what the SDK tells of each connection: the API's log has a line for each call.
func warnings(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(warningHandler{logger.Handler()})
}

type warningHandler struct{ slog.Handler }

func (h warningHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

// unclosed is a stream that belongs to somebody else.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// Handler answers clients over HTTP (the protocol's transport "streamable HTTP"). It keeps nothing between requests, and gives the
// handler that New was given the values of a request's context.
//
// It is to be behind a check of the request's origin, host and size.
func (s *Server) Handler() http.Handler {
	h := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return s.sdk }, &sdk.StreamableHTTPOptions{
		Stateless: true, JSONResponse: true, PropagateRequestCancellation: true,
		DisableLocalhostProtection: true, MaxRequestBodyBytes: -1, Logger: s.logger,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestName{}, r.Context())))
	})
}

// requestName is under what a call's context has that of its HTTP request, on whose end the SDK does not end a call.
type requestName struct{}

// withRequest ends a call's context when its HTTP request does: nobody would get the answer.
func withRequest(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	request, ok := ctx.Value(requestName{}).(context.Context)
	if !ok {
		return ctx, cancel
	}
	stop := context.AfterFunc(request, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}
