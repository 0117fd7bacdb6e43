package isolate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"

	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/vfs"
)

// mainCalled is whether this executable can be a worker.
var mainCalled atomic.Bool

var (
	errNoMain    = errors.New("this program cannot be a worker: its main does not begin with isolate.Main(), and Pool.Executable names no other")
	errNotPooled = errors.New("a worker is started by a pool only")
)

// Main makes this process a worker if it was started as one, and then does not return. A program that has a [Pool] without
// Executable calls it before anything else.
func Main() {
	mainCalled.Store(true)
	if len(os.Args) != 1 || os.Args[0] != argument {
		return
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// gcPercent has a worker collect garbage less often: its heap is small, and runs come one by one.
const gcPercent = 400

// work is a worker's life.
func work() error {
	ends, err := pooled()
	if err != nil {
		return err
	}
	s := &server{line: ends, jobs: map[int]*job{}}
	k, message, err := s.runs.receive()
	if err != nil {
		return err
	}
	var asked spec
	if k != kindSpec || json.Unmarshal(message, &asked) != nil || asked.Version != version {
		return errMalformed
	}
	if !asked.Sessions {
		debug.SetGCPercent(gcPercent)
		if asked.DataLimit > 0 { // garbage must not be what meets it
			debug.SetMemoryLimit(int64(asked.DataLimit / 2))
		}
	}
	if err := s.prepare(&asked); err != nil {
		return s.sayReady(ready{Version: version, Error: err.Error(), Hint: hintOf(err)})
	}
	walls := raiseWalls(&asked)
	outcome := ""
	if asked.Early {
		outcome = attempt(asked.Attempt)
	}
	if asked.compilesBehindWalls() {
		if err := s.compile(&asked); err != nil {
			return s.sayReady(ready{Version: version, Error: err.Error(), Hint: hintOf(err)})
		}
		walls = completeWalls(&asked, walls)
	}
	if s.engine != nil {
		s.engine.Seal()
	}
	if !asked.Early {
		outcome = attempt(asked.Attempt)
	}
	if err := s.sayReady(ready{Version: version, Walls: walls, Outcome: outcome}); err != nil {
		return err
	}
	go s.listen()
	if asked.Sessions {
		return s.hold()
	}
	return s.serve()
}

// alone ends a worker whose run cannot be ended, and takes memory. Sessions have nothing that would.
func alone(asked *spec) func(error) {
	if asked.Sessions {
		return nil
	}
	return func(err error) {
		fmt.Fprintf(os.Stderr, "fatal error: %s: %v\n", outOfMemory, err)
		os.Exit(1)
	}
}

func (s *server) sayReady(r ready) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.send(kindReady, text)
}

func hintOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

// prepare opens and loads all that runs will need. Nothing of a box is executed.
func (s *server) prepare(asked *spec) error {
	if !bornOf(asked.Parent) {
		return errNotPooled
	}
	if len(asked.Layers) == 0 {
		return nil
	}
	ctx := context.Background()
	engine, err := runtime.New(ctx, runtime.Options{
		CacheDir: asked.Engine.CacheDir, Keep: asked.Engine.Keep, CleanLater: !asked.Sessions, Alone: alone(asked),
		Warn: func(err error) { _ = s.send(kindWarning, []byte(err.Error())) },
		Progress: func(p runtime.Progress) {
			text, _ := json.Marshal(p)
			_ = s.send(kindProgress, text)
		},
	})
	if err != nil {
		return err
	}
	s.engine = engine
	root := &oci.Rootfs{Config: asked.Config}
	for _, file := range asked.Layers {
		layer, err := vfs.OpenLayer(file)
		if err != nil {
			return err
		}
		root.Layers = append(root.Layers, layer)
	}
	if s.box, err = engine.Load(root); err != nil {
		return err
	}
	if err := s.open(asked); err != nil {
		return err
	}
	if asked.Foreign {
		engine.Part()
	} else if err := s.load(asked); err != nil {
		return err
	}
	if !asked.Brought {
		return nil
	}
	brought, err := openBrought()
	if err != nil {
		return err
	}
	root.Layers = append(root.Layers, brought)
	s.box, err = engine.Load(root)
	return err
}

// load has the engine load what runs will need.
func (s *server) load(asked *spec) error {
	for _, message := range asked.Prepare {
		like, err := decodeRequest(message)
		if err != nil {
			return err
		}
		// What keeps a run from being prepared for is what the run itself ends with.
		if asked.Sessions {
			_ = s.box.PrepareSession(context.Background(), s.command(like), asked.Whole)
		} else {
			_ = s.box.Prepare(context.Background(), s.command(like), asked.Whole)
		}
	}
	return nil
}

// compile loads what was brought, behind walls: the compiler is what it attacks. What is of the box has been loaded before.
func (s *server) compile(asked *spec) error {
	s.engine.Part()
	return s.load(asked)
}

// open opens what will be mounted.
func (s *server) open(asked *spec) error {
	for _, m := range asked.Mounts {
		source, err := runtime.OpenSource(m.Source)
		if err != nil {
			return fmt.Errorf("mounting %q at %q: %w", m.Source, m.Target, err)
		}
		s.mounts = append(s.mounts, runtime.Mount{Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly, Opened: source})
	}
	for _, m := range asked.Preopens {
		source, err := runtime.OpenSource(m.Source)
		if err != nil {
			return fmt.Errorf("opening %q as %q: %w", m.Source, m.Target, err)
		}
		s.preopens = append(s.preopens, runtime.Preopen{Source: m.Source, Guest: m.Target, ReadOnly: m.ReadOnly, Opened: source})
	}
	return nil
}
