package isolate

import (
	"context"
	"fmt"
	"testing"

	"boxer.dev/runtime"
)

// What a pool remembers of tenants, images and brought programs is bounded.
func TestClassesAreBounded(t *testing.T) {
	p, box := newPool(t, &Pool{}), newBox(t)
	ask := func(n int) *class {
		box.Tenant = fmt.Sprint(n)
		c, _, err := p.class(box, &runtime.Cmd{Args: []string{"/p"}, Files: []runtime.File{{Path: "/p", Data: printing("hello")}}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	busy := ask(0)
	first := ask(1)
	p.left(first)
	for n := range 2 * maxClasses {
		p.left(ask(2 + n))
	}
	if len(p.classes) != maxClasses || p.classes[busy.key] != busy || p.classes[first.key] != nil {
		t.Errorf("%d classes", len(p.classes))
	}
	if _, err := first.spec.brought.file.Stat(); err == nil {
		t.Error("the programs that were brought are still there")
	}
	if _, err := busy.spec.brought.file.Stat(); err != nil {
		t.Errorf("those of a class that is used: %v", err)
	}
	p.left(busy)
	if err := p.Run(t.Context(), box, &runtime.Cmd{Args: []string{"true"}}); err != nil {
		t.Error(err)
	}
}

// The worker that a forgotten class has left goes on to the end of its run, and no further.
func TestRunOfAForgottenClass(t *testing.T) {
	p, box := newPool(t, &Pool{}), newBox(t)
	err := p.Run(t.Context(), box, &runtime.Cmd{Args: []string{"echo", "a"}, Stdout: writerFunc(func(b []byte) (int, error) {
		for n := range 2 * maxClasses {
			other := box
			other.Tenant = fmt.Sprint(n)
			c, _, err := p.class(other, &runtime.Cmd{})
			if err != nil {
				return 0, err
			}
			p.left(c)
		}
		return len(b), nil
	})})
	if err != nil {
		t.Error(err)
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.living != 1 || len(p.open) != 1 {
		t.Errorf("%d workers, %d open", p.living, len(p.open))
	}
}

// A worker whose run has no time to wait for it is started all the same, for the next one.
func TestWorkerIsStartedToTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	left, compiled := make(chan bool), 0
	p := newPool(t, &Pool{Workers: 1, Progress: func(g runtime.Progress) {
		if g.Done {
			return
		}
		compiled++
		cancel()
		<-left
	}})
	p.CacheDir = t.TempDir()
	box := newBoxOf(t, "program", string(printing("hello\n")))
	c := &runtime.Cmd{Args: []string{"/program"}}
	if err := p.Run(ctx, box, c); runtime.ResultOf(err).Outcome != runtime.OutcomeKilled {
		t.Errorf("%v", err)
	}
	close(left)
	if err := p.Run(t.Context(), box, c); err != nil || compiled != 1 {
		t.Errorf("%v; %d compilations", err, compiled)
	}
}

// A worker that has compiled something has a compiler's heap, which counts against what its runs may have: another one takes its place.
func TestCompilerLeavesNoHeap(t *testing.T) {
	compilations := 0
	p := newPool(t, &Pool{Memory: 1 << 30, Progress: func(g runtime.Progress) {
		if g.Done {
			compilations++
		}
	}})
	p.CacheDir = t.TempDir()
	box := newBoxOf(t, "program", string(printing("hello\n")))
	if err := p.Run(t.Context(), box, &runtime.Cmd{Args: []string{"/program"}}); err != nil {
		t.Fatal(err)
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for w := range p.open {
		if w.compiled || compilations != 1 || p.living != 1 {
			t.Errorf("after %d compilations there are %d workers; one has compiled: %v", compilations, p.living, w.compiled)
		}
	}
}
