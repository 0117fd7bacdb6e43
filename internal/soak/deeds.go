package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

func (c *client) hello(ctx context.Context) error {
	return c.run(ctx, object{"code": "print('hello')"}, `"stdout":"hello\n"`)
}

func (c *client) files(ctx context.Context) error {
	return c.run(ctx, object{
		"code": "open('out', 'w').write(open('in').read() * 2)", "workdir": "/work",
		"files": []object{{"path": "in", "content": strings.Repeat("text", 1000)}}, "outputs": []string{"*"},
	}, `"path":"/work/out"`)
}

func (c *client) failing(ctx context.Context) error {
	return c.run(ctx, object{"code": "1/0"}, "ZeroDivisionError")
}

// endless reaches a limit.
func (c *client) endless(ctx context.Context) error {
	return c.run(ctx, object{"code": "while True: pass", "limits": object{"timeout": "50ms"}}, `"outcome":"timeout"`)
}

// greedy wants more memory than it may have.
func (c *client) greedy(ctx context.Context) error {
	return c.run(ctx, object{"code": "x = b'x' * (1 << 27)"}, `"outcome":"out_of_memory"`)
}

func (c *client) stream(ctx context.Context) error {
	return c.run(ctx, object{"code": "for n in range(20): print(n)", "stream": true}, "event: result")
}

func (c *client) leaveStream(ctx context.Context) error {
	return c.dropping(ctx, func(ctx context.Context) error {
		return c.run(ctx, object{"code": "while True: print('x' * 1000)", "stream": true}, "")
	})
}

func (c *client) leaveRun(ctx context.Context) error {
	return c.dropping(ctx, func(ctx context.Context) error {
		return c.run(ctx, object{"code": "import time; time.sleep(3)"}, "")
	})
}

