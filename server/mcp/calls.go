package mcp

import (
	"context"
	"encoding/base64"
	"fmt"

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

// maxSeconds is a time that is more than any limit, in seconds.
const maxSeconds = 1e6

func (t *tools) run(ctx context.Context, _ *sdk.CallToolRequest, in runArguments) (*sdk.CallToolResult, any, error) {
	ctx, done := withRequest(ctx)
	defer done()
	question := runQuestion{surroundings: t.in(in.Box, in.Files), Code: in.Code, Args: in.Args, Stdin: in.Stdin, Outputs: in.Outputs}
	if in.Timeout > 0 {
		question.Limits = map[string]any{"execution_timeout_ms": max(1, int64(min(in.Timeout, maxSeconds)*1000))}
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
