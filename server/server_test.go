package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/runtime/isolate"
)

// Tests named Python need the Python base, which takes minutes to build.

func TestMain(m *testing.M) {
	isolate.Main()
	status := m.Run()
	closePython()
	os.Exit(status)
}

// runnerFunc stands for programs whose moments of beginning and end a test has to know.
type runnerFunc func(ctx context.Context, c *runtime.Cmd) error

func (f runnerFunc) Run(ctx context.Context, _ *Opened, _ string, c *runtime.Cmd) error {
	return f(ctx, c)
}

// noBoxes have an empty box of any name but "missing".
var noBoxes = Boxes{
	Open: func(_ context.Context, name string) (*oci.Rootfs, error) {
		if name == "missing" {
			return nil, fmt.Errorf("%s: %w", name, oci.ErrNotFound)
		}
		return &oci.Rootfs{Digest: v1.Hash{Algorithm: "sha256", Hex: name}, Config: &v1.ConfigFile{}}, nil
	},
	List: func(context.Context) ([]BoxInfo, error) { return nil, nil },
}

// printing is a program that prints its last argument.
func printing(_ context.Context, c *runtime.Cmd) error {
	_, err := io.WriteString(c.Stdout, c.Args[len(c.Args)-1])
	return err
}

// start serves until the test ends, and then looks for goroutines that were left behind.
func start(t *testing.T, o Options) (url string, s *Server) {
	t.Helper()
	if o.Boxes.Open == nil {
		o.Boxes = noBoxes
	}
	s = New(o)
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		h.Close()
		s.Close()
		noneLeft(t)
	})
	return h.URL, s
}

// noneLeft waits until no goroutine is in this package but the test's own.
func noneLeft(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		var stacks bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&stacks, 2); err != nil {
			t.Fatal(err)
		}
		left := ""
		for _, stack := range strings.Split(stacks.String(), "\n\n") {
			if strings.Contains(stack, "boxer.dev/server.(*") && !strings.Contains(stack, "testing.tRunner") {
				left = stack
			}
		}
		if left == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("left behind:\n%s", left)
		}
	}
}

// call makes a request with a body, and gives the answer with its body read. Headers are "Name: value".
func call(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if request.Header.Set(name, value); name == "Host" {
			request.Host = value
		}
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	checkDescribed(t, method, answer, text)
	return answer, string(text)
}

// wantProblem checks an answer that is a problem.
func wantProblem(t *testing.T, answer *http.Response, body string, status int, code string) {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%d %s: %v", answer.StatusCode, body, err)
	}
	if answer.StatusCode != status || p.Status != status || p.Code != code {
		t.Errorf("got %d %s, want %d %s", answer.StatusCode, body, status, code)
	}
	if p.Request == "" || p.Request != answer.Header.Get("X-Request-Id") {
		t.Errorf("the problem has number %q, the answer %q", p.Request, answer.Header.Get("X-Request-Id"))
	}
}

func TestMalformedRequests(t *testing.T) {
	url, _ := start(t, Options{Runner: runnerFunc(printing), MaxBody: 1000})
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		code                     string
		headers                  []string
	}{
		{"no JSON", "POST", "/run", "{", 400, "bad_request", nil},
		{"nothing", "POST", "/run", "", 400, "bad_request", nil},
		{"no code", "POST", "/run", "{}", 422, "no_code", nil},
		{"code of another type", "POST", "/run", `{"code": 1}`, 400, "bad_request", nil},
		{"zero byte", "POST", "/run", `{"code": "\u0000"}`, 400, "bad_request", nil},
		{"two values", "POST", "/v1/runs", `{} {}`, 400, "bad_request", nil},
		{"unknown field", "POST", "/v1/runs", `{"cmd": "x"}`, 400, "bad_request", nil},
		{"no form", "POST", "/run", "code=1", 415, "unsupported_media_type", []string{"Content-Type: application/x-www-form-urlencoded"}},
		{"too large", "POST", "/run", `{"code": "` + strings.Repeat("x", 1000) + `"}`, 413, "too_large", nil},
		{"unknown limit", "POST", "/v1/runs", `{"limits": {"memroy": "1M"}}`, 400, "bad_request", nil},
		{"no limit", "POST", "/v1/runs", `{"limits": {"memory": -1}}`, 400, "bad_request", nil},
		{"limit beyond the server's", "POST", "/v1/runs", `{"limits": {"timeout": "1h"}}`, 422, "beyond_limits", nil},
		{"the same by another name", "POST", "/v1/runs", `{"limits": {"execution_timeout_ms": 3600000}}`, 422, "beyond_limits", nil},
		{"base64 that is none", "POST", "/v1/runs", `{"stdin": "?", "stdin_encoding": "base64"}`, 400, "bad_request", nil},
		{"pattern that is none", "POST", "/v1/runs", `{"outputs": ["[a"]}`, 400, "bad_request", nil},
		{"pattern that takes for ever", "POST", "/v1/runs", `{"outputs": ["**/a/**/b"]}`, 400, "bad_request", nil},
		{"variable that is none", "POST", "/v1/runs", `{"env": {"A=B": "c"}}`, 400, "bad_request", nil},
		{"id that is none", "POST", "/v1/runs", `{"id": "a b"}`, 400, "bad_request", nil},
		{"no such box", "POST", "/v1/runs", `{"box": "missing", "argv": ["x"]}`, 404, "no_such_box", nil},
		{"no such run", "DELETE", "/v1/runs/x", "", 404, "no_such_run", nil},
		{"no sessions", "POST", "/v1/sessions", "{}", 501, "no_sessions", nil},
		{"no such session", "GET", "/v1/sessions/x", "", 404, "no_such_session", nil},
		{"no pulling", "POST", "/v1/boxes/pull", `{"name": "registry.example/x"}`, 403, "may_not_pull", nil},
		{"no such path", "GET", "/v2", "", 404, "no_such_path", nil},
		{"no such method", "PATCH", "/v1/runs", "", 405, "method_not_allowed", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer, body := call(t, test.method, url+test.path, test.body, test.headers...)
			wantProblem(t, answer, body, test.status, test.code)
		})
	}
}

