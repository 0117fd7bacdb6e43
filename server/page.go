package server

import (
	"embed"
	"net/http"
	"path"
)

//go:embed page
var page embed.FS

// pagePolicy lets the page use what this server serves, and pictures that programs made; no other source, no text of its own as a
// script, no frame around it.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var pageTypes = map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

// getRoot says "ok" to programs, and shows browsers the way to the page.
func (s *Server) getRoot(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Vary", "Accept")
	if prefers(r, "text/html") {
		http.Redirect(w, r, "/ui", http.StatusSeeOther)
		return nil
	}
	return writeText(w, "ok")
}

// getPage sends the page by which people try code.
func (s *Server) getPage(w http.ResponseWriter, r *http.Request) error {
	return s.writePage(w, "index.html")
}

// getPageFile sends what the page consists of.
func (s *Server) getPageFile(w http.ResponseWriter, r *http.Request) error {
	return s.writePage(w, r.PathValue("file"))
}

func (s *Server) writePage(w http.ResponseWriter, file string) error {
	text, err := page.ReadFile("page/" + file)
	kind := pageTypes[path.Ext(file)]
	if err != nil || kind == "" {
		return newProblem(http.StatusNotFound, "no_such_path", "the page has no such file")
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	s.write(w, http.StatusOK, text)
	return nil
}
