package runtime

import (
	"context"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Whoever has less time than a program takes to compile leaves it compiled for the next one.
func TestCompilationGoesOn(t *testing.T) {
	for name, o := range map[string]Options{"in memory": {}, "on disk": {CacheDir: t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			left := make(chan bool)
			o.Progress = func(p Progress) {
				if !p.Done {
					cancel()
					<-left
				}
			}
			e := newEngine(t, o)
			box := load(t, e, layered(t, e, map[string][]byte{"p": startModule().module()}))
			if err := box.Run(ctx, &Cmd{Args: []string{"/p"}}); ResultOf(err).Outcome != OutcomeKilled {
				t.Errorf("%v", err)
			}
			close(left)
			var stats Stats
			if err := box.Run(t.Context(), &Cmd{Args: []string{"/p"}, Stats: &stats}); err != nil || stats.Compiled != 0 || stats.MemoryHits != 1 {
				t.Errorf("%v, %+v", err, stats)
			}
		})
	}
}

// Nobody waits for the compiler to notice that the run is over, which it does between two functions.
func TestRunEndsBeforeItsCompilation(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan bool)
	e := newEngine(t, Options{Progress: func(p Progress) {
		if !p.Done {
			cancel()
			<-left
		}
	}})
	box, err := e.NewBox(newTree(t, map[string]string{"/p": string(startModule().module())}), v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := box.Run(ctx, &Cmd{Args: []string{"/p"}}); ResultOf(err).Outcome != OutcomeKilled {
		t.Error(err)
	}
	close(left)
	if err := box.Run(t.Context(), &Cmd{Args: []string{"/p"}}); err != nil {
		t.Error(err)
	}
}

// A compilation that nobody waits for any more ends with its engine.
func TestCompilationEndsWithItsEngine(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var e *Engine
	e, err := New(t.Context(), Options{Progress: func(Progress) {
		cancel()
		<-e.life.Done()
	}})
	if err != nil {
		t.Fatal(err)
	}
	box := load(t, e, layered(t, e, map[string][]byte{"p": startModule().module()}))
	if err := box.Run(ctx, &Cmd{Args: []string{"/p"}}); ResultOf(err).Outcome != OutcomeKilled {
		t.Errorf("%v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
