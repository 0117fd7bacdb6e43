package isolate

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
)

// hall is a worker that holds sessions: of one box and one tenant, and of programs that it has prepared itself for. It hears what
// its worker says of all of them; what is printed is passed on by whoever waits for it.
type hall struct {
	*worker
	pool *Pool
	key  hallKey

	ready chan struct{} // closed when it has a worker, or err says why it has none
	err   error
	gone  chan struct{} // closed when the worker is lost

	sessions int // guarded by the pool's mutex; those that are being opened, too

	mutex sync.Mutex
	calls map[int]*hallCall
	lost  *WorkerError
}

type hallKey struct {
	classKey
	program string // as a request that names it, and what it counts
	whole   bool   // see spec
}

// hallCall is one ask that has not been replied to.
type hallCall struct {
	*exchange
	come chan told // output, and the reply
}

type told struct {
	kind    kind
	message []byte // after the serial number
}

const (
	defaultSessions = 16
	maxSpares       = 2 // halls without sessions that are kept for the next one
)

func (p *Pool) sessionsEach() int {
	if p.Sessions > 0 {
		return p.Sessions
	}
	return defaultSessions
}

// hall gives one with room for another session, which is counted.
func (p *Pool) hall(ctx context.Context, c *class, like *request, whole bool) (*hall, error) {
	program, err := like.encode()
	if err != nil {
		return nil, err
	}
	key := hallKey{c.key, string(program), whole}
	p.mutex.Lock()
	if p.closed {
		p.mutex.Unlock()
		return nil, errClosed
	}
	for _, h := range p.halls[key] {
		if h.sessions < p.sessionsEach() {
			p.enter(h)
			p.mutex.Unlock()
			return h.awaited(ctx)
		}
	}
	h := &hall{pool: p, key: key, ready: make(chan struct{}), gone: make(chan struct{}), calls: map[int]*hallCall{}}
	if p.halls == nil {
		p.halls = map[hallKey][]*hall{}
	}
	p.halls[key] = append(p.halls[key], h)
	p.enter(h)
	p.hold(c)
	s, life := c.spec, p.lives()
	p.mutex.Unlock()
	s.Sessions, s.Whole, s.Prepare, s.DataLimit = true, whole, [][]byte{program}, s.DataLimit*uint64(p.sessionsEach())
	p.ending.Go(func() {
		defer p.left(c)
		h.begin(life, &s)
	})
	return h.awaited(ctx)
}

// enter counts a session. The mutex is held.
func (p *Pool) enter(h *hall) {
	h.sessions++
	p.spares = slices.DeleteFunc(p.spares, func(spare *hall) bool { return spare == h })
}

// begin starts the worker.
func (h *hall) begin(ctx context.Context, s *spec) {
	defer close(h.ready)
	w, err := h.pool.startWorker(ctx, s)
	if err == nil {
		err = h.pool.check(w)
	}
	if err == nil {
		h.worker = w
		w.runs.incoming.max = maxReply
		err = h.pool.opened(w)
	}
	if err != nil {
		h.err = err
		h.pool.forget(h)
		return
	}
	h.pool.ending.Go(h.hear)
}

// opened notes a worker that is there.
func (p *Pool) opened(w *worker) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.closed {
		w.discard()
		return errClosed
	}
	if p.open == nil {
		p.open = map[*worker]bool{}
	}
	p.open[w] = true
	return nil
}

// awaited waits until the hall can be used, for someone who has entered it.
func (h *hall) awaited(ctx context.Context) (*hall, error) {
	select {
	case <-h.ready:
		if h.err != nil {
			return nil, h.err
		}
		return h, nil
	case <-ctx.Done():
		h.pool.exit(h)
		return nil, fmt.Errorf("waiting for a worker: %w", context.Cause(ctx))
	}
}

// exit takes a session off. A hall that has none left may serve the next one, or ends.
func (p *Pool) exit(h *hall) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if h.sessions--; h.sessions > 0 || !slices.Contains(p.halls[h.key], h) {
		return
	}
	p.spares = append(p.spares, h)
	if len(p.spares) > maxSpares {
		p.dismiss(p.spares[0])
	}
}

// dismiss ends a hall that has no sessions. The mutex is held.
func (p *Pool) dismiss(h *hall) {
	p.remove(h)
	go func() { // it may not even have begun
		if <-h.ready; h.err == nil {
			h.kill()
		}
	}()
}

