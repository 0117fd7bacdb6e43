package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"boxer.dev/internal/repeatable"
	"boxer.dev/runtime/wasi"
)

// What a run is shown of time and chance. With Limits.Deterministic, nothing reaches a program that is not the same for the
// next run of the same command on the same box and input:
//
//   - Time begins at the same moment. Each program has a clock of its own, which moves when it is read and when it sleeps; files
//     get the time at which the run has arrived by sleeping.
//   - Each program draws random numbers of its own, which follow from the seed and what it was started with. So the programs of
//     a pipeline, which run at the same time, do not take them away from each other.
//   - Input comes line by line, however it was written, and asking whether there is any is answered by yes: a read waits.
//   - Files of the host have the times that they had before the run, and inode numbers made of their names (vfs.MountOptions).
//   - The size of a terminal is always the same.
//
// What remains are the programs of a pipeline: what they write to one file, and which process ids they get, depends on who comes
// first.

// elapsed is how far a run has moved the clock by sleeping.
type elapsed struct{ atomic.Int64 }

// clock makes the clock of a run of its wall clock: if that is not the host's, neither are the others. Time that is made up
// is not waited for: a sleep moves the clock and returns, so that a program which waits for a time to come sees it come.
func (e *elapsed) clock(now func() time.Time) wasi.Clock {
	if now == nil {
		return wasi.Clock{}
	}
	wall := func() time.Time { return now().Add(time.Duration(e.Load())) }
	start := wall()
	sleep := func(ctx context.Context, d time.Duration) error {
		e.Add(int64(d))
		return ctx.Err()
	}
	return wasi.Clock{Now: wall, Monotonic: func() time.Duration { return wall().Sub(start) }, Sleep: sleep}
}

// withhold puts what is the same in each run in the place of the time and the randomness that the run may not see.
func (c *Cmd) withhold() {
	l := c.Limits
	switch {
	case l.Deterministic && c.Now == nil:
		c.Now = func() time.Time { return repeatable.Epoch }
	case l.FixedClock && c.Now == nil:
		c.Now = repeatable.Clock(repeatable.Epoch)
	}
	switch {
	case l.NoRandom:
		c.Random = noRandom{}
	case l.SeededRandom && c.Random == nil:
		c.Random = repeatable.Random(c.seed())
	}
	if !l.Deterministic {
		return
	}
	if c.Terminal != nil {
		c.Terminal = &Terminal{}
	} else if c.Stdin != nil {
		c.Stdin = &lines{from: c.Stdin}
	}
}

func (c *Cmd) seed() (seed [32]byte) {
	binary.LittleEndian.PutUint64(seed[:], c.Seed)
	return seed
}

// noRandom is a source that has nothing.
type noRandom struct{}

func (noRandom) Read([]byte) (int, error) { return 0, syscall.EPERM }

// chances gives each program of a deterministic run a source of its own.
type chances struct {
	lock  sync.Mutex
	times map[[32]byte]uint64 // that a command was started
}

// of follows from the run's seed, the command and how often it was started.
func (o *chances) of(seed [32]byte, c command) io.Reader {
	hash := sha256.New()
	for _, words := range [][]string{c.args, c.env, {c.dir}} {
		fmt.Fprintf(hash, "%d %q\n", len(words), words)
	}
	hash.Write(seed[:])
	key := [32]byte(hash.Sum(nil))
	o.lock.Lock()
	defer o.lock.Unlock()
	if o.times == nil {
		o.times = map[[32]byte]uint64{}
	}
	n := o.times[key]
	o.times[key]++
	for i := range 8 {
		key[i] ^= byte(n >> (8 * i))
	}
	return repeatable.Random(key)
}

// settle makes a program's surroundings its own, in a deterministic run.
func (s *sandbox) settle(p *wasi.Process, c command) {
	if !s.cmd.Limits.Deterministic {
		return
	}
	var reads atomic.Int64
	p.Clock = s.slept.clock(func() time.Time { return s.cmd.Now().Add(time.Duration(reads.Add(1)) * time.Microsecond) })
	p.Clock.Off = s.cmd.Limits.NoClock
	if !s.cmd.Limits.NoRandom {
		p.Random = s.chances.of(s.cmd.seed(), c)
	}
	p.Patient = true
}

// lines gives an input line by line, so that a program reads the same in the same steps however it was written.
type lines struct {
	from io.Reader
	held []byte
	err  error
}

const heldLines = 64 << 10 // bytes that are read ahead

func (l *lines) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(l.held) == 0 {
			if err := l.fetch(); err != nil {
				if n > 0 {
					return n, nil
				}
				l.err = nil // a terminal's end of file is told once
				return 0, err
			}
		}
		line := l.held
		if end := slices.Index(line, '\n'); end >= 0 {
			line = line[:end+1]
		}
		took := copy(p[n:], line)
		l.held, n = l.held[took:], n+took
		if p[n-1] == '\n' {
			break
		}
	}
	return n, nil
}

func (l *lines) fetch() error {
	if l.err != nil {
		return l.err
	}
	buffer := make([]byte, heldLines)
	var n int
	for n == 0 && l.err == nil {
		n, l.err = l.from.Read(buffer)
	}
	l.held = buffer[:n]
	if n > 0 {
		return nil
	}
	return l.err
}

// SetReadDeadline wakes a Read, where that is possible.
func (l *lines) SetReadDeadline(t time.Time) error {
	if d, ok := l.from.(interface{ SetReadDeadline(time.Time) error }); ok {
		return d.SetReadDeadline(t)
	}
	return errors.ErrUnsupported
}
