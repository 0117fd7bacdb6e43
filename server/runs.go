package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"go.opentelemetry.io/otel/trace"

	"boxer.dev/runtime"
)

func validPattern(pattern string) bool { return doublestar.ValidatePattern(pattern) }

// runResult is what POST /v1/runs answers.
type runResult struct {
	ID string `json:"id"`
	runtime.Result
	*Printed
	Files   []boxFile      `json:"files,omitempty"`
	Omitted int            `json:"files_omitted,omitempty"`
	Stats   *runtime.Stats `json:"stats"`
}

// Printed is what a run wrote, in JSON.
type Printed struct {
	Stdout         string `json:"stdout"`
	StdoutEncoding string `json:"stdout_encoding,omitempty"`
	Stderr         string `json:"stderr"`
	StderrEncoding string `json:"stderr_encoding,omitempty"`
}

// buffer keeps what a run writes, which Limits.Output bounds. Programs of a pipeline write at the same time.
type buffer struct {
	mutex sync.Mutex
	bytes bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.Write(p)
}

// take gives what was written so far. A program that was left behind may still write.
func (b *buffer) take() []byte {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return bytes.Clone(b.bytes.Bytes())
}

func newPrinted(stdout, stderr *buffer) *Printed {
	out, errors := newContent(stdout.take()), newContent(stderr.take())
	return &Printed{out.Content, out.Encoding, errors.Content, errors.Encoding}
}

// postRun runs code or a box.
func (s *Server) postRun(w http.ResponseWriter, r *http.Request) error {
	var ask runRequest
	body, err := s.readJSON(w, r, &ask, false)
	if err != nil {
		return err
	}
	command, err := ask.command(s.options.Limits)
	if err != nil {
		return err
	}
	stdin, err := content{ask.Stdin, ask.StdinEncoding}.bytes()
	if err != nil {
		return err
	}
	command.Stdin = bytes.NewReader(stdin)
	if ask.ID == "" {
		ask.ID = rand.Text()
	}
	if ask.Stream || wantsEvents(r) {
		return s.streamRun(w, r, &ask, command)
	}
	return s.reply(w, r, body, func(ctx context.Context) (int, any, error) {
		stdout, stderr := &buffer{}, &buffer{}
		command.Stdout, command.Stderr = stdout, stderr
		result, err := s.run(ctx, r, &ask, command)
		if err != nil {
			return 0, nil, err
		}
		result.Printed = newPrinted(stdout, stderr)
		return http.StatusOK, result, nil
	})
}

// wantsEvents reports whether a client accepts nothing but a stream of events, or names that first.
func wantsEvents(r *http.Request) bool { return prefers(r, "text/event-stream") }

// prefers reports whether a client names a media type first among those that it accepts.
func prefers(r *http.Request, kind string) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	media, _, err := mime.ParseMediaType(first)
	return err == nil && media == kind
}

// run carries a run out when its turn comes. Its error is why there was none.
func (s *Server) run(ctx context.Context, r *http.Request, ask *runRequest, command *runtime.Cmd) (*runResult, error) {
	key := keyOf(r)
	note(r, func(n *notes) { n.run = ask.ID })
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := s.running.add(key, ask.ID, cancel); err != nil {
		return nil, err
	}
	defer s.running.remove(key, ask.ID)
	done, err := s.begin(ctx, key)
	if errors.Is(err, errCancelled) {
		return s.ended(r, ask, command, err), nil
	} else if err != nil {
		return nil, err
	}
	defer done()
	box, release, err := s.opened(ctx, ask)
	if errors.Is(err, errCancelled) {
		return s.ended(r, ask, command, err), nil
	} else if err != nil {
		return nil, err
	}
	defer release()
	if ask.program.given() {
		late, cancel := context.WithTimeoutCause(ctx, readyTime+command.Limits.Timeout, notReady{})
		defer cancel()
		ctx = late
	}
	began := time.Now()
	ctx, span := s.tracer.start(ctx, "execute", trace.WithTimestamp(began))
	err = s.options.Runner.Run(ctx, box, key, command)
	result := s.ended(r, ask, command, err)
	s.tracer.ran(ctx, span, began, ask.ID, result.Result, command.Stats)
	var place *runtime.PlaceError
	switch {
	case r.Context().Err() != nil:
		return nil, errGone
	case errors.As(err, &place):
		return nil, newProblem(http.StatusUnprocessableEntity, "file_error", "%s", place)
	}
	return result, nil
}

// opened is the box of a run until it is released.
func (s *Server) opened(ctx context.Context, ask *runRequest) (*Opened, func(), error) {
	if ask.program.given() {
		return s.programs.use(ctx, ask.program)
	}
	return s.boxes.use(ctx, orElse(ask.Box, s.options.Box))
}

// ended makes a result of a run's end.
func (s *Server) ended(r *http.Request, ask *runRequest, command *runtime.Cmd, err error) *runResult {
	result := &runResult{ID: ask.ID, Result: runtime.ResultOf(err), Stats: command.Stats}
	note(r, func(n *notes) {
		if n.outcome = result.Outcome; result.Outcome == runtime.OutcomeError {
			n.err = err
		}
	})
	if result.Outcome == runtime.OutcomeError {
		result.Message, result.Hint = "boxer failed; the server's log says more", ""
	}
	result.Hint = s.hint(result.Result)
	s.figures.ran(result.Outcome, command.Stats)
	if c := command.Collect; c != nil {
		for _, f := range c.Files {
			result.Files = append(result.Files, boxFile{f.Path, newContent(f.Data)})
		}
		result.Omitted = c.Omitted
	}
	return result
}

// hint is a result's for whoever asks over HTTP: flags of the command line are of no use there.
func (s *Server) hint(result runtime.Result) string {
	switch {
	case result.Limit != "":
		return "requests may have limits of up to " + s.options.Limits.String()
	case strings.Contains(result.Hint, "boxer "):
		return ""
	}
	return result.Hint
}

func orElse(name, other string) string {
	if name == "" {
		return other
	}
	return name
}

// deleteRun ends a run.
func (s *Server) deleteRun(w http.ResponseWriter, r *http.Request) error {
	if !s.running.end(keyOf(r), r.PathValue("id")) {
		return newProblem(http.StatusNotFound, "no_such_run", "no run of that id is going on")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
