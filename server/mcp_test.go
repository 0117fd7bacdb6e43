package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"boxer.dev/runtime"
)

// callMessage is a call of run_python as it is sent. The version is one in which the end of a connection is not the end of a call.
const callMessage = `{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "run_python", "arguments": {"code": "text"}}}`

var messageHeaders = []string{"Accept: application/json, text/event-stream", "Mcp-Protocol-Version: 2025-06-18"}

// bearer shows a token with each request.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// connected is a client of the tools.
func connected(t *testing.T, url, token string) *mcp.ClientSession {
	t.Helper()
	transport := &mcp.StreamableClientTransport{Endpoint: url + "/mcp"}
	if token != "" {
		transport.HTTPClient = &http.Client{Transport: bearer(token)}
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

// useTool gives a tool's text.
func useTool(t *testing.T, session *mcp.ClientSession, name string, arguments map[string]any) (text string, failed bool) {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range result.Content {
		text += c.(*mcp.TextContent).Text
	}
	return text, result.IsError
}

// TestToolsOfKeys: tools are used by who has a token, with the quota of that token.
func TestToolsOfKeys(t *testing.T) {
	tenants := make(chan string, 10)
	o := Options{Tokens: []Token{{"ann", "ann-secret-0123456"}, {"bob", "bob-secret-0123456"}}, Rate: 0.001, Burst: 1}
	o.Runner = tenantRunner{func(tenant string) { tenants <- tenant }}
	url, _ := start(t, o)
	answer, body := call(t, "POST", url+"/mcp", callMessage, messageHeaders...)
	wantProblem(t, answer, body, 401, "unauthorized")
	for _, name := range []string{"ann", "bob"} {
		client := connected(t, url, name+"-secret-0123456")
		if text, failed := useTool(t, client, "run_python", map[string]any{"code": ""}); failed || <-tenants != name {
			t.Errorf("%s: %s", name, text)
		}
		if text, failed := useTool(t, client, "run_python", map[string]any{"code": ""}); !failed || !strings.Contains(text, "; try again in ") {
			t.Errorf("%s beyond the rate: %s", name, text)
		}
	}
}

// tenantRunner says for whom it runs.
type tenantRunner struct{ tell func(string) }

func (r tenantRunner) Run(_ context.Context, _ *Opened, tenant string, _ *runtime.Cmd) error {
	r.tell(tenant)
	return nil
}

// TestToolsWithoutSessions: a runner that has none has no tools for them.
func TestToolsWithoutSessions(t *testing.T) {
	url, _ := start(t, Options{Runner: runnerFunc(printing)})
	list, err := connected(t, url, "").ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Tools) != 1 || list.Tools[0].Name != "run_python" {
		t.Errorf("got %d tools", len(list.Tools))
	}
}

// message is one of the protocol.
func message(ctx context.Context, t testing.TB, url, body string, headers ...string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, "POST", url+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	return request
}

// TestToolsOutlivedByRun: a client that has gone leaves nothing running, whatever its version of the protocol says of that.
func TestToolsOutlivedByRun(t *testing.T) {
	program := newGated()
	url, s := start(t, Options{Runner: program})
	ctx, leave := context.WithCancel(t.Context())
	request := message(ctx, t, url, callMessage, messageHeaders...)
	come := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(request)
		come <- err
	}()
	<-program.begun
	leave()
	if err := <-come; err == nil {
		t.Error("there is an answer")
	}
	until(t, func() bool { return s.work.Running() == 0 })
}

