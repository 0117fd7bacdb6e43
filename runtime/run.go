package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"boxer.dev/runtime/memory"
	"boxer.dev/runtime/wasi"
	"boxer.dev/vfs"
)

const defaultUmask fs.FileMode = 0o022

// sandbox is the surroundings of one run: what all of its programs share.
type sandbox struct {
	engine   *Engine
	box      *Box
	cmd      *Cmd
	tree     *vfs.FS
	preopens []wasi.Preopen
	clock    wasi.Clock
	meter    meter
	fuel     *fuel // nil: none is counted
	pids     atomic.Uint32
	mounted  []string
	roots    []*os.Root

	memory *memory.Account // of all programs; nil: no bound
	heap   *heapWatch      // of shells and utilities; nil: no bound
	output output
	grace  grace

	interrupted atomic.Bool
	cpu         *cpuAccount // nil: nobody wants to know
	slept       elapsed
	chances     chances
	since       time.Time
	refusals    int64      // of changes to the tree before the run
	held        vfs.Limits // by the tree before the run
	end         context.CancelCauseFunc
	begun       sync.Once
	deadline    *time.Timer

	lend    sync.Once
	lent    lent // what Cmd.Functions is to programs
	running running
}

// Run runs a command to its end. The error is nil if that is exit status 0, an *ExitError for another status, and else
// says why the command did not start or was ended; ExitStatus turns it into a number.
//
// When ctx ends, or the run reaches a limit that ends it, the program ends wherever it is, within milliseconds.
//
// A run that is not granted what the box's Boxfile ALLOWs for does not start: *capability.MissingError.
func (b *Box) Run(ctx context.Context, c *Cmd) (err error) {
	start := time.Now()
	if c, err = b.granted(c); err != nil {
		return err
	}
	s, err := b.sandbox(c)
	if err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	defer s.passSignals()()
	defer func() {
		if closing := s.close(); err == nil {
			err = closing
		}
		s.account(time.Since(start))
	}()
	first, err := b.command(s, c)
	if err != nil {
		return err
	}
	if err := bring(s.tree, first.dir, c.Files, first.user); err != nil {
		return err
	}
	if c.FS == nil && c.Limits.ReadOnly {
		s.configure(true) // now that the working directory and the files are there
	}
	if c.Collect != nil {
		defer func() {
			if failed := c.Collect.collect(s.tree, first.dir); err == nil {
				err = failed
			}
		}()
	}
	s.meter.add(Stats{Lookup: time.Since(start)})
	s.until(ctx.Done())
	defer s.until(nil)
	return s.explain(s.atLimit(ctx, s.exec(ctx, first)))
}

// until makes what programs wait for in their trees end with the run.
func (s *sandbox) until(done <-chan struct{}) {
	s.tree.Until(done)
	for _, p := range s.preopens {
		if p.FS != nil {
			p.FS.Until(done)
		}
	}
}

// account fills in what the caller wants to know of the run.
func (s *sandbox) account(total time.Duration) {
	stats := s.cmd.Stats
	if stats == nil {
		return
	}
	*stats = s.meter.total()
	stats.Calls = s.lent.answered.Load()
	stats.Total, stats.CPU, stats.Output = total, s.cpu.used(), s.output.written.Load()
	used := s.tree.Used()
	stats.WrittenBytes, stats.WrittenFiles = max(0, used.Bytes-s.held.Bytes), max(0, used.Files-s.held.Files)
	if s.fuel != nil {
		stats.Fuel = s.fuel.total()
	}
	if s.memory != nil {
		stats.PeakMemory = max(stats.PeakMemory, s.memory.Peak())
	}
}

// sandbox prepares the tree of a run.
func (b *Box) sandbox(c *Cmd) (_ *sandbox, err error) {
	s := &sandbox{engine: b.engine, box: b, cmd: c, tree: c.FS, since: time.Now()}
	s.clock = s.slept.clock(c.Now)
	s.clock.Off = c.Limits.NoClock
	s.output.end = func() { s.end(s.reached(Limits{Output: s.output.limit}, OutcomeOutputLimit)) }
	c.Stdout, c.Stderr = s.output.stream(c.Stdout, nil), s.output.stream(c.Stderr, &s.output.tail)
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.renew()
	if s.tree == nil {
		s.tree = b.tree.Fork()
		s.configure(false)
	}
	s.refusals, s.held = s.tree.Refusals(), s.tree.Used()
	if c.Limits.Memory > 0 {
		s.memory, s.heap = memory.NewAccount(uint64(c.Limits.Memory)), s.newHeapWatch()
	}
	devices := vfs.Devices(vfs.DeviceSet{
		Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr, Random: c.Random, Terminal: c.Terminal != nil,
	})
	if err := s.mount("/dev", devices, vfs.MountOptions{}); err != nil {
		return nil, err
	}
	for _, m := range c.Mounts {
		if err := s.mountHost(m); err != nil {
			return nil, fmt.Errorf("mounting %q at %q: %w", m.Source, m.Target, err)
		}
	}
	for _, p := range c.Preopens {
		if err := s.preopen(p); err != nil {
			return nil, fmt.Errorf("opening %q as %q: %w", p.Source, p.Guest, err)
		}
	}
	return s, nil
}

// renew opens the accounts of time, fuel and output, with nothing on them.
func (s *sandbox) renew() {
	s.begun, s.grace, s.deadline, s.fuel, s.cpu = sync.Once{}, grace{}, nil, nil, nil
	c := s.cmd
	switch {
	case c.Limits.Fuel > 0:
		s.fuel = &fuel{limit: c.Limits.Fuel, end: s.outOfFuel}
	case c.CountFuel:
		s.fuel = &fuel{limit: math.MaxInt64}
	}
	if limit := c.Limits.CPU; limit > 0 || c.Stats != nil {
		s.cpu = &cpuAccount{limit: limit, end: func() { s.over(s.reached(Limits{CPU: limit}, OutcomeCPULimit), Deadline) }}
	}
	s.output.renew(c.Limits.Output)
}

