package server

import (
	"io"
	"net/http"
	"net/http/pprof"
)

// route is something that can be asked for.
type route struct {
	pattern string // of http.ServeMux
	handle  func(http.ResponseWriter, *http.Request) error
	open    bool // without a token, too
}

// routes are all that there are; openapi.yaml describes them.
func (s *Server) routes() []route {
	routes := []route{
		{"GET /{$}", s.getRoot, true},
		{"GET /ui", s.getPage, true},
		{"GET /ui/{file}", s.getPageFile, true},
		{"GET /health", s.getHealth, true},
		{"GET /ready", s.getReady, true},
		{"GET /openapi.json", s.getDescription, true},
		{"GET /metrics", s.getMetrics, false},
		{"POST /run", s.postRunner, false},
		{"POST /mcp", s.postMCP, false},
		{"POST /v1/runs", s.postRun, false},
		{"DELETE /v1/runs/{id}", s.deleteRun, false},
		{"POST /tools/execute", s.postExecutor, false},
		{"GET /v1/boxes", s.getBoxes, false},
		{"POST /v1/boxes/pull", s.postPull, false},
		{"GET /v1/sessions", s.getSessions, false},
		{"POST /v1/sessions", s.postSession, false},
		{"GET /v1/sessions/{id}", s.getSession, false},
		{"DELETE /v1/sessions/{id}", s.deleteSession, false},
		{"POST /v1/sessions/{id}/execute", s.postExecute, false},
		{"POST /v1/sessions/{id}/fork", s.postFork, false},
		{"POST /v1/sessions/{id}/interrupt", s.postInterrupt, false},
		{"GET /v1/sessions/{id}/files/{path...}", s.getFile, false},
		{"PUT /v1/sessions/{id}/files/{path...}", s.putFile, false},
		{"DELETE /v1/sessions/{id}/files/{path...}", s.deleteFile, false},
	}
	routes = append(routes, s.calls()...)
	if s.options.Profiling {
		routes = append(routes,
			route{"GET /debug/pprof/", served(pprof.Index), false},
			route{"GET /debug/pprof/profile", served(pprof.Profile), false},
			route{"GET /debug/pprof/trace", served(pprof.Trace), false},
		)
	}
	return routes
}

func served(h http.HandlerFunc) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		h(w, r)
		return nil
	}
}

func (s *Server) getHealth(w http.ResponseWriter, _ *http.Request) error {
	return writeText(w, "ok")
}

// getReady says whether requests are welcome.
func (s *Server) getReady(w http.ResponseWriter, _ *http.Request) error {
	if s.draining.Load() {
		return problemDraining()
	}
	return writeText(w, "ready")
}

func writeText(w http.ResponseWriter, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text)
	return nil
}
