// Package admission decides who may begin at once, who waits for a turn, and who is told to come back later.
package admission

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Limits are what a Gate lets through. Of the zero value nothing gets in.
type Limits struct {
	Running  int           // at the same time
	Waiting  int           // for their turn
	Patience time.Duration // that they wait at most; 0: as long as they like
	PerKey   int           // running and waiting for one key; 0: as many as there is room for
	Rate     float64       // that begin within a second for one key, on average; 0: any number
	Burst    int           // that may begin at once at that rate; at least 1
}

// Gate lets in as many as there is room for. It is safe for concurrent use.
type Gate struct {
	limits Limits
	turns  chan struct{}

	mutex  sync.Mutex
	inside int
	keys   map[string]*account

	running, waiting atomic.Int64
}

// account is what one key has. Accounts of keys that have nothing inside are kept only for their rate.
type account struct {
	inside int
	rate   *rate.Limiter
}

// Refusal says why somebody was not let in, and when to try again.
type Refusal struct {
	Reason string        // one of the constants below
	After  time.Duration // when there may be room
	text   string
}

// Reasons of refusals.
const (
	TooFast = "rate"     // the key's rate
	TooMany = "key"      // the key has as many inside as it may
	Full    = "full"     // there is no room to wait
	TooLong = "patience" // its turn did not come
)

func (r *Refusal) Error() string { return r.text }

// Own reports whether the key itself is the reason, not what others do.
func (r *Refusal) Own() bool { return r.Reason == TooFast || r.Reason == TooMany }

// New makes a gate.
func New(l Limits) *Gate {
	return &Gate{limits: l, turns: make(chan struct{}, max(l.Running, 0)), keys: map[string]*account{}}
}

// Running and Waiting are how many are inside now.
func (g *Gate) Running() int64 { return g.running.Load() }

// Waiting is how many wait for their turn.
func (g *Gate) Waiting() int64 { return g.waiting.Load() }

// Place is room inside, until its owner leaves.
type Place struct {
	gate *Gate
	key  string
	turn bool
}

// Enter takes a place for a key, or refuses it at once: *Refusal. The number of keys must be bounded.
func (g *Gate) Enter(key string) (*Place, error) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	mine := g.keys[key]
	if mine == nil {
		mine = &account{}
		if g.limits.Rate > 0 {
			mine.rate = rate.NewLimiter(rate.Limit(g.limits.Rate), max(g.limits.Burst, 1))
		}
		g.keys[key] = mine
	}
	switch {
	case g.limits.PerKey > 0 && mine.inside >= g.limits.PerKey:
		return nil, &Refusal{TooMany, time.Second, fmt.Sprintf("this key has %d requests going on or waiting, as many as it may have", mine.inside)}
	case g.inside >= g.limits.Running+g.limits.Waiting:
		return nil, &Refusal{Full, time.Second, "the server has as many requests as it can take"}
	}
	if mine.rate != nil {
		if after := wait(mine.rate); after > 0 {
			return nil, &Refusal{TooFast, after, fmt.Sprintf("this key may begin %g requests a second", g.limits.Rate)}
		}
	}
	g.inside++
	mine.inside++
	return &Place{gate: g, key: key}, nil
}

// wait takes a token, or tells when there is one.
func wait(l *rate.Limiter) time.Duration {
	r := l.Reserve()
	after := r.Delay()
	if after > 0 {
		r.Cancel()
	}
	return after
}

// Turn waits until the owner of the place may run. Its error is a *Refusal, or the cause of the context's end.
func (p *Place) Turn(ctx context.Context) error {
	select {
	case p.gate.turns <- struct{}{}:
	default:
		if err := p.queue(ctx); err != nil {
			return err
		}
	}
	p.turn = true
	p.gate.running.Add(1)
	return nil
}

func (p *Place) queue(ctx context.Context) error {
	p.gate.waiting.Add(1)
	defer p.gate.waiting.Add(-1)
	var over <-chan time.Time
	if patience := p.gate.limits.Patience; patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case p.gate.turns <- struct{}{}:
		return nil
	case <-over:
		return &Refusal{TooLong, time.Second, "its turn did not come in time"}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Leave gives the place up. Leaving twice is leaving once.
func (p *Place) Leave() {
	if p.gate == nil {
		return
	}
	g := p.gate
	p.gate = nil
	if p.turn {
		g.running.Add(-1)
		<-g.turns
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.inside--
	mine := g.keys[p.key]
	if mine.inside--; mine.inside == 0 && mine.rate == nil {
		delete(g.keys, p.key)
	}
}
