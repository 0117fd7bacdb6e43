package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/bases"
	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/runtime/isolate"
)

// python is what the tests of this file share.
type python struct {
	dir    string
	store  *oci.Store
	engine *runtime.Engine
	pool   *isolate.Pool
}

var openedPython = sync.OnceValues(func() (*python, error) {
	dir, err := os.MkdirTemp("", "boxer-server")
	if err != nil {
		return nil, err
	}
	p := &python{dir: dir}
	if p.store, err = oci.Open(filepath.Join(dir, "images")); err != nil {
		return nil, err
	}
	// The user's cache of machine code, so that Python is not compiled for the tests.
	code := filepath.Join(dir, "code")
	if user, err := os.UserCacheDir(); err == nil {
		user = filepath.Join(user, "boxer", "code")
		if os.MkdirAll(user, 0o700) == nil {
			code = user
		}
	}
	p.engine, err = runtime.New(context.Background(), runtime.Options{CacheDir: code, Keep: 2})
	p.pool = &isolate.Pool{CacheDir: code, Workers: 2, Warn: func(error) {}}
	return p, err
})

var pythonIsOpen bool

func closePython() {
	if !pythonIsOpen {
		return
	}
	if p, err := openedPython(); err == nil {
		p.pool.Close()
		p.engine.Close()
		os.RemoveAll(p.dir)
	}
}

func openPython(t testing.TB) *python {
	t.Helper()
	pythonIsOpen = true
	p, err := openedPython()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bases.Layout(bases.Python); err != nil {
		t.Fatalf("%v\nhint: %s", err, bases.NotBuiltHint)
	}
	return p
}

// options serve the Python base.
func (p *python) options() Options {
	return Options{Runner: Isolated{p.pool}, Running: 2, Boxes: Boxes{
		Open: func(_ context.Context, name string) (*oci.Rootfs, error) {
			if name != DefaultBox {
				return nil, fmt.Errorf("%s: %w", name, oci.ErrNotFound)
			}
			return bases.Open(bases.Python, p.store)
		},
		List: noBoxes.List,
	}}
}

