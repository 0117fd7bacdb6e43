package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path"
)

// client asks an API that is in this process.
type client struct{ api http.Handler }

// answer is what a handler writes.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// problem is why the API has not done what it was asked for (RFC 9457). A model reads it.
type problem struct {
	Detail string `json:"detail"`
	after  string // Retry-After, in seconds
}

func (p *problem) Error() string {
	if p.after != "" {
		return fmt.Sprintf("%s; try again in %s s", p.Detail, p.after)
	}
	return p.Detail
}

// do makes a request, with a body of some type unless that is "".
func (c client) do(ctx context.Context, method, path, kind string, body []byte) (*answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	a := &answer{header: http.Header{}}
	c.api.ServeHTTP(a, request)
	if a.status < http.StatusBadRequest {
		return a, nil
	}
	p := &problem{after: a.header.Get("Retry-After")}
	if err := json.Unmarshal(a.body.Bytes(), p); err != nil || p.Detail == "" {
		return nil, fmt.Errorf("the API answered %d", a.status)
	}
	return nil, p
}

// get reads JSON.
func get[T any](ctx context.Context, c client, path string) (value T, err error) {
	a, err := c.do(ctx, http.MethodGet, path, "", nil)
	return decoded[T](a, err)
}

// post sends JSON and reads JSON.
func post[T any](ctx context.Context, c client, path string, question any) (value T, err error) {
	body, err := json.Marshal(question)
	if err != nil {
		return value, err
	}
	a, err := c.do(ctx, http.MethodPost, path, "application/json", body)
	return decoded[T](a, err)
}

func decoded[T any](a *answer, err error) (value T, _ error) {
	if err != nil {
		return value, err
	}
	if err := json.Unmarshal(a.body.Bytes(), &value); err != nil {
		return value, fmt.Errorf("reading an answer of the API: %w", err)
	}
	return value, nil
}

// sessionPath is the path of something of a session.
func sessionPath(id, rest string) string { return "/v1/sessions/" + url.PathEscape(id) + rest }

// filePath is the path of a file or directory of a session.
func filePath(id, name string) (string, error) {
	if !path.IsAbs(name) {
		return "", fmt.Errorf("%q has to be an absolute path, beginning with /; session_open tells the working directory", name)
	}
	file := url.URL{Path: "/files" + path.Clean(name)}
	return sessionPath(id, file.EscapedPath()), nil
}
