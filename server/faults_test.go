package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"boxer.dev/runtime"
)

// gated is a program that says when it has begun, and ends when it may, or when it is told to.
type gated struct{ begun, may chan struct{} }

func newGated() *gated { return &gated{make(chan struct{}, 100), make(chan struct{})} }

func (g *gated) Run(ctx context.Context, _ *Opened, _ string, _ *runtime.Cmd) error {
	g.begun <- struct{}{}
	select {
	case <-g.may:
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), context.Cause(ctx))
	}
}

// background makes a request whose answer comes later.
func background(t *testing.T, method, url, body string, headers ...string) <-chan string {
	come := make(chan string, 1)
	go func() {
		answer, text := call(t, method, url, body, headers...)
		come <- fmt.Sprint(answer.StatusCode, " ", text)
	}()
	return come
}

func TestOverload(t *testing.T) {
	program := newGated()
	url, s := start(t, Options{
		Runner: program, Running: 1, Waiting: 2, PerKey: 2, Tokens: []Token{{"ann", "ann-secret-0123456"}, {"bob", "bob-secret-0123456"}},
	})
	const ann, bob = "Authorization: Bearer ann-secret-0123456", "Authorization: Bearer bob-secret-0123456"
	first := background(t, "POST", url+"/run", `{"code": ""}`, ann)
	<-program.begun
	second := background(t, "POST", url+"/run", `{"code": ""}`, ann)
	until(t, func() bool { return s.work.Waiting() == 1 })
	answer, body := call(t, "POST", url+"/run", `{"code": ""}`, ann)
	wantProblem(t, answer, body, 429, "too_many_requests")
	third := background(t, "POST", url+"/run", `{"code": ""}`, bob)
	until(t, func() bool { return s.work.Waiting() == 2 })
	answer, body = call(t, "POST", url+"/run", `{"code": ""}`, bob)
	wantProblem(t, answer, body, 503, "overloaded")
	if answer.Header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	close(program.may)
	for _, come := range []<-chan string{first, second, third} {
		if text := <-come; !strings.HasPrefix(text, "200") {
			t.Error(text)
		}
	}
}

// until waits for what another goroutine does.
func until(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatal("it does not come to that")
		}
	}
}

func TestImpatience(t *testing.T) {
	program := newGated()
	url, _ := start(t, Options{Runner: program, Running: 1, Patience: time.Millisecond})
	first := background(t, "POST", url+"/run", `{"code": ""}`)
	<-program.begun
	answer, body := call(t, "POST", url+"/run", `{"code": ""}`)
	wantProblem(t, answer, body, 503, "overloaded")
	close(program.may)
	<-first
}

func TestRate(t *testing.T) {
	url, _ := start(t, Options{Runner: runnerFunc(printing), Rate: 0.001, Burst: 2})
	for range 2 {
		if answer, body := call(t, "POST", url+"/run", `{"code": ""}`); answer.StatusCode != 200 {
			t.Fatal(body)
		}
	}
	answer, body := call(t, "POST", url+"/run", `{"code": ""}`)
	wantProblem(t, answer, body, 429, "too_many_requests")
	if answer.Header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
}

func TestCancel(t *testing.T) {
	program := newGated()
	url, _ := start(t, Options{Runner: program})
	come := background(t, "POST", url+"/v1/runs", `{"id": "mine", "argv": ["x"]}`)
	<-program.begun
	answer, body := call(t, "POST", url+"/v1/runs", `{"id": "mine", "argv": ["x"]}`)
	wantProblem(t, answer, body, 409, "id_in_use")
	if answer, body := call(t, "DELETE", url+"/v1/runs/mine", ""); answer.StatusCode != 204 {
		t.Fatal(body)
	}
	if text := <-come; !strings.HasPrefix(text, `200 {"id":"mine","outcome":"killed","exit_status":130`) {
		t.Error(text)
	}
}

// TestDroppedConnection: who leaves takes the run along, in the middle of a stream, too.
func TestDroppedConnection(t *testing.T) {
	for _, body := range []string{`{"argv": ["x"]}`, `{"argv": ["x"], "stream": true}`} {
		ended := make(chan error, 1)
		printed := make(chan struct{})
		url, _ := start(t, Options{Runner: runnerFunc(func(ctx context.Context, c *runtime.Cmd) error {
			_, _ = io.WriteString(c.Stdout, "hello")
			close(printed)
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return context.Cause(ctx)
		})})
		ctx, leave := context.WithCancel(context.Background())
		request, err := http.NewRequestWithContext(ctx, "POST", url+"/v1/runs", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if answer, err := http.DefaultClient.Do(request); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		}()
		<-printed
		leave()
		if err := <-ended; err == nil {
			t.Error("the run went on")
		}
	}
}

