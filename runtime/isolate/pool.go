package isolate

import (
	"context"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"boxer.dev/internal/hint"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

// Pool runs boxes in workers. Its zero value works in programs whose main begins with [Main]. Its fields must not be changed once
// it is used; all methods are safe for concurrent use.
type Pool struct {
	// Executable is what workers are: the path of boxer, or of another program that begins with Main. "": this one.
	Executable string
	// CacheDir is where workers find machine code, and leave it: see runtime.Options.
	CacheDir string
	// Workers is how many processes there are at most, which is how many runs go on at once. Further ones wait. 0: two for each
	// core, at least four.
	Workers int
	// Runs is how many runs a worker has before another takes its place. 0: any number.
	Runs int
	// Sessions is how many sessions of a box and tenant one worker holds, besides their forks, which stay with them. Workers that hold
	// sessions are not counted among Workers: how many there are follows from the sessions. 0: 16.
	Sessions int
	// Memory bounds what a worker may write to in memory, in bytes: what its run uses and 512 MiB of its own should fit. A run
	// that meets the bound is told that there is no more, or loses its worker. One that holds sessions may write so much for each of Sessions.
	// 0: no bound. Linux only.
	Memory int64
	// Margin is how long after the end of its context or of its time a run may take to end before its worker is killed. 0: one
	// second.
	Margin time.Duration
	// Busy says that many runs go on at the same time. Then Go's poller waits for all workers, not a thread for each: there are
	// more runs in a second, each of which takes some microseconds longer. Linux only.
	Busy bool
	// Require refuses to run anything where landlock or seccomp are missing. Without it that is a warning.
	Require bool
	// Progress and Warn, if not nil, are told what runtime.Options says.
	Progress func(runtime.Progress)
	Warn     func(error)

	compileTime time.Duration // in place of the usual one

	running atomic.Int32 // runs
	serial  atomic.Int64 // of what workers were asked for, and of sessions
	mutex   sync.Mutex
	classes map[classKey]*class
	living  int       // workers that are there or about to be
	waiting []*waiter // for one, in their order
	closed  bool
	warned  bool
	ending  sync.WaitGroup // processes, and what waits for their successors
	open    map[*worker]bool
	halls   map[hallKey][]*hall
	spares  []*hall // that have no sessions, the oldest first

	life context.Context // of workers that are being started; nil: there have been none
	cut  context.CancelFunc
}

func (p *Pool) nextSerial() int { return int(p.serial.Add(1)) }

// Box is what a worker is for. Two boxes of the same image, tenant and mounts share workers.
type Box struct {
	Root *oci.Rootfs // must stay open as long as it is used
	// Tenant keeps the runs of one apart from those of another: they never share a worker.
	Tenant string
	// Foreign says that the box comes from whoever asks for its runs. Its programs are compiled behind the worker's walls, and their
	// code is not kept.
	Foreign bool
}

// waiter waits for a worker of a class, or for the room to start one: nil.
type waiter struct {
	class *class
	since time.Time
	turn  chan *worker
}

var errClosed = errors.New("the pool of workers is closed")

// maxWait is how long a run of another class waits for one that could go on at once.
const maxWait = 100 * time.Millisecond

func (p *Pool) executable() (string, error) {
	switch {
	case p.Executable != "":
		return p.Executable, nil
	case !mainCalled.Load():
		return "", errNoMain
	case self != "":
		return self, nil
	}
	return os.Executable()
}

func (p *Pool) most() int {
	if p.Workers > 0 {
		return p.Workers
	}
	return max(4, 2*goruntime.GOMAXPROCS(0))
}

func (p *Pool) warn(err error) {
	if p.Warn != nil {
		p.Warn(err)
	}
}

// Run runs a command in a worker, and ends as runtime.Box.Run does, or with a *WorkerError. What it needs to be started anew for,
// mounts and programs that no run has had before, costs some ten milliseconds.
//
// Files of the command that are WebAssembly modules, and executable or named as what it starts, are programs that it brings. They are
// compiled in a worker of their own, behind its walls, in memory; further runs of the tenant with the same programs find it ready.
func (p *Pool) Run(ctx context.Context, b Box, c *runtime.Cmd) error {
	class, c, err := p.class(b, c)
	if err != nil {
		return err
	}
	defer p.left(class)
	ask, files, err := newRequest(c)
	if err != nil {
		return err
	}
	ask.serial = p.nextSerial()
	message, err := ask.encode()
	if err != nil {
		return err
	}
	alone := p.running.Add(1) == 1 && !p.Busy && goruntime.GOMAXPROCS(0) > 1
	defer p.running.Add(-1)
	taught := 0
	for range p.most() + 2 {
		w, err := p.acquire(ctx, class, ask)
		if err != nil {
			return err
		}
		w.given++
		x := exchange{worker: w, command: c, margin: p.Margin, request: ask, alone: alone}
		err = x.run(ctx, message, files)
		p.release(w)
		switch {
		case errors.Is(err, errUnread): // it had died before
		case errors.Is(err, errUnprepared) && taught < 2: // what it starts, and that no image serves it
			taught++
			if err := p.teach(class, ask); err != nil {
				return err
			}
		default:
			return err
		}
	}
	return &WorkerError{Reason: "one worker after another died before it had begun with the run"}
}

// Warm starts workers for runs like c ahead of them, so that there are n.
func (p *Pool) Warm(ctx context.Context, b Box, c *runtime.Cmd, n int) error {
	class, c, err := p.class(b, c)
	if err != nil {
		return err
	}
	defer p.left(class)
	ask, _, err := newRequest(c)
	if err != nil {
		return err
	}
	var workers []*worker
	for range min(n, p.most()) {
		w, failed := p.acquire(ctx, class, ask)
		if failed != nil {
			err = failed
			break
		}
		workers = append(workers, w)
	}
	for _, w := range workers {
		p.release(w)
	}
	return err
}

// acquire gives a worker to be released.
func (p *Pool) acquire(ctx context.Context, c *class, ask *request) (*worker, error) {
	p.mutex.Lock()
	if p.closed {
		p.mutex.Unlock()
		return nil, errClosed
	}
	if last := len(c.idle) - 1; last >= 0 {
		w := c.idle[last]
		c.idle = c.idle[:last]
		p.mutex.Unlock()
		return w, nil
	}
	if p.living < p.most() || p.evict() {
		p.living++
		p.mutex.Unlock()
		return p.start(ctx, c, ask)
	}
	mine := &waiter{class: c, since: time.Now(), turn: make(chan *worker, 1)}
	p.waiting = append(p.waiting, mine)
	p.mutex.Unlock()
	select {
	case w := <-mine.turn:
		if w != nil {
			return w, nil
		}
		return p.start(ctx, c, ask)
	case <-ctx.Done():
		p.leave(mine)
		return nil, fmt.Errorf("waiting for a worker: %w", context.Cause(ctx))
	}
}

// leave takes a waiter back. If its turn has come meanwhile, it goes to the next one.
func (p *Pool) leave(mine *waiter) {
	p.mutex.Lock()
	at := slices.Index(p.waiting, mine)
	if at >= 0 {
		p.waiting = slices.Delete(p.waiting, at, at+1)
	}
	p.mutex.Unlock()
	if at >= 0 {
		return
	}
	if w := <-mine.turn; w != nil {
		p.release(w)
	} else {
		p.vacate()
	}
}

// evict makes room by ending a worker that has nothing to do, of those that have not been asked for for the longest time.
func (p *Pool) evict() bool {
	var oldest *class
	for _, c := range p.classes {
		if len(c.idle) > 0 && (oldest == nil || c.used < oldest.used) {
			oldest = c
		}
	}
	if oldest == nil {
		return false
	}
	p.end(oldest.idle[0])
	oldest.idle = slices.Delete(oldest.idle, 0, 1)
	return true
}

// end ends a worker. The mutex is held.
func (p *Pool) end(w *worker) {
	p.living--
	delete(p.open, w)
	w.discard()
}

// start starts a worker for which there is room. It is started to the end, for whoever comes next, if this one has no time for that;
// but not if it compiles what this one has brought.
func (p *Pool) start(ctx context.Context, c *class, ask *request) (*worker, error) {
	if c.spec.compilesBehindWalls() {
		return p.startNow(ctx, c, ask)
	}
	var w *worker
	var err error
	started := make(chan struct{})
	p.mutex.Lock()
	p.hold(c)
	life := p.lives()
	p.mutex.Unlock()
	p.ending.Go(func() {
		defer p.left(c)
		w, err = p.startNow(life, c, ask)
		close(started)
	})
	select {
	case <-started:
		return w, err
	case <-ctx.Done():
		p.ending.Go(func() {
			if <-started; err == nil {
				p.release(w)
			}
		})
		return nil, fmt.Errorf("waiting for a worker: %w", context.Cause(ctx))
	}
}

// lives ends with the pool. The mutex is held.
func (p *Pool) lives() context.Context {
	if p.life == nil {
		p.life, p.cut = context.WithCancel(context.Background())
		if p.closed {
			p.cut()
		}
	}
	return p.life
}

func (p *Pool) startNow(ctx context.Context, c *class, ask *request) (*worker, error) {
	p.mutex.Lock()
	var err error
	if c.lessons == 0 { // the first run is what the others will be like
		err = c.learn(ask)
	}
	if p.closed {
		err = errClosed
	}
	s, lessons := c.spec, c.lessons
	p.mutex.Unlock()
	var w *worker
	if err == nil {
		w, err = p.startWorker(ctx, &s)
	}
	if err == nil && w.compiled && s.DataLimit > 0 && p.CacheDir != "" && !s.compilesBehindWalls() {
		w.discard() // of what it may have, the compiler's heap would be a part; the next one finds the code in the cache
		w, err = p.startWorker(ctx, &s)
	}
	if err == nil {
		w.class, w.lessons = c, lessons
		err = p.check(w)
	}
	if err != nil {
		if p.vacate(); p.isClosed() {
			err = errClosed // of which the end of this worker follows
		}
		return nil, err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.closed {
		w.discard()
		return nil, errClosed
	}
	if p.open == nil {
		p.open = map[*worker]bool{}
	}
	p.open[w] = true
	return w, nil
}

// check looks at a worker's walls.
func (p *Pool) check(w *worker) error {
	missing := missingWalls(w.walls)
	if missing == "" {
		return nil
	}
	err := fmt.Errorf("isolated runs are without %s here", printable(missing))
	if p.Require {
		w.discard()
		return hint.To(err, "without Pool.Require, as `boxer run --isolate`, they make do with the walls that there are")
	}
	p.mutex.Lock()
	warned := p.warned
	p.warned = true
	p.mutex.Unlock()
	if !warned {
		p.warn(err)
	}
	return nil
}

func (p *Pool) isClosed() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.closed
}

// vacate gives up the room of a worker that is not there any more.
func (p *Pool) vacate() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(p.waiting) > 0 && !p.closed {
		p.next().turn <- nil
		return
	}
	p.living--
}

