package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"time"

	"boxer.dev/server/mcp"
)

// workDir is where code of models begins in the box that has no place of its own for it.
const workDir = "/work"

// newMCP makes the tools for language models. What they ask for comes back to the server's own handler.
func (s *Server) newMCP() *mcp.Server {
	_, sessions := s.options.Runner.(Opener)
	o := mcp.Options{
		Version: s.options.Version, Box: s.options.Box, Limits: s.options.Limits.String(), Timeout: s.options.Limits.Timeout,
		NoSessions: !sessions, Logger: s.options.Logger,
	}
	if s.options.Box == DefaultBox {
		o.Dir = workDir
	}
	return mcp.New(http.HandlerFunc(s.askedByTool), o)
}

// ServeMCP has the tools of POST /mcp for one client, who is on in and out.
func (s *Server) ServeMCP(ctx context.Context, in io.Reader, out io.Writer) error {
	return s.tools.Serve(ctx, in, out)
}

// toolRequest is under what a tool's request has the one that it was called by.
type toolRequest struct{}

// postMCP answers a message of the Model Context Protocol.
func (s *Server) postMCP(w http.ResponseWriter, r *http.Request) error {
	if !s.fromFriend(r) {
		return newProblem(http.StatusForbidden, "cross_origin", "scripts of other sites may not use this server")
	}
	body, err := s.read(w, r)
	if err != nil {
		return err
	}
	ctx, cancel := s.within(context.WithValue(r.Context(), toolRequest{}, r))
	defer cancel(nil)
	inner := r.WithContext(ctx)
	inner.Body, inner.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	s.toolHandler.ServeHTTP(&timedWriter{w, s.options.Timeouts.Write}, inner)
	return nil
}

// fromFriend reports whether a request is from no web page, or from one that is welcome. Without names of its own the server cannot
// tell a page of its own from one whose name leads here, so it has none (Model Context Protocol, transports, security warning).
func (s *Server) fromFriend(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || s.options.Hosts != nil || slices.Contains(s.options.Origins, origin)
}

// askedByTool answers a tool's request as one of whoever called the tool.
func (s *Server) askedByTool(w http.ResponseWriter, r *http.Request) {
	if by, ok := r.Context().Value(toolRequest{}).(*http.Request); ok {
		r.Host, r.RemoteAddr = by.Host, by.RemoteAddr
		r.Header.Set("X-Request-Id", requestID(by))
		if token := by.Header.Get("Authorization"); token != "" {
			r.Header.Set("Authorization", token)
		}
	}
	s.handler.ServeHTTP(w, r)
}

// timedWriter gives a client a bounded time to take an answer.
type timedWriter struct {
	http.ResponseWriter
	least time.Duration
}

func (w *timedWriter) Write(b []byte) (int, error) {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(writeTimeout(w.least, len(b))))
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