// cancel ends a run by its name, if it has begun by then.
func (c *client) cancel(ctx context.Context) error {
	id := fmt.Sprint("run-", c.chance.Uint64())
	come := make(chan error, 1)
	go func() {
		come <- c.run(ctx, object{"id": id, "code": "import time; time.sleep(1)"}, `"id":"`+id)
	}()
	for {
		if _, err := c.ask(ctx, http.MethodDelete, "/v1/runs/"+id, nil, http.StatusNoContent, http.StatusNotFound); err != nil {
			return err
		}
		select {
		case err := <-come:
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// open opens a session: "" if there is no room for one.
func (c *client) open(ctx context.Context, body object) (string, error) {
	got, err := c.ask(ctx, http.MethodPost, "/v1/sessions", body, http.StatusCreated)
	return sessionAt(got), err
}

// sessionAt is where a session is that an answer tells of.
func sessionAt(answer string) string {
	_, rest, _ := strings.Cut(answer, `"id":"`)
	id, _, found := strings.Cut(rest, `"`)
	if !found {
		return ""
	}
	return "/v1/sessions/" + id
}

// session is a life of one: code, files, a fork, its end. What is refused on the way is left out.
func (c *client) session(ctx context.Context) error {
	at, err := c.open(ctx, object{"workdir": "/work"})
	if at == "" || err != nil {
		return err
	}
	steps := []struct {
		method, path string
		body         any
	}{
		{"POST", "/execute", object{"code": "x = list(range(100000))\nlen(x)"}},
		{"PUT", "/files/work/note", "text"},
		{"POST", "/execute", object{"code": "open('note').read(); 1/0"}},
		{"GET", "/files/work", nil},
	}
	for _, step := range steps {
		if _, err := c.ask(ctx, step.method, at+step.path, step.body, http.StatusNoContent, http.StatusNotFound); err != nil {
			return err
		}
	}
	forked, err := c.ask(ctx, http.MethodPost, at+"/fork", nil, http.StatusCreated)
	if err != nil {
		return err
	}
	for _, end := range []string{at, sessionAt(forked)} {
		if end == "" {
			continue
		}
		if _, err := c.ask(ctx, http.MethodPost, end+"/execute", object{"code": "x.append(1)"}); err != nil {
			return err
		}
		if _, err := c.ask(ctx, http.MethodDelete, end, nil, http.StatusNoContent); err != nil {
			return err
		}
	}
	return nil
}

// idleSession is left to itself.
func (c *client) idleSession(ctx context.Context) error {
	at, err := c.open(ctx, object{"idle_timeout": "500ms"})
	if at != "" && err == nil {
		_, err = c.ask(ctx, http.MethodPost, at+"/execute", object{"code": "y = b'y' * 1000000"}, http.StatusNotFound)
	}
	return err
}

// endedSession ends by what it executes: its own wish, a limit, or a client that leaves.
func (c *client) endedSession(ctx context.Context) error {
	at, err := c.open(ctx, object{})
	if at == "" || err != nil {
		return err
	}
	switch c.chance.IntN(3) {
	case 0:
		_, err = c.ask(ctx, http.MethodPost, at+"/execute", object{"code": "raise SystemExit(3)"})
	case 1:
		_, err = c.ask(ctx, http.MethodPost, at+"/execute", object{"code": "while True: pass", "limits": object{"timeout": "50ms"}})
	case 2:
		err = c.dropping(ctx, func(ctx context.Context) error {
			_, err := c.ask(ctx, http.MethodPost, at+"/execute", object{"code": "while True: pass"})
			return err
		})
	}
	if err == nil { // it may not have come to that
		_, err = c.ask(ctx, http.MethodDelete, at, nil, http.StatusNoContent, http.StatusNotFound)
	}
	return err
}

// large sends more than a server takes.
func (c *client) large(ctx context.Context) error {
	return c.raw(ctx, post("/v1/runs", []byte(`{"code": "`+strings.Repeat("x", 2<<20)+`"}`)), 100, 0)
}

func (c *client) malformed(ctx context.Context) error {
	for _, body := range []string{`{`, `[]`, `{"code": 1}`, `{"cod": ""}`, `{"code": "", "files": [{"path": "/"}]}`} {
		if _, err := c.ask(ctx, http.MethodPost, "/v1/runs", body, http.StatusBadRequest); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) garbage(ctx context.Context) error {
	noise := make([]byte, 1+c.chance.IntN(2000))
	for i := range noise {
		noise[i] = byte(c.chance.Uint32())
	}
	return c.raw(ctx, string(noise)+"\r\n\r\n", 100, 0)
}

// slowRequest begins a request, and thinks about it.
func (c *client) slowRequest(ctx context.Context) error {
	whole := post("/v1/runs", []byte(`{"code": "print(1)"}`))
	return c.raw(ctx, whole[:len(whole)-1-c.chance.IntN(len(whole)/2)], 0, 500*time.Millisecond)
}

// slowReader wants much, and takes little of it.
func (c *client) slowReader(ctx context.Context) error {
	return c.raw(ctx, post("/v1/runs", []byte(`{"code": "while True: print('x' * 10000)", "stream": true}`)), 1000, 500*time.Millisecond)
}

// again makes a request twice, of which one runs.
func (c *client) again(ctx context.Context) error {
	ctx = context.WithValue(ctx, idempotencyKey{}, fmt.Sprint("key-", c.chance.Uint64()))
	var answers [2]string
	for i := range answers {
		got, err := c.ask(ctx, http.MethodPost, "/v1/runs", object{"code": "import random; print(random.random())"})
		if err != nil {
			return err
		}
		answers[i] = got
	}
	if answers[0] != answers[1] && answers[0] != "" && answers[1] != "" {
		return fmt.Errorf("a request that is made again is answered by %s and %s", answers[0], answers[1])
	}
	return nil
}

// look is what monitors and people ask for.
func (c *client) look(ctx context.Context) error {
	for _, path := range []string{"/metrics", "/health", "/ready", "/openapi.json", "/ui", "/v1/boxes", "/v1/sessions"} {
		if _, err := c.ask(ctx, http.MethodGet, path, nil); err != nil {
			return err
		}
	}
	return nil
}
