package mcp

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"boxer.dev/runtime"
)

// What the API takes and gives for sessions.
type (
	executeQuestion struct {
		Code  string `json:"code"`
		Stdin string `json:"stdin,omitempty"`
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
)

func (t *tools) open(ctx context.Context, _ *sdk.CallToolRequest, in openArguments) (*sdk.CallToolResult, any, error) {
	ctx, done := withRequest(ctx)
	defer done()
	opened, err := post[sessionAnswer](ctx, t.api, "/v1/sessions", t.in(in.Box, in.Files))
	if err != nil {
		return nil, nil, err
	}
	where, err := post[executeAnswer](ctx, t.api, sessionPath(opened.ID, "/execute"), executeQuestion{Code: "print(__import__('os').getcwd())"})
	if err != nil {
		_, _ = t.api.do(context.WithoutCancel(ctx), http.MethodDelete, sessionPath(opened.ID, ""), "", nil) // or it closes itself
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
	giveBack, err := t.turns.take(ctx, in.Session)
	if err != nil {
		return nil, nil, err
	}
	defer giveBack()
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
	r := ran.report()
	switch {
	case ran.Ended:
		r.note("the session has ended, and what it had is gone; session_open opens another")
	case late && ran.Exception != nil:
		r.note("interrupted after %s; the session goes on", timeout)
	}
	return r.result(ran.Outcome != runtime.OutcomeOK), nil, nil
}

// report is what a model is told of an execution.
func (a *executeAnswer) report() *report {
	r := &report{}
	r.printed(a.printed)
	r.labelled("value", a.Repr)
	if a.Exception != nil {
		r.labelled("exception", a.Exception.Traceback)
	} else {
		r.end(a.Result)
	}
	if a.Truncated {
		r.note("the value or the exception was longer than the server sends")
	}
	return r
}

// patience is the time after which code of a session is interrupted.
func (t *tools) patience(seconds float64) time.Duration {
	most := t.Timeout - grace
	if most <= 0 {
		most = max(t.Timeout/2, 0)
	}
	asked := time.Duration(min(seconds, maxSeconds) * float64(time.Second))
	switch {
	case most == 0 && asked <= 0:
		return 24 * time.Hour
	case asked <= 0, most > 0 && asked > most:
		return most
	}
	return asked
}

// retry is the time between attempts to interrupt code that has not begun.
const retry = 50 * time.Millisecond

// interrupt interrupts what a session executes, as soon as it does, and cuts it off if that is of no use. It ends with ctx.
func (t *tools) interrupt(ctx context.Context, session string, cut func()) {
	last := time.AfterFunc(grace, cut)
	context.AfterFunc(ctx, func() { last.Stop() })
	again := time.NewTicker(retry)
	defer again.Stop()
	for {
		if _, err := t.api.do(ctx, http.MethodPost, sessionPath(session, "/interrupt"), "", nil); err == nil {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// turns let calls for a session wait for each other, so that what interrupts one does not meet the code of another.
type turns struct {
	mutex sync.Mutex
	of    map[string]*turn // sessions
}

type turn struct {
	taken chan struct{} // holds something while it is somebody's turn
	users int           // whose turn it is, and who wait
}

// take waits for a session's turn, which has to be given back.
func (t *turns) take(ctx context.Context, session string) (giveBack func(), err error) {
	t.mutex.Lock()
	if t.of == nil {
		t.of = map[string]*turn{}
	}
	own := t.of[session]
	if own == nil {
		own = &turn{taken: make(chan struct{}, 1)}
		t.of[session] = own
	}
	own.users++
	t.mutex.Unlock()
	leave := func() {
		t.mutex.Lock()
		defer t.mutex.Unlock()
		if own.users--; own.users == 0 {
			delete(t.of, session)
		}
	}
	select {
	case own.taken <- struct{}{}:
		return func() { <-own.taken; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

func (t *tools) close(ctx context.Context, _ *sdk.CallToolRequest, in closeArguments) (*sdk.CallToolResult, any, error) {
	if _, err := t.api.do(ctx, http.MethodDelete, sessionPath(in.Session, ""), "", nil); err != nil {
		return nil, nil, err
	}
	return text("the session is closed"), nil, nil
}
