package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Fork gives another session in the state of this one: the same objects in memory, the same files. From then on nothing that
// one of them does can be seen by the other, but what mounts show of the host. Files that are open are open in the fork,
// too, at the same place, unless they have been removed; calls of functions that go on are not in the fork. It takes as long
// as it takes to copy the memory that the session has written.
func (s *Session) Fork(ctx context.Context) (_ *Session, err error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.give()
	if s.live == nil {
		return nil, s.ended
	}
	own, granted := *s.cmd, *s.cmd
	granted.FS = s.sandbox.tree.Fork()
	f := &Session{turn: make(chan struct{}, 1), cmd: &own, program: s.program, path: s.path, image: s.image}
	if f.sandbox, err = s.sandbox.box.sandbox(&granted); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	f.sandbox.pids.Store(s.sandbox.pids.Load())
	f.sandbox.slept.Store(s.sandbox.slept.Load())
	f.sandbox.configure(s.cmd.Limits.ReadOnly)
	if f.process, err = s.process.Fork(f.sandbox.tree); err != nil {
		return nil, err
	}
	s.forks++
	f.first = s.first
	f.first.args = append(slices.Clone(s.first.args), fmt.Sprint("fork ", s.forks)) // its random numbers follow from them
	fresh := f.sandbox.process(f.first)
	f.process.Functions, f.process.Random = fresh.Functions, fresh.Random
	if s.cmd.Now != nil { // time is made up: each has its own from now on
		clock := &f.process.Clock
		older := clock.Monotonic() - fresh.Clock.Monotonic()
		clock.Now, clock.Sleep = fresh.Clock.Now, fresh.Clock.Sleep
		clock.Monotonic = func() time.Duration { return fresh.Clock.Monotonic() + older }
	}
	return f, f.bounded(ctx, Execution{}, func(ctx context.Context) error { return f.copyOf(ctx, s.live) })
}

// copyOf makes the instance.
func (s *Session) copyOf(ctx context.Context, from *instance) error {
	i, err := s.program.instance(ctx, s.image, s.sandbox.memory)
	if errors.Is(err, errMemory) && s.sandbox.memory != nil {
		err = s.sandbox.tooSmall()
	}
	if err != nil {
		return err
	}
	i.initialize = nil
	if err := i.copy(from, s.program.globals); err != nil {
		i.close()
		return err
	}
	s.live = i
	if forked := i.module.ExportedFunction(exportForked); forked != nil {
		leave := i.enter(ctx)
		_, err = forked.Call(ctx)
		leave()
	}
	return err
}
