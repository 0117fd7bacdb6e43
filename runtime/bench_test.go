package runtime

import (
	"context"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func guestModule(b *testing.B) source {
	module, err := guest()
	if err != nil {
		b.Fatal(err)
	}
	return inMemory("guest", module)
}

// BenchmarkNewEngine is what a process pays before it knows what it runs.
func BenchmarkNewEngine(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		e, err := New(context.Background(), Options{CacheDir: dir})
		if err != nil {
			b.Fatal(err)
		}
		e.Close()
	}
}

func BenchmarkLoad(b *testing.B) {
	module := guestModule(b)
	load := func(b *testing.B, o Options, warm bool) {
		if warm {
			newEngineLoad(b, o, module)
		}
		for b.Loop() {
			newEngineLoad(b, o, module)
		}
	}
	b.Run("compile", func(b *testing.B) { load(b, Options{}, false) })
	b.Run("cached", func(b *testing.B) { load(b, Options{CacheDir: b.TempDir()}, true) })
	b.Run("loaded", func(b *testing.B) {
		e := newEngine(b, Options{})
		if _, err := e.load(context.Background(), module, new(Stats)); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := e.load(context.Background(), module, new(Stats)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func newEngineLoad(b *testing.B, o Options, module source) {
	e, err := New(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := e.load(context.Background(), module, new(Stats)); err != nil {
		b.Fatal(err)
	}
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkRun is a whole run of programs that are loaded already.
func BenchmarkRun(b *testing.B) {
	box := newBox(b, map[string]string{"/nothing": string(startModule().module())}, v1.Config{})
	for _, args := range [][]string{{"/nothing"}, {"guest"}, {"sh", "-c", ":"}} {
		b.Run(args[0], func(b *testing.B) {
			once := func() {
				if err := box.Run(context.Background(), &Cmd{Args: args}); err != nil {
					b.Fatal(err)
				}
			}
			once()
			b.ReportAllocs()
			for b.Loop() {
				once()
			}
		})
	}
}

// BenchmarkPooledRun is a run of a program that does next to nothing, on an instance from the pool: what boxer itself
// takes. With and without waiting for the reset.
func BenchmarkPooledRun(b *testing.B) {
	e := newEngine(b, Options{Keep: 4})
	box := load(b, e, imaged(b, e, initialised(nil, nil)))
	once := func(stats *Stats) {
		if err := box.Run(context.Background(), &Cmd{Args: []string{"/p"}, Stats: stats}); err != nil {
			b.Fatal(err)
		}
	}
	for name, stats := range map[string]*Stats{"background": nil, "foreground": new(Stats)} {
		b.Run(name, func(b *testing.B) {
			once(stats)
			b.ReportAllocs()
			for b.Loop() {
				once(stats)
			}
		})
	}
}