// next takes the first waiter.
func (p *Pool) next() *waiter {
	first := p.waiting[0]
	p.waiting = slices.Delete(p.waiting, 0, 1)
	return first
}

// release takes a worker back.
func (p *Pool) release(w *worker) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	c := w.class
	if c.gone {
		p.leaveGone(w)
		return
	}
	if w.killed.Load() || p.closed || p.Runs > 0 && w.given >= p.Runs || w.lessons < c.lessons {
		p.replace(w)
		return
	}
	if len(p.waiting) == 0 {
		c.idle = append(c.idle, w)
		return
	}
	at := slices.IndexFunc(p.waiting, func(x *waiter) bool { return x.class == c })
	if at < 0 || at > 0 && time.Since(p.waiting[0].since) > maxWait {
		w.discard()
		delete(p.open, w)
		p.next().turn <- nil
		return
	}
	p.waiting[at].turn <- w
	p.waiting = slices.Delete(p.waiting, at, at+1)
}

// replace ends a worker, and starts another one in its place, for whoever waits or may come.
func (p *Pool) replace(w *worker) {
	w.discard()
	delete(p.open, w)
	switch {
	case p.closed:
		p.living--
	case len(p.waiting) > 0:
		p.next().turn <- nil
	case p.living > 1 || w.given > 1: // whoever ran one thing once does not wait for another
		p.ending.Go(func() { p.restart(w.class) })
	default:
		p.living--
	}
}

func (p *Pool) restart(c *class) {
	w, err := p.start(context.Background(), c, nil)
	if err != nil {
		if !errors.Is(err, errClosed) {
			p.warn(err)
		}
		return
	}
	p.release(w)
}

// Signal sends a signal to all workers, where there are signals.
func (p *Pool) Signal(s os.Signal) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for w := range p.open {
		_ = w.process.Process.Signal(s)
	}
}

// Close ends all workers, and with them what they run.
func (p *Pool) Close() error {
	p.mutex.Lock()
	p.closed = true
	if p.life != nil {
		p.cut()
	}
	for w := range p.open {
		w.kill()
	}
	for _, x := range p.waiting {
		x.turn <- nil
	}
	p.waiting = nil
	for _, c := range p.classes {
		p.drop(c)
	}
	p.mutex.Unlock()
	p.ending.Wait()
	return nil
}