// post posts JSON and reads JSON.
func post[T any](t *testing.T, url, body string, status int) (value T) {
	t.Helper()
	answer, text := call(t, "POST", url, body)
	if answer.StatusCode != status {
		t.Fatalf("%s: %d %s", body, answer.StatusCode, text)
	}
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

func TestPythonRunner(t *testing.T) {
	url, _ := start(t, openPython(t).options())
	for _, test := range []struct{ code, status, output string }{
		{"print('hello world')", "Ok", "hello world\n"},
		{"import sys\nprint(1)\nprint(2, file=sys.stderr)\nprint(3)", "Ok", "1\n2\n3\n"},
		{"print('é'); raise SystemExit(3)", "Error", "é\n"},
		{"print(1)\n1/0", "Error", "1\nTraceback (most recent call last):\n  File \"<string>\", line 2, in <module>\n    1/0\n    ~^~\nZeroDivisionError: division by zero\n"},
		{"import os; os.write(1, b'\\xff')", "Ok", "\uFFFD"},
	} {
		body, err := json.Marshal(map[string]string{"code": test.code})
		if err != nil {
			t.Fatal(err)
		}
		got := post[runnerAnswer](t, url+"/run", string(body), 200).Result
		if diff := cmp.Diff(runnerResult{test.status, test.output}, got); diff != "" {
			t.Errorf("%s:\n%s", test.code, diff)
		}
	}
	got := post[runnerAnswer](t, url+"/run", `{"code": "import socket\nsocket.create_connection(('127.0.0.1', 80))"}`, 200).Result
	if got.Status != "Error" || !strings.Contains(got.Output, "Traceback") {
		t.Errorf("a connection: %+v", got)
	}
}

const everything = `{"box": "python:3.13", "argv": ["x"], "stdin": "aW5wdXQ=", "stdin_encoding": "base64", "env": {"A": "b"}, "workdir": "/work",
	"files": [{"path": "in.txt", "content": "text"}, {"path": "/out/in.bin", "content": "/wE=", "encoding": "base64"}],
	"outputs": ["/out/*", "*.txt"], "limits": {"timeout": "20s", "memory_limit_bytes": 100000000}, "seed": 1,
	"code": "import os, sys\nprint(open('in.txt').read(), sys.argv[1], os.environ['A'], sys.stdin.read(), os.getcwd())\nsys.stderr.write('err')\nopen('/out/e.txt', 'w').write('é')"}`

// TestPythonRun runs in workers and in this process: what a client sees is the same.
func TestPythonRun(t *testing.T) {
	for name, runner := range map[string]Runner{"isolated": Isolated{openPython(t).pool}, "here": Here{openPython(t).engine}} {
		t.Run(name, func(t *testing.T) {
			o := openPython(t).options()
			o.Runner = runner
			url, _ := start(t, o)
			got := post[runResult](t, url+"/v1/runs", everything, 200)
			want := runResult{
				ID: got.ID, Result: runtime.Result{Outcome: runtime.OutcomeOK}, Printed: &Printed{Stdout: "text x b input /work\n", Stderr: "err"},
				Files: []boxFile{{"/out/e.txt", content{Content: "é"}}, {"/out/in.bin", content{"/wE=", "base64"}}, {"/work/in.txt", content{Content: "text"}}},
				Stats: got.Stats,
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(runResult{}, Printed{}, boxFile{}, content{})); diff != "" {
				t.Error(diff)
			}
			_, text := call(t, "POST", url+"/v1/runs", `{"code": "print(1)"}`)
			if strings.Contains(text, `"duration_ms":0,`) || !strings.Contains(text, `"output_bytes":2`) {
				t.Errorf("there are no figures: %s", text)
			}
			for body, outcome := range map[string]runtime.Outcome{
				`{"code": "while True: pass", "limits": {"timeout": "200ms"}}`:           runtime.OutcomeTimeout,
				`{"code": "bytearray(1 << 29)"}`:                                         runtime.OutcomeOutOfMemory,
				`{"code": "while True: print('x' * 1000)", "limits": {"output": "10K"}}`: runtime.OutcomeOutputLimit,
				`{"argv": ["nothing"]}`:                                                  runtime.OutcomeNotFound,
			} {
				if got := post[runResult](t, url+"/v1/runs", body, 200); got.Outcome != outcome || got.Status == 0 {
					t.Errorf("%s: %+v", body, got.Result)
				}
			}
		})
	}
}

// TestPythonDeterministic: equal runs are equal to the byte.
func TestPythonDeterministic(t *testing.T) {
	url, _ := start(t, openPython(t).options())
	const body = `{"code": "import random, time, os\nprint(random.random(), time.time(), os.urandom(8).hex())", "deterministic": true, "seed": 7}`
	first, second := post[runResult](t, url+"/v1/runs", body, 200), post[runResult](t, url+"/v1/runs", body, 200)
	if first.Stdout != second.Stdout || first.Stdout == "" {
		t.Errorf("%q and %q", first.Stdout, second.Stdout)
	}
}

// event is a server-sent event.
type event struct{ Name, Data string }

func TestPythonStream(t *testing.T) {
	url, _ := start(t, openPython(t).options())
	request, err := http.NewRequest("POST", url+"/v1/runs", strings.NewReader(`{"code": "import sys\nprint('é')\nsys.stdin.read()\nsys.stderr.write('2')\nsys.exit(3)"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var events []event
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			events = append(events, event{Name: name})
		} else if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			events[len(events)-1].Data = data
		}
	}
	printed := map[string]string{}
	for _, e := range events {
		var c content
		if err := json.Unmarshal([]byte(e.Data), &c); err != nil {
			t.Fatal(err)
		}
		printed[e.Name] += c.Content
	}
	if diff := cmp.Diff(map[string]string{"stdout": "é\n", "stderr": "2", "result": ""}, printed); diff != "" {
		t.Error(diff)
	}
	if last := events[len(events)-1]; last.Name != "result" || !strings.Contains(last.Data, `"outcome":"exit","exit_status":3`) {
		t.Errorf("the last event is %v", last)
	}
}

func TestPythonSession(t *testing.T) {
	url, _ := start(t, openPython(t).options())
	one := post[sessionInfo](t, url+"/v1/sessions", `{"files": [{"path": "/data/x", "content": "42"}], "env": {"A": "b"}}`, 201)
	at := url + "/v1/sessions/" + one.ID
	execute := func(at, code string) executeResult {
		body, err := json.Marshal(map[string]string{"code": code})
		if err != nil {
			t.Fatal(err)
		}
		return post[executeResult](t, at+"/execute", string(body), 200)
	}
	if got := execute(at, "x = int(open('/data/x').read())\nprint('out')\n[x, 'b']"); got.Repr != "[42, 'b']" || string(got.JSON) != `[42,"b"]` && string(got.JSON) != `[42, "b"]` || got.Stdout != "out\n" || got.Outcome != "ok" {
		t.Errorf("a value: %+v", got)
	}
	if got := execute(at, "print(x)\n1/0"); got.Exception == nil || got.Exception.Type != "ZeroDivisionError" || got.Ended || got.Stdout != "42\n" || got.Outcome != "exit" {
		t.Errorf("an exception: %+v", got)
	}
	answer, body := call(t, "POST", url+"/v1/sessions", `{"files": [{"path": "/etc/passwd/x", "content": ""}]}`)
	wantProblem(t, answer, body, 422, "file_error")
	fork := post[sessionInfo](t, at+"/fork", "", 201)
	if got := execute(url+"/v1/sessions/"+fork.ID, "x += 1\nx"); got.Repr != "43" {
		t.Errorf("in the fork: %+v", got)
	}
	if got := execute(at, "x"); got.Repr != "42" {
		t.Errorf("after the fork: %+v", got)
	}
	sessionFiles(t, at, execute)
	if list := get[sessionList](t, url+"/v1/sessions"); len(list.Sessions) != 2 || list.Sessions[0].ID != one.ID || list.Sessions[0].Executions != 4 {
		t.Errorf("the list: %+v", list)
	}
	if got := execute(at, "raise SystemExit(3)"); !got.Ended || got.Status != 3 {
		t.Errorf("an exit: %+v", got)
	}
	answer, body = call(t, "POST", at+"/execute", `{"code": "1"}`)
	wantProblem(t, answer, body, 404, "no_such_session")
	if answer, body := call(t, "DELETE", url+"/v1/sessions/"+fork.ID, ""); answer.StatusCode != 204 {
		t.Error(body)
	}
	if list := get[sessionList](t, url+"/v1/sessions"); len(list.Sessions) != 0 {
		t.Errorf("the list: %+v", list)
	}
}

func get[T any](t *testing.T, url string) (value T) {
	t.Helper()
	answer, text := call(t, "GET", url, "")
	if err := json.Unmarshal([]byte(text), &value); err != nil || answer.StatusCode != 200 {
		t.Fatalf("%s: %d %s", url, answer.StatusCode, text)
	}
	return value
}

func sessionFiles(t *testing.T, at string, execute func(at, code string) executeResult) {
	t.Helper()
	if answer, body := call(t, "PUT", at+"/files/a%20b", "text", "Content-Type: application/octet-stream"); answer.StatusCode != 204 {
		t.Error(body)
	}
	if got := execute(at, "print(open('/a b').read(), end='')\nopen('/tmp/large', 'w').truncate(1 << 26)\nNone"); got.Stdout != "text" {
		t.Errorf("the file: %+v", got)
	}
	if answer, body := call(t, "GET", at+"/files/a%20b", ""); body != "text" || answer.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("the file: %s", body)
	}
	if list := get[fileList](t, at+"/files/data"); len(list.Entries) != 1 || list.Entries[0] != (fileEntry{"x", "file", 2}) {
		t.Errorf("the directory: %+v", list)
	}
	for name, code := range map[string]string{"nothing": "no_such_file", "dev/zero": "file_error", "dev/stdin": "file_error"} {
		answer, body := call(t, "GET", at+"/files/"+name, "")
		var p problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || p.Code != code {
			t.Errorf("%s: %d %s", name, answer.StatusCode, body)
		}
	}
	if answer, body := call(t, "DELETE", at+"/files/data", ""); answer.StatusCode != 204 {
		t.Error(body)
	}
}

func TestPythonSessionQuota(t *testing.T) {
	o := openPython(t).options()
	o.Sessions = SessionOptions{Most: 2, PerKey: 1}
	o.Tokens = []Token{{"ann", "ann-secret-0123456"}, {"bob", "bob-secret-0123456"}, {"cat", "cat-secret-0123456"}}
	url, _ := start(t, o)
	as := func(name string) string { return "Authorization: Bearer " + name + "-secret-0123456" }
	answer, body := call(t, "POST", url+"/v1/sessions", "", as("ann"))
	if answer.StatusCode != 201 {
		t.Fatal(body)
	}
	answer, body = call(t, "POST", url+"/v1/sessions", "", as("ann"))
	wantProblem(t, answer, body, 429, "too_many_sessions")
	own, _ := call(t, "POST", url+"/v1/sessions", "", as("bob"))
	answer, body = call(t, "POST", url+"/v1/sessions", "", as("cat"))
	wantProblem(t, answer, body, 503, "too_many_sessions")
	// What one key has, another does not see.
	answer, body = call(t, "GET", url+own.Header.Get("Location"), "", as("ann"))
	wantProblem(t, answer, body, 404, "no_such_session")
}

func TestPythonSessionsExpire(t *testing.T) {
	url, s := start(t, openPython(t).options())
	one := post[sessionInfo](t, url+"/v1/sessions", `{"idle_timeout": "50ms"}`, 201)
	until(t, func() bool { return s.sessions.count() == 0 })
	answer, body := call(t, "GET", url+"/v1/sessions/"+one.ID, "")
	wantProblem(t, answer, body, 404, "no_such_session")
}

func TestPythonInterrupt(t *testing.T) {
	url, s := start(t, openPython(t).options())
	one := post[sessionInfo](t, url+"/v1/sessions", `{}`, 201)
	at := url + "/v1/sessions/" + one.ID
	come := background(t, "POST", at+"/execute", `{"code": "x = 1\nwhile True: pass"}`)
	until(t, func() bool { return s.work.Running() == 1 })
	until(t, func() bool {
		answer, _ := call(t, "POST", at+"/interrupt", "")
		return answer.StatusCode == 204
	})
	if text := <-come; !strings.Contains(text, `"KeyboardInterrupt"`) || !strings.Contains(text, `"ended":false`) {
		t.Error(text)
	}
	if got := post[executeResult](t, at+"/execute", `{"code": "x"}`, 200); got.Repr != "1" {
		t.Errorf("after the interrupt: %+v", got)
	}
}

// TestPythonDeleteEndsExecution: a session that is closed does not go on.
func TestPythonDeleteEndsExecution(t *testing.T) {
	url, s := start(t, openPython(t).options())
	at := url + "/v1/sessions/" + post[sessionInfo](t, url+"/v1/sessions", `{}`, 201).ID
	come := background(t, "POST", at+"/execute", `{"code": "while True: pass"}`)
	until(t, func() bool { return s.work.Running() == 1 })
	if answer, body := call(t, "DELETE", at, ""); answer.StatusCode != 204 {
		t.Error(body)
	}
	if text := <-come; !strings.Contains(text, `"outcome":"killed"`) || !strings.Contains(text, `"ended":true`) {
		t.Error(text)
	}
}

// TestPythonImpossibleFiles: a path that cannot be is the client's mistake, wherever the run is.
func TestPythonImpossibleFiles(t *testing.T) {
	for name, runner := range map[string]Runner{"isolated": Isolated{openPython(t).pool}, "here": Here{openPython(t).engine}} {
		t.Run(name, func(t *testing.T) {
			o := openPython(t).options()
			o.Runner = runner
			url, _ := start(t, o)
			for _, surroundings := range []string{
				`"files": [{"path": "/a", "content": ""}, {"path": "/a/b", "content": ""}]`,
				`"files": [{"path": "/dev/null/x", "content": ""}]`,
				`"files": [{"path": "/tmp", "content": ""}]`,
				`"files": [{"path": "` + strings.Repeat("x", 300) + `", "content": ""}]`,
				`"workdir": "/etc/passwd"`,
			} {
				for path, body := range map[string]string{"/v1/runs": `{"code": "1", `, "/v1/sessions": `{`} {
					answer, text := call(t, "POST", url+path, body+surroundings+"}")
					wantProblem(t, answer, text, 422, "file_error")
					if strings.Contains(text, "bringing") || strings.Contains(text, "working directory") {
						t.Errorf("the problem is %s", text)
					}
				}
			}
		})
	}
}

// TestPythonSessionMemory: sessions hold no more than they may, and who is refused is told what to do.
func TestPythonSessionMemory(t *testing.T) {
	o := openPython(t).options()
	o.Sessions = SessionOptions{Memory: 48 << 20}
	o.Tokens = []Token{{"ann", "ann-secret-0123456"}, {"bob", "bob-secret-0123456"}}
	url, s := start(t, o)
	as := func(name string) string { return "Authorization: Bearer " + name + "-secret-0123456" }
	open := func(name string) string {
		answer, body := call(t, "POST", url+"/v1/sessions", "", as(name))
		if answer.StatusCode != 201 {
			t.Fatalf("%s: %d %s", name, answer.StatusCode, body)
		}
		return url + answer.Header.Get("Location")
	}
	refused := func(name, method, path, body string, status int) {
		t.Helper()
		answer, text := call(t, method, path, body, as(name))
		wantProblem(t, answer, text, status, "session_memory")
		if answer.Header.Get("Retry-After") == "" {
			t.Error("there is no Retry-After")
		}
	}
	large, small := open("ann"), open("bob")
	answer, body := call(t, "POST", large+"/execute", `{"code": "x = b'x' * (40 << 20)"}`, as("ann"))
	if answer.StatusCode != 200 || !strings.Contains(body, `"outcome":"ok"`) {
		t.Fatal(body)
	}
	until(t, func() bool { return s.sessions.memory() > 40<<20 })
	refused("ann", "POST", url+"/v1/sessions", "", 429)
	refused("ann", "POST", large+"/fork", "", 429)
	refused("ann", "POST", large+"/execute", `{"code": "1"}`, 429)
	refused("ann", "PUT", large+"/files/a", "text", 429)
	if answer, body := call(t, "POST", small+"/execute", `{"code": "y = b'y' * (20 << 20)"}`, as("bob")); answer.StatusCode != 200 {
		t.Fatal(body)
	}
	until(t, func() bool { return s.sessions.memory() > 60<<20 })
	refused("bob", "POST", url+"/v1/sessions", "", 503)
	if answer, body := call(t, "GET", large, "", as("ann")); answer.StatusCode != 200 || !strings.Contains(body, `"memory_bytes":4`) {
		t.Error(body)
	}
	for path, name := range map[string]string{large: "ann", small: "bob"} {
		if answer, body := call(t, "DELETE", path, "", as(name)); answer.StatusCode != 204 {
			t.Error(body)
		}
	}
	if left := s.sessions.memory(); left != 0 || len(s.sessions.weights) > 0 {
		t.Errorf("closed sessions hold %d bytes: %v", left, s.sessions.weights)
	}
	open("ann")
}
