package admission

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

func reason(err error) string {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

func enter(t *testing.T, g *Gate, key string) *Place {
	t.Helper()
	p, err := g.Enter(key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestBounds(t *testing.T) {
	g := New(Limits{Running: 1, Waiting: 2, PerKey: 2})
	first := enter(t, g, "a")
	enter(t, g, "a")
	if _, err := g.Enter("a"); reason(err) != TooMany {
		t.Errorf("the third of a key: %v", err)
	}
	enter(t, g, "b")
	if _, err := g.Enter("c"); reason(err) != Full {
		t.Errorf("the fourth: %v", err)
	}
	first.Leave()
	first.Leave()
	enter(t, g, "c")
	if _, err := g.Enter("d"); reason(err) != Full {
		t.Errorf("leaving twice made room twice: %v", err)
	}
}

func TestTurns(t *testing.T) {
	g := New(Limits{Running: 1, Waiting: 2})
	first, second := enter(t, g, "a"), enter(t, g, "a")
	if err := first.Turn(t.Context()); err != nil {
		t.Fatal(err)
	}
	come := make(chan error)
	go func() { come <- second.Turn(context.Background()) }()
	third := enter(t, g, "a")
	ctx, cancel := context.WithCancelCause(t.Context())
	mine := errors.New("mine")
	cancel(mine)
	if err := third.Turn(ctx); !errors.Is(err, mine) {
		t.Errorf("a turn that nobody waits for: %v", err)
	}
	third.Leave()
	first.Leave()
	if err := <-come; err != nil || g.Running() != 1 || g.Waiting() != 0 {
		t.Errorf("%v; %d running, %d waiting", err, g.Running(), g.Waiting())
	}
	second.Leave()
	if g.Running() != 0 || g.inside != 0 || len(g.keys) != 0 {
		t.Errorf("something is left: %+v", g.keys)
	}
}

func TestPatience(t *testing.T) {
	g := New(Limits{Running: 1, Waiting: 1, Patience: time.Nanosecond})
	if err := enter(t, g, "a").Turn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := enter(t, g, "a").Turn(t.Context()); reason(err) != TooLong {
		t.Errorf("got %v", err)
	}
}

func TestRate(t *testing.T) {
	g := New(Limits{Running: 10, Rate: 1e-6, Burst: 1})
	enter(t, g, "a").Leave()
	_, err := g.Enter("a")
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Reason != TooFast || refusal.After <= 0 || !refusal.Own() {
		t.Errorf("got %v", err)
	}
	enter(t, g, "b").Leave()
}

// TestNoMoreThanThere lets many in at once.
func TestNoMoreThanThere(t *testing.T) {
	const running = 3
	g := New(Limits{Running: running, Waiting: 1000})
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			p, err := g.Enter("a")
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Leave()
			if err := p.Turn(context.Background()); err != nil {
				t.Error(err)
			}
			if n := g.Running(); n > running {
				t.Errorf("%d are running", n)
			}
		})
	}
	all.Wait()
}

func BenchmarkGate(b *testing.B) {
	g := New(Limits{Running: 4, Waiting: 64, PerKey: 64})
	for b.Loop() {
		p, err := g.Enter("a")
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Turn(b.Context()); err != nil {
			b.Fatal(err)
		}
		p.Leave()
	}
}