// remove leaves a hall out of account. The mutex is held.
func (p *Pool) remove(h *hall) {
	is := func(other *hall) bool { return other == h }
	if p.halls[h.key] = slices.DeleteFunc(p.halls[h.key], is); len(p.halls[h.key]) == 0 {
		delete(p.halls, h.key)
	}
	p.spares = slices.DeleteFunc(p.spares, is)
}

// forget is remove for a hall that is lost.
func (p *Pool) forget(h *hall) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.remove(h)
	if h.worker != nil {
		delete(p.open, h.worker)
	}
}

// hear deals with what the worker says, until it is lost.
func (h *hall) hear() {
	err := h.listen()
	h.pool.forget(h)
	lost := &WorkerError{Reason: fmt.Sprintf("the session was lost: %v", h.death(err))}
	if h.killed.Load() {
		lost.Reason = "the session was ended with its worker, which was killed"
	}
	h.discard()
	<-h.dead
	h.mutex.Lock()
	h.lost = lost
	h.mutex.Unlock()
	close(h.gone)
}

func (h *hall) listen() error {
	for {
		k, message, err := h.runs.receive()
		if err != nil {
			return err
		}
		switch k {
		case kindWarning, kindProgress: // of the engine, which has none that are a session's
		case kindStdout, kindStderr, kindWant, kindCall, kindReply:
			if err := h.pass(k, message); err != nil {
				return err
			}
		default:
			return errProtocol
		}
	}
}

// pass gives a message to the call that it is about, or drops it if that is over.
func (h *hall) pass(k kind, message []byte) error {
	p := parser{rest: message}
	serial := p.number(math.MaxInt)
	if p.failed {
		return errProtocol
	}
	h.mutex.Lock()
	c := h.calls[serial]
	h.mutex.Unlock()
	if c == nil {
		return nil
	}
	switch k {
	case kindWant, kindCall:
		return c.asked(c.calls, k, message)
	case kindReply:
		c.punctual()
	}
	select {
	case c.come <- told{k, bytes.Clone(p.rest)}:
		return nil
	default:
		return errProtocol
	}
}

// punctual keeps a worker that has replied from being killed for being late.
func (x *exchange) punctual() {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.over = true
	if x.late != nil {
		x.late.Stop()
	}
}

// do asks for something and waits for the reply. The error is a *WorkerError: there is none.
func (h *hall) do(ctx context.Context, x *exchange, a ask) (_ reply, lost error) {
	x.calls, x.endCalls = context.WithCancel(ctx)
	defer x.finish()
	c := &hallCall{x, make(chan told, window+1)}
	h.mutex.Lock()
	gone := h.lost
	h.calls[a.serial] = c
	h.mutex.Unlock()
	defer func() {
		h.mutex.Lock()
		defer h.mutex.Unlock()
		delete(h.calls, a.serial)
	}()
	if gone != nil {
		return reply{}, gone
	}
	x.begun = true
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() { x.cancel(context.Cause(ctx), ctx.Err() == context.DeadlineExceeded) })()
	}
	if err := h.send(kindAsk, a.encode()); err != nil { // its end is noticed by hear, too
		h.kill()
	}
	return c.await(ctx, h)
}

// await passes on what comes until the reply does.
func (c *hallCall) await(ctx context.Context, h *hall) (reply, error) {
	passed := 0
	for {
		var m told
		select {
		case m = <-c.come:
		case <-h.gone:
			select {
			case m = <-c.come: // was before
			default:
				return reply{}, c.loss(ctx, h)
			}
		}
		var err error
		if m.kind == kindReply {
			var r reply
			if r, err = decodeReply(&parser{rest: m.message}); err == nil {
				return r, nil
			}
		} else if err = c.print(m.kind, m.message); err == nil {
			if passed++; passed == window/2 {
				_ = h.send(kindTaken, appendNumber(appendNumber(nil, c.request.serial), passed))
				passed = 0
			}
		}
		if err != nil {
			c.blame(err)
			h.kill()
		}
	}
}

// blame notes for what the worker is killed.
func (x *exchange) blame(err error) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.why = fmt.Sprintf("the session was ended, and its worker killed: %v", err)
}

// loss says why there will be no reply.
func (x *exchange) loss(ctx context.Context, h *hall) *WorkerError {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	if x.why != "" {
		return &WorkerError{Reason: x.why, cause: ctx.Err()}
	}
	return h.lost
}