// TestSlowRequest: whoever sends a request slowly has no run's place meanwhile, and is cut off.
func TestSlowRequest(t *testing.T) {
	url, _ := start(t, Options{Runner: runnerFunc(printing), Running: 1, Waiting: 1, Timeouts: Timeouts{Body: 100 * time.Millisecond}})
	address := strings.TrimPrefix(url, "http://")
	var slow []net.Conn
	for range 4 {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		fmt.Fprintf(connection, "POST /run HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
		slow = append(slow, connection)
	}
	if answer, body := call(t, "POST", url+"/run", `{"code": "x"}`); answer.StatusCode != 200 {
		t.Error(body)
	}
	for _, connection := range slow {
		answer, err := io.ReadAll(connection)
		if err != nil || !strings.Contains(string(answer), " 408 ") {
			t.Errorf("got %q, %v", answer, err)
		}
	}
}

// TestBadRequests: nonsense, too much of it, and what ends in the middle get an answer or none, and nobody else notices.
func TestBadRequests(t *testing.T) {
	program := newGated()
	url, end := serveUntil(t, Options{
		Runner: program, Running: 2, Waiting: 2, MaxBody: 1000, Timeouts: Timeouts{Body: time.Second},
	}, time.Minute)
	good := background(t, "POST", url+"/v1/runs", `{"argv": ["x"]}`)
	<-program.begun
	const head = "POST /v1/runs HTTP/1.1\r\nHost: x\r\n"
	for name, test := range map[string]struct{ sent, want string }{
		"no HTTP":                               {"nonsense\xff\x00\r\n\r\n", " 400 "},
		"too long a header":                     {head + "X: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n", " 431 "},
		"no JSON":                               {head + "Content-Length: 5\r\nConnection: close\r\n\r\n{\"a\":", " 400 "},
		"larger than it may be":                 {head + "Content-Length: 1000000\r\n\r\n" + strings.Repeat("x", 2000), " 413 "},
		"larger without a length":               {head + "Transfer-Encoding: chunked\r\n\r\n7d0\r\n" + strings.Repeat("x", 2000), " 413 "},
		"no end of a chunk":                     {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", " 400 "},
		"two lengths":                           {head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", " 400 "},
		"a path that there is not, and no body": {"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", ""},
		"a body where none is read":             {"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", ""},
		"an end in the middle":                  {head + "Content-Length: 100\r\n\r\n{", ""},
	} {
		t.Run(name, func(t *testing.T) {
			connection, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			_, _ = io.WriteString(connection, test.sent) // it may have had enough of it before the end
			if test.want == "" {
				_, _ = io.Copy(io.Discard, connection) // until the server has had enough
				return
			}
			line, err := bufio.NewReader(connection).ReadString('\n')
			if err != nil || !strings.Contains(line, test.want) {
				t.Errorf("got %q, %v", line, err)
			}
			if answer, body := call(t, "GET", url+"/ready", ""); answer.StatusCode != 200 {
				t.Error(body)
			}
		})
	}
	close(program.may)
	if text := <-good; !strings.HasPrefix(text, "200 ") {
		t.Error(text)
	}
	if answer, body := call(t, "POST", url+"/v1/runs", `{"argv": ["x"]}`); answer.StatusCode != 200 {
		t.Error(body)
	}
	if err := <-end(); err != nil {
		t.Error(err)
	}
	noneLeft(t)
}

// TestSlowReader: a program whose output nobody takes is ended.
func TestSlowReader(t *testing.T) {
	ended := make(chan error, 1)
	url, _ := start(t, Options{Timeouts: Timeouts{Write: 100 * time.Millisecond}, Runner: runnerFunc(func(ctx context.Context, c *runtime.Cmd) error {
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		for ctx.Err() == nil {
			if _, err := c.Stdout.Write(chunk); err != nil {
				ended <- err
				return err
			}
		}
		ended <- ctx.Err()
		return ctx.Err()
	})})
	connection, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	body := `{"argv": ["x"], "stream": true}`
	fmt.Fprintf(connection, "POST /v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if err := <-ended; err == nil {
		t.Error("the run went on")
	}
}

func TestIdempotency(t *testing.T) {
	runs := 0
	url, _ := start(t, Options{Running: 1, Runner: runnerFunc(func(_ context.Context, c *runtime.Cmd) error {
		runs++
		fmt.Fprint(c.Stdout, runs)
		return nil
	})})
	const name = "Idempotency-Key: one"
	_, first := call(t, "POST", url+"/v1/runs", `{"argv": ["x"]}`, name)
	answer, second := call(t, "POST", url+"/v1/runs", `{"argv": ["x"]}`, name)
	if first != second || runs != 1 || answer.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%d runs, answers %s and %s", runs, first, second)
	}
	answer, body := call(t, "POST", url+"/v1/runs", `{"argv": ["y"]}`, name)
	wantProblem(t, answer, body, 422, "idempotency_key_reused")
	answer, body = call(t, "POST", url+"/v1/runs", `{"argv": ["x"], "stream": true}`, "Idempotency-Key: two")
	wantProblem(t, answer, body, 400, "bad_request")
}

// serveUntil serves until the function that it returns is called, which gives what Serve returned.
func serveUntil(t *testing.T, o Options, drain time.Duration) (url string, end func() <-chan error) {
	t.Helper()
	o.Boxes = noBoxes
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	served := make(chan error, 1)
	go func() { served <- New(o).Serve(ctx, drain, listener) }()
	return "http://" + listener.Addr().String(), func() <-chan error {
		stop()
		return served
	}
}

func TestDrainWaits(t *testing.T) {
	program := newGated()
	url, end := serveUntil(t, Options{Runner: program}, time.Minute)
	come := background(t, "POST", url+"/v1/runs", `{"argv": ["x"]}`)
	<-program.begun
	served := end()
	until(t, func() bool { // nobody is let in any more
		connection, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err == nil {
			connection.Close()
		}
		return err != nil
	})
	close(program.may)
	if text := <-come; !strings.HasPrefix(text, "200 ") || !strings.Contains(text, `"outcome":"ok"`) {
		t.Error(text)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	noneLeft(t)
}

func TestDrainCutsOff(t *testing.T) {
	program := newGated()
	url, end := serveUntil(t, Options{Runner: program}, time.Millisecond)
	come := background(t, "POST", url+"/v1/runs", `{"argv": ["x"]}`)
	<-program.begun
	served := end()
	if text := <-come; !strings.HasPrefix(text, "200 ") || !strings.Contains(text, `"outcome":"killed"`) {
		t.Error(text)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	noneLeft(t)
}

// TestFailureIsNotTold: what went wrong inside is for the log.
func TestFailureIsNotTold(t *testing.T) {
	url, _ := start(t, Options{Runner: runnerFunc(func(context.Context, *runtime.Cmd) error { return errors.New("/home/secret: permission denied") })})
	answer, body := call(t, "POST", url+"/v1/runs", `{"argv": ["x"]}`)
	if answer.StatusCode != 200 || !strings.Contains(body, `"outcome":"error"`) || strings.Contains(body, "secret") {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
}

func TestPanicHarmsNobodyElse(t *testing.T) {
	url, _ := start(t, Options{Running: 1, Runner: runnerFunc(func(_ context.Context, c *runtime.Cmd) error {
		if c.Args[0] == "panic" {
			panic("oh")
		}
		return nil
	})})
	for range 3 {
		answer, body := call(t, "POST", url+"/v1/runs", `{"argv": ["panic"]}`)
		wantProblem(t, answer, body, 500, "internal")
	}
	if answer, body := call(t, "POST", url+"/v1/runs", `{"argv": ["x"]}`); answer.StatusCode != 200 {
		t.Error(body)
	}
}

// TestLogIsOneLine: what a client or a program says cannot make lines of the log, or act on a terminal.
func TestLogIsOneLine(t *testing.T) {
	for name, logger := range map[string]func(io.Writer) slog.Handler{
		"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
		"json": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var log buffer
			url, s := start(t, Options{Logger: slog.New(logger(&log)), Runner: runnerFunc(func(context.Context, *runtime.Cmd) error {
				return errors.New("one\ntwo\x1b[2J")
			})})
			call(t, "POST", url+"/v1/runs", `{"argv": ["x"]}`, "X-Request-Id: a b")
			call(t, "GET", url+"/%0aforged%1b[2J", "")
			s.Close()
			until(t, func() bool { return bytes.Count(log.take(), []byte("request_id")) == 2 })
			if text := string(log.take()); strings.Count(text, "\n") != 2 || strings.Contains(text, "\x1b") || strings.Contains(text, "a b") {
				t.Errorf("the log is\n%q", text)
			}
		})
	}
}

// FuzzRunRequest: whatever is asked, a run has no wider limits than the server's.
func FuzzRunRequest(f *testing.F) {
	for _, seed := range []string{everything, `{}`, `{"limits": {"memory": "1M", "fuel": 5, "readonly": true, "clock": "off"}}`, `{"limits": {"max_fuel": 1e300}}`, `{"code": "", "outputs": ["{a,b}/**"]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var ask runRequest
		if decode([]byte(text), &ask, false) != nil {
			return
		}
		command, err := ask.command(DefaultLimits)
		if err != nil {
			return
		}
		if got := command.Limits; got.Narrow(DefaultLimits) != got || command.FS != nil || len(command.Mounts)+len(command.Preopens) > 0 {
			t.Errorf("%q: %+v", text, command)
		}
	})
}
