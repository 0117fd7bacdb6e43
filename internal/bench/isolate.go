package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"boxer.dev/runtime"
	"boxer.dev/runtime/isolate"
)

// isolated runs hello in a worker and in this process, in turns. Neither runs beside the cleaning up that the last run in this
// process leaves to the background.
func (s Start) isolated(ctx context.Context, r *Section) (err error) {
	engine, box, err := s.python(ctx, 4)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	var missing error
	pool := &isolate.Pool{Executable: s.Boxer, CacheDir: s.CacheDir, Workers: 1, Warn: func(err error) { missing = err }}
	defer func() { err = errors.Join(err, pool.Close()) }()
	var all, added Sample
	for round := range s.rounds(2000) + 100 {
		engine.Settle()
		there, err := sayHelloIsolated(ctx, pool, isolate.Box{Root: s.Python})
		if err != nil {
			return err
		}
		engine.Settle()
		here, err := sayHello(ctx, box, false)
		if err != nil {
			return err
		}
		if round >= 100 { // those before are warm-up
			all, added = append(all, there), append(added, there-here)
		}
	}
	whole := Line{Key: "isolated_hello_us", What: "hello, in a worker", Unit: "µs"}
	more := Line{Key: "isolate_added_us", What: "  more than in this process", Unit: "µs", Goal: "≤ 100"}
	if missing != nil { // fewer walls are not what the figure is about
		r.lacks(whole, missing.Error())
		r.lacks(more, missing.Error())
		return nil
	}
	whole.Figure, more.Figure = figure(all), figure(added)
	r.add(whole)
	r.add(more)
	return nil
}

func sayHelloIsolated(ctx context.Context, pool *isolate.Pool, box isolate.Box) (float64, error) {
	var out bytes.Buffer
	start := time.Now()
	err := pool.Run(ctx, box, &runtime.Cmd{Args: []string{"python3", "-c", hello}, Stdout: &out, Stderr: &out})
	took := microseconds(time.Since(start))
	if err == nil && out.String() != "hello\n" {
		err = fmt.Errorf("hello is answered by %q", out.String())
	}
	return took, err
}