// TestToolsDNSRebinding: neither a page of another site nor one whose name leads here uses the tools.
func TestToolsDNSRebinding(t *testing.T) {
	const evil, own = "Origin: http://evil.example", "Origin: http://HOST"
	for _, test := range []struct {
		name    string
		options Options
		headers []string
		status  int
		code    string
	}{
		{"no page", Options{}, nil, 200, ""},
		{"another site", Options{}, []string{evil}, 403, "cross_origin"},
		{"another site, by name", Options{}, []string{evil, "Host: evil.example"}, 403, "cross_origin"},
		{"own page of a server without a name", Options{}, []string{own}, 403, "cross_origin"},
		{"own page", Options{Hosts: []string{"127.0.0.1"}}, []string{own}, 200, ""},
		{"rebound", Options{Hosts: []string{"127.0.0.1"}}, []string{evil, "Host: evil.example"}, 421, "misdirected"},
		{"friend", Options{Origins: []string{"http://friend.example"}}, []string{"Origin: http://friend.example"}, 200, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.options.Runner = runnerFunc(printing)
			url, _ := start(t, test.options)
			headers := append([]string{}, messageHeaders...)
			for _, h := range test.headers {
				headers = append(headers, strings.ReplaceAll(h, "HOST", strings.TrimPrefix(url, "http://")))
			}
			answer, body := call(t, "POST", url+"/mcp", callMessage, headers...)
			if test.code != "" {
				wantProblem(t, answer, body, test.status, test.code)
			} else if answer.StatusCode != test.status || !strings.Contains(body, `"text":"text"`) {
				t.Errorf("%d %s", answer.StatusCode, body)
			}
		})
	}
}

// TestToolsMalformed: what is no message harms nobody.
func TestToolsMalformed(t *testing.T) {
	url, _ := start(t, Options{Runner: runnerFunc(printing), MaxBody: 1000})
	for _, test := range []struct {
		method, body string
		status       int
	}{
		{"POST", "{", 400},
		{"POST", "", 415}, // no type either
		{"POST", "[]", 400},
		{"POST", `{"jsonrpc": "2.0", "id": 1, "method": "nothing"}`, 400},
		{"POST", strings.Repeat("x", 1001), 413},
		{"GET", "", 405},
		{"DELETE", "", 405},
	} {
		if answer, body := call(t, test.method, url+"/mcp", test.body, messageHeaders...); answer.StatusCode != test.status {
			t.Errorf("%s %.20s: %d %s", test.method, test.body, answer.StatusCode, body)
		}
	}
	if answer, body := call(t, "POST", url+"/mcp", "["+callMessage+"]", messageHeaders...); answer.StatusCode != 400 {
		t.Errorf("a batch: %d %s", answer.StatusCode, body)
	}
}

// TestToolsBatchIsBounded: messages of one request, as old versions have them, get no more than those of several.
func TestToolsBatchIsBounded(t *testing.T) {
	program := newGated()
	url, s := start(t, Options{Runner: program, Running: 1, Waiting: 1})
	finish := sync.OnceFunc(func() { close(program.may) })
	t.Cleanup(finish)
	var batch []string
	for i := range 5 {
		batch = append(batch, strings.Replace(callMessage, `"id": 1`, fmt.Sprintf(`"id": %d`, i), 1))
	}
	come := background(t, "POST", url+"/mcp", "["+strings.Join(batch, ",")+"]", messageHeaders[0])
	<-program.begun
	until(t, func() bool {
		return s.work.Waiting() == 1 && strings.Contains(metricsOf(t, url), `boxer_problems_total{code="too_many_requests"} 3`)
	})
	finish()
	if text := <-come; strings.Count(text, `"isError":true`) != 3 {
		t.Error(text)
	}
}

// TestToolsAreNotWaitedFor: a client that listens for news does not keep the server from ending.
func TestToolsAreNotWaitedFor(t *testing.T) {
	url, _ := start(t, Options{Runner: runnerFunc(printing)})
	request := message(t.Context(), t, url, `{"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": {"notifications": {"toolsListChanged": true},
		"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}}`,
		messageHeaders[0], "Mcp-Protocol-Version: 2026-07-28", "Mcp-Method: subscriptions/listen")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(body), `"resultType":"complete"`) {
		t.Errorf("%s, %v", body, err)
	}
}

func metricsOf(t *testing.T, url string) string {
	t.Helper()
	_, text := call(t, "GET", url+"/metrics", "")
	return text
}
