package mcp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"boxer.dev/runtime"
)

// What the API takes and gives, as far as it is of use here.
type (
	surroundings struct {
		Box   string `json:"box,omitempty"`
		Dir   string `json:"workdir,omitempty"`
		Files []file `json:"files,omitempty"`
	}
	runQuestion struct {
		surroundings
		Code    string         `json:"code"`
		Args    []string       `json:"argv,omitempty"`
		Stdin   string         `json:"stdin,omitempty"`
		Outputs []string       `json:"outputs,omitempty"`
		Limits  map[string]any `json:"limits,omitempty"`
	}
	executeQuestion struct {
		Code  string `json:"code"`
		Stdin string `json:"stdin,omitempty"`
	}
	printed struct {
		Stdout         string `json:"stdout"`
		StdoutEncoding string `json:"stdout_encoding"`
		Stderr         string `json:"stderr"`
		StderrEncoding string `json:"stderr_encoding"`
	}
	runAnswer struct {
		runtime.Result
		printed
		Files   []file `json:"files"`
		Omitted int    `json:"files_omitted"`
	}
	executeAnswer struct {
		runtime.Result
		printed
		Repr      string `json:"repr"`
		Exception *struct {
			Traceback string `json:"traceback"`
		} `json:"exception"`
		Truncated bool `json:"truncated"`
		Ended     bool `json:"ended"`
	}
	sessionAnswer struct {
		ID          string    `json:"id"`
		Box         string    `json:"box"`
		Used        time.Time `json:"last_used"`
		IdleTimeout int64     `json:"idle_timeout_ms"`
		Executions  int       `json:"executions"`
		Busy        bool      `json:"busy"`
	}
	entries struct {
		Entries []struct {
			Name string `json:"name"`
			Type string `json:"type"`
			Size int64  `json:"size"`
		} `json:"entries"`
	}
)

// bytes are a file's contents.
func (f file) bytes() ([]byte, error) {
	switch f.Encoding {
	case "", "utf-8":
		return []byte(f.Content), nil
	case "base64":
		b, err := base64.StdEncoding.DecodeString(f.Content)
		if err != nil {
			return nil, fmt.Errorf("the content of %q is no base64: %w", f.Path, err)
		}
		return b, nil
	}
	return nil, fmt.Errorf("encoding %q is neither utf-8 nor base64", f.Encoding)
}

// in is where code begins. A box that was named has a working directory of its own.
func (t *tools) in(box string, files []file) surroundings {
	s := surroundings{Box: box, Files: files}
	if box == "" {
		s.Dir = t.Dir
	}
	return s
}

func (t *tools) run(ctx context.Context, _ *sdk.CallToolRequest, in runArguments) (*sdk.CallToolResult, any, error) {
	ctx, done := withRequest(ctx)
	defer done()
	question := runQuestion{surroundings: t.in(in.Box, in.Files), Code: in.Code, Args: in.Args, Stdin: in.Stdin, Outputs: in.Outputs}
	if in.Timeout > 0 {
		question.Limits = map[string]any{"execution_timeout_ms": max(1, int64(in.Timeout*1000))}
	}
	ran, err := post[runAnswer](ctx, t.api, "/v1/runs", question)
	if err != nil {
		return nil, nil, err
	}
	var r report
	r.printed(ran.printed)
	r.end(ran.Result)
	for _, f := range ran.Files {
		if data, err := f.bytes(); err != nil {
			r.note("%v", err)
		} else {
			r.file(f.Path, data)
		}
	}
	if ran.Omitted > 0 {
		r.note("%d more files of outputs left out: they are too many or too large together", ran.Omitted)
	}
	return r.result(ran.Outcome != runtime.OutcomeOK), nil, nil
}

func (t *tools) open(ctx context.Context, _ *sdk.CallToolRequest, in openArguments) (*sdk.CallToolResult, any, error) {
	ctx, done := withRequest(ctx)
	defer done()
	opened, err := post[sessionAnswer](ctx, t.api, "/v1/sessions", t.in(in.Box, in.Files))
	if err != nil {
		return nil, nil, err
	}
	where, err := post[executeAnswer](ctx, t.api, sessionPath(opened.ID, "/execute"), executeQuestion{Code: "print(__import__('os').getcwd())"})
	if err != nil {
		return nil, nil, err
	}
	idle := time.Duration(opened.IdleTimeout) * time.Millisecond
	return text("session: %s\nworking directory: %s\nclosed when unused for %s", opened.ID, strings.TrimSpace(where.Stdout), idle), nil, nil
}

func (t *tools) sessions(ctx context.Context, _ *sdk.CallToolRequest, _ noArguments) (*sdk.CallToolResult, any, error) {
	list, err := get[struct{ Sessions []sessionAnswer }](ctx, t.api, "/v1/sessions")
	if err != nil {
		return nil, nil, err
	}
	if len(list.Sessions) == 0 {
		return text("there are no sessions; session_open opens one"), nil, nil
	}
	var lines strings.Builder
	for _, x := range list.Sessions {
		fmt.Fprintf(&lines, "%s  %s, %d executions, last used %s", x.ID, x.Box, x.Executions, x.Used.UTC().Format(time.DateTime))
		if x.Busy {
			lines.WriteString(", busy")
		}
		lines.WriteByte('\n')
	}
	return text("%s", lines.String()), nil, nil
}

// grace is the time that code has between an interrupt and its end.
const grace = 2 * time.Second