// configure gives the run's own tree its properties.
func (s *sandbox) configure(readOnly bool) {
	limits := vfs.Limits{Bytes: s.cmd.Limits.Writable, Files: s.cmd.Limits.Files}
	s.tree.Configure(vfs.Config{Now: s.clock.Now, Limits: limits, ReadOnly: readOnly})
}

// command is the first command of a run.
func (b *Box) command(s *sandbox, c *Cmd) (command, error) {
	argv, err := b.argv(c)
	if err != nil {
		return command{}, err
	}
	who, err := lookupUser(s.tree, b.user(c))
	if err != nil {
		return command{}, err
	}
	dir := b.dir(c)
	if dir != "/" {
		if err := s.tree.MkdirAll(dir, 0o755); err != nil {
			return command{}, fmt.Errorf("making the working directory: %w", &PlaceError{dir, err})
		}
	}
	return command{
		args: argv, env: b.environ(c), dir: dir, user: who, umask: defaultUmask,
		stdin: c.Stdin, stdout: c.Stdout, stderr: c.Stderr,
	}, nil
}

// close takes the mounts out of the caller's tree again, and closes the host's files. A tree of the run's own goes with
// its mounts.
func (s *sandbox) close() error {
	var errs []error
	if s.cmd.FS != nil {
		// A mount goes before the one that it lies in, whichever was made first. Its path is the longer one.
		slices.SortFunc(s.mounted, func(a, b string) int { return len(b) - len(a) })
		for _, at := range s.mounted {
			errs = append(errs, s.tree.Unmount(at))
		}
	}
	for _, root := range s.roots {
		errs = append(errs, root.Close())
	}
	return errors.Join(errs...)
}

func (s *sandbox) mount(at string, source vfs.Source, o vfs.MountOptions) error {
	if err := s.tree.Mount(at, source, o); err != nil {
		return err
	}
	s.mounted = append(s.mounted, at)
	return nil
}

var errRelative = errors.New("the path in the box must be absolute")

func (s *sandbox) mountHost(m Mount) error {
	if !path.IsAbs(m.Target) {
		return errRelative
	}
	readOnly := m.ReadOnly || s.cmd.Limits.ReadOnly
	source, err := s.hostSource(m.Source, m.Opened, readOnly)
	if err != nil {
		return err
	}
	return s.mount(path.Clean(m.Target), source, s.mountOptions(readOnly))
}

// hostTick is more than a file's time can lag behind the clock.
const hostTick = 20 * time.Millisecond

func (s *sandbox) mountOptions(readOnly bool) vfs.MountOptions {
	o := vfs.MountOptions{ReadOnly: readOnly}
	if s.cmd.Limits.Deterministic {
		o.Stable = &vfs.Stable{Begin: s.since.Add(-hostTick), Shown: s.cmd.Now()}
	}
	return o
}

// preopen gives programs a host directory in a tree of its own, so that it has exactly the name asked for and nothing
// above it. One called "/" stands in the place of the box's tree.
func (s *sandbox) preopen(p Preopen) error {
	readOnly := p.ReadOnly || s.cmd.Limits.ReadOnly
	source, err := s.hostSource(p.Source, p.Opened, readOnly)
	if err != nil {
		return err
	}
	tree := vfs.New()
	if err := tree.Mount("/", source, s.mountOptions(readOnly)); err != nil {
		return err
	}
	s.preopens = append(s.preopens, wasi.Preopen{Name: p.Guest, Path: "/", FS: tree})
	return nil
}

// process is what a program of the run sees.
func (s *sandbox) process(c command) *wasi.Process {
	p := &wasi.Process{
		FS: s.tree, Args: c.args, Env: c.env, Dir: c.dir,
		Stdin: c.stdin, Stdout: c.stdout, Stderr: c.stderr,
		PID: s.pids.Add(1), UID: c.user.uid, GID: c.user.gid, Umask: c.umask,
		Clock: s.clock, Random: s.cmd.Random, Terminal: s.terminal(c), Functions: s.functions(), MaxFiles: int(min(s.cmd.Limits.OpenFiles, math.MaxInt32)),
	}
	if len(s.preopens) > 0 {
		p.Preopens = withRoot(s.preopens)
	}
	s.settle(p, c)
	return p
}

// withRoot puts the box's root in front of pre-opened directories that do not replace it.
func withRoot(preopens []wasi.Preopen) []wasi.Preopen {
	for _, p := range preopens {
		if path.Clean(p.Name) == "/" {
			return preopens
		}
	}
	return append([]wasi.Preopen{{Name: "/"}}, preopens...)
}

// terminal says which of a command's streams are the run's own, and so its terminal's.
func (s *sandbox) terminal(c command) wasi.Terminal {
	if s.cmd.Terminal == nil {
		return wasi.Terminal{}
	}
	return wasi.Terminal{
		Stdin:  same(c.stdin, s.cmd.Stdin),
		Stdout: same(c.stdout, s.cmd.Stdout),
		Stderr: same(c.stderr, s.cmd.Stderr),
		Size:   s.cmd.Terminal.Size,
	}
}

// stopwatch starts; each call of what it returns gives the time since the one before.
func stopwatch() func() time.Duration {
	last := time.Now()
	return func() time.Duration {
		now := time.Now()
		elapsed := now.Sub(last)
		last = now
		return elapsed
	}
}
