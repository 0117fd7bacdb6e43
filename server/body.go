package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"
)

// read reads the body of a request. The client has a bounded time for it, and memory for bodies is bounded.
func (s *Server) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	place, err := s.bodies.Enter(keyOf(r))
	if err != nil {
		return nil, err
	}
	defer place.Leave()
	if r.ContentLength > s.options.MaxBody {
		w.Header().Set("Connection", "close") // nobody waits for the rest
		return nil, &http.MaxBytesError{Limit: s.options.MaxBody}
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(s.options.Timeouts.Body))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.options.MaxBody))
	if err != nil {
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			w.Header().Set("Connection", "close")
			return nil, err
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.Header().Set("Connection", "close")
			return nil, newProblem(http.StatusRequestTimeout, "slow", "the request took longer than %s to arrive", s.options.Timeouts.Body)
		case r.Context().Err() != nil:
			return nil, errGone
		}
		return nil, badRequest("reading the request: %s", err)
	}
	// From here on the server listens only for the client's leaving, which has no deadline.
	_ = control.SetReadDeadline(time.Time{})
	return body, nil
}

// readJSON reads a body into value. An empty one is an empty object where that is of use.
func (s *Server) readJSON(w http.ResponseWriter, r *http.Request, value any, lenient bool) ([]byte, error) {
	if kind := r.Header.Get("Content-Type"); kind != "" {
		if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
			return nil, newProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", "the request has to be application/json")
		}
	}
	body, err := s.read(w, r)
	if err != nil {
		return nil, err
	}
	text := body
	if len(bytes.TrimSpace(text)) == 0 && !lenient {
		text = []byte("{}")
	}
	return body, decode(text, value, lenient)
}

// decode reads JSON. Fields that there are not are errors, unless lenient: a limit with a slip in its name would not be held.
func decode(text []byte, value any, lenient bool) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if !lenient {
		decoder.DisallowUnknownFields()
	}
	err := decoder.Decode(value)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			return badRequest("the request goes on after its JSON")
		}
		return nil
	}
	var p *problem
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &syntax):
		return badRequest("the request is no JSON: byte %d: %s", syntax.Offset, syntax)
	case errors.As(err, &kind):
		return badRequest("%q does not take a JSON %s", kind.Field, kind.Value)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badRequest("the request is no JSON: it ends too early")
	}
	return badRequest("%s", strings.TrimPrefix(err.Error(), "json: "))
}