// execute ends what takes too long, or is not wanted any more, by an interrupt, so that a session is not lost by it.
func (t *tools) execute(ctx context.Context, _ *sdk.CallToolRequest, in executeArguments) (*sdk.CallToolResult, any, error) {
	ctx, done := withRequest(ctx)
	defer done()
	timeout := t.patience(in.Timeout)
	soft, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	hard, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	interrupted := context.AfterFunc(soft, func() { t.interrupt(hard, in.Session, cut) })
	ran, err := post[executeAnswer](hard, t.api, sessionPath(in.Session, "/execute"), executeQuestion{in.Code, in.Stdin})
	late := !interrupted()
	switch {
	case err != nil && hard.Err() != nil && ctx.Err() == nil:
		return nil, nil, fmt.Errorf("the code did not end within %s, nor after an interrupt; session_list tells whether the session is there still", timeout)
	case err != nil:
		return nil, nil, err
	}
	var r report
	r.printed(ran.printed)
	if ran.Repr != "" {
		r.labelled("value", ran.Repr)
	}
	if ran.Exception != nil {
		r.labelled("exception", ran.Exception.Traceback)
	} else {
		r.end(ran.Result)
	}
	switch {
	case ran.Ended:
		r.note("the session has ended, and what it had is gone; session_open opens another")
	case late && ran.Exception != nil:
		r.note("interrupted after %s; the session goes on", timeout)
	}
	if ran.Truncated {
		r.note("the value or the exception was longer than the server sends")
	}
	return r.result(ran.Outcome != runtime.OutcomeOK), nil, nil
}

// patience is the time after which code of a session is interrupted.
func (t *tools) patience(seconds float64) time.Duration {
	most := t.Timeout - grace
	if most <= 0 {
		most = max(t.Timeout/2, 0)
	}
	asked := time.Duration(seconds * float64(time.Second))
	switch {
	case most == 0 && asked <= 0:
		return 24 * time.Hour
	case asked <= 0, most > 0 && asked > most:
		return most
	}
	return asked
}

// interrupt interrupts what a session executes, and cuts it off if that is of no use, or if it is not executed yet.
func (t *tools) interrupt(ctx context.Context, session string, cut func()) {
	if _, err := t.api.do(ctx, http.MethodPost, sessionPath(session, "/interrupt"), "", nil); err != nil {
		cut()
		return
	}
	timer := time.AfterFunc(grace, cut)
	context.AfterFunc(ctx, func() { timer.Stop() })
}

func (t *tools) list(ctx context.Context, _ *sdk.CallToolRequest, in listArguments) (*sdk.CallToolResult, any, error) {
	at, err := filePath(in.Session, in.Path)
	if err != nil {
		return nil, nil, err
	}
	a, err := t.api.do(ctx, http.MethodGet, at, "", nil)
	if err != nil {
		return nil, nil, err
	}
	if a.header.Get("Content-Type") != "application/json" {
		return nil, nil, fmt.Errorf("%q is a file; session_read_file reads it", in.Path)
	}
	var list entries
	if err := json.Unmarshal(a.body.Bytes(), &list); err != nil {
		return nil, nil, fmt.Errorf("reading an answer of the API: %w", err)
	}
	if len(list.Entries) == 0 {
		return text("the directory is empty"), nil, nil
	}
	var lines strings.Builder
	for _, e := range list.Entries {
		switch e.Type {
		case "file":
			fmt.Fprintf(&lines, "%s  %d bytes\n", e.Name, e.Size)
		case "directory":
			fmt.Fprintf(&lines, "%s/\n", e.Name)
		default:
			fmt.Fprintf(&lines, "%s  %s\n", e.Name, e.Type)
		}
	}
	return text("%s", cut(lines.String())), nil, nil
}

func (t *tools) read(ctx context.Context, _ *sdk.CallToolRequest, in readArguments) (*sdk.CallToolResult, any, error) {
	at, err := filePath(in.Session, in.Path)
	if err != nil {
		return nil, nil, err
	}
	a, err := t.api.do(ctx, http.MethodGet, at, "", nil)
	if err != nil {
		return nil, nil, err
	}
	if a.header.Get("Content-Type") != "application/octet-stream" {
		return nil, nil, fmt.Errorf("%q is a directory; session_list_files lists it", in.Path)
	}
	content, err := part(in.Path, a.body.Bytes(), in.Offset)
	if err != nil {
		return nil, nil, err
	}
	return &sdk.CallToolResult{Content: content}, nil, nil
}

func (t *tools) write(ctx context.Context, _ *sdk.CallToolRequest, in writeArguments) (*sdk.CallToolResult, any, error) {
	at, err := filePath(in.Session, in.Path)
	if err != nil {
		return nil, nil, err
	}
	data, err := file{in.Path, in.Content, in.Encoding}.bytes()
	if err != nil {
		return nil, nil, err
	}
	if _, err := t.api.do(ctx, http.MethodPut, at, "application/octet-stream", data); err != nil {
		return nil, nil, err
	}
	return text("%d bytes written to %s", len(data), in.Path), nil, nil
}

func (t *tools) close(ctx context.Context, _ *sdk.CallToolRequest, in closeArguments) (*sdk.CallToolResult, any, error) {
	if _, err := t.api.do(ctx, http.MethodDelete, sessionPath(in.Session, ""), "", nil); err != nil {
		return nil, nil, err
	}
	return text("the session is closed"), nil, nil
}