func TestTokens(t *testing.T) {
	url, _ := start(t, Options{Runner: runnerFunc(printing), Tokens: []Token{{"ann", "ann-secret-0123456"}, {"bob", "bob-secret-0123456"}}})
	for _, header := range []string{"X: y", "Authorization: Bearer wrong", "Authorization: Basic ann-secret-0123456", "Authorization: Bearer"} {
		answer, body := call(t, "POST", url+"/run", `{"code": "x"}`, header)
		wantProblem(t, answer, body, 401, "unauthorized")
	}
	if answer, body := call(t, "POST", url+"/run", `{"code": "x"}`, "Authorization: bearer bob-secret-0123456"); answer.StatusCode != 200 {
		t.Errorf("with a token: %d %s", answer.StatusCode, body)
	}
	if answer, _ := call(t, "GET", url+"/metrics", ""); answer.StatusCode != 401 {
		t.Errorf("metrics without a token: %d", answer.StatusCode)
	}
	if answer, body := call(t, "GET", url+"/health", ""); answer.StatusCode != 200 || body != "ok" {
		t.Errorf("health: %d %s", answer.StatusCode, body)
	}
}

func TestReadTokens(t *testing.T) {
	list, err := ReadTokens(strings.NewReader("# who\n\nann  0123456789abcdef\n"))
	if err != nil || len(list) != 1 || list[0] != (Token{"ann", "0123456789abcdef"}) {
		t.Errorf("got %v, %v", list, err)
	}
	for _, text := range []string{"", "ann", "ann short", "ann 0123456789abcdef x"} {
		if _, err := ReadTokens(strings.NewReader(text)); err == nil {
			t.Errorf("%q is taken for tokens", text)
		}
	}
}

// TestDNSRebinding: a page whose name leads here is of the server's own origin for a browser.
func TestDNSRebinding(t *testing.T) {
	url, _ := start(t, Options{Runner: runnerFunc(printing), Hosts: []string{"localhost", "127.0.0.1"}})
	answer, body := call(t, "POST", url+"/run", `{"code": "x"}`, "Host: evil.example:3000")
	wantProblem(t, answer, body, 421, "misdirected")
	if answer, body := call(t, "POST", url+"/run", `{"code": "x"}`, "Host: LOCALHOST:3000"); answer.StatusCode != 200 {
		t.Errorf("by its own name: %d %s", answer.StatusCode, body)
	}
}

func TestCrossOrigin(t *testing.T) {
	url, _ := start(t, Options{Runner: runnerFunc(printing), Origins: []string{"https://friend.example"}})
	answer, body := call(t, "POST", url+"/run", `{"code": "x"}`, "Origin: https://evil.example")
	wantProblem(t, answer, body, 403, "cross_origin")
	answer, _ = call(t, "POST", url+"/run", `{"code": "x"}`, "Origin: https://friend.example")
	if answer.StatusCode != 200 || answer.Header.Get("Access-Control-Allow-Origin") != "https://friend.example" {
		t.Errorf("friend: %d %v", answer.StatusCode, answer.Header)
	}
	answer, _ = call(t, "OPTIONS", url+"/run", "", "Origin: https://friend.example", "Access-Control-Request-Method: POST")
	if answer.StatusCode != 204 || !strings.Contains(answer.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %d %v", answer.StatusCode, answer.Header)
	}
	answer, _ = call(t, "OPTIONS", url+"/run", "", "Origin: https://evil.example", "Access-Control-Request-Method: POST")
	if answer.StatusCode == 204 || answer.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight of a stranger: %d %v", answer.StatusCode, answer.Header)
	}
}
