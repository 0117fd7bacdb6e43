package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"boxer.dev/internal/coreutils"
	"boxer.dev/internal/shell"
	"boxer.dev/runtime/memory"
	"boxer.dev/runtime/wasi"
)

// command is what execve(2) is told, and what it would have inherited.
type command struct {
	args           []string // args[0] is looked up
	env            []string
	dir            string
	stdin          io.Reader
	stdout, stderr io.Writer
	umask          fs.FileMode
	user           user
}

// maxNesting is how deep programs may start programs. Each level is a call within this process: a script that starts
// itself must run into an error before it runs out of stack.
const maxNesting = 64

type nestingKey struct{}

func depthOf(ctx context.Context) int {
	depth, _ := ctx.Value(nestingKey{}).(int)
	return depth
}

// exec runs a command and returns what Run does.
func (s *sandbox) exec(ctx context.Context, c command) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%q was not started: %w", c.args[0], ended(ctx))
	}
	depth := depthOf(ctx)
	if depth == maxNesting {
		reason := fmt.Sprintf("programs start each other more than %d deep", maxNesting)
		return &NotExecutableError{Path: c.args[0], Reason: reason, err: syscall.ELOOP}
	}
	ctx = context.WithValue(ctx, nestingKey{}, depth+1)
	watch := stopwatch()
	find := s.find
	if depth == 0 {
		find = s.findFirst
	}
	found, err := find(&c)
	s.meter.add(Stats{Lookup: watch()})
	if err != nil {
		return err
	}
	switch {
	case depth == 0 && !s.ready(found):
		return s.unprepared(ctx, found)
	case found.utility != nil:
		return s.runUtility(ctx, found.utility, c)
	case found.shell:
		return s.runShell(ctx, c)
	}
	return s.runModule(ctx, found, c)
}

func (s *sandbox) runModule(ctx context.Context, found executable, c command) (err error) {
	stats := Stats{Programs: 1}
	defer func() { s.meter.add(stats) }()
	found.module.meters = s.metering()
	module := found.module
	image := s.imageFor(module.digest)
	if image != nil {
		module.form = restorable
	}
	p, err := s.fetch(ctx, module, &stats)
	if errors.Is(err, errSealed) {
		return s.unprepared(ctx, found)
	}
	if err != nil {
		return notRunnable(found.path, err)
	}
	if !p.knowsDir {
		c.env = withPWD(c.env, c.dir)
	}
	clock, done := s.cpu.work()
	defer done()
	process := s.process(c)
	process.Clock.Waiting = clock.waiting()
	if p.deaf && (s.cmd.Signals != nil || s.cmd.Grace > 0) {
		var end func()
		ctx, end = mortal(ctx, process)
		defer end()
	}
	ctx, err = wasi.NewContext(ctx, process)
	if err != nil {
		return fmt.Errorf("running %q: %w", found.path, err)
	}
	if p.ruby != nil {
		ctx = context.WithValue(ctx, argsKey{}, c.args)
	}
	s.running.add(process)
	defer s.running.remove(process)
	defer func() {
		if closing := process.Close(); err == nil {
			err = s.metering().ending(ctx, found.path, closing)
		}
	}()
	if image != nil {
		served, err := s.runOn(ctx, p, image.Image, &stats)
		if served || err != nil {
			return s.metering().ending(ctx, found.path, err)
		}
		p, err = s.fetch(ctx, found.module, &stats)
		if errors.Is(err, errSealed) {
			return s.unprepared(ctx, found)
		}
		if err != nil {
			return notRunnable(found.path, err)
		}
	}
	_, err = s.runOn(ctx, p, nil, &stats)
	return s.metering().ending(ctx, found.path, err)
}

// argsKey is where the command line of a library is in its context.
type argsKey struct{}

func argsOf(ctx context.Context) []string {
	args, _ := ctx.Value(argsKey{}).([]string)
	return args
}

func (s *sandbox) fetch(ctx context.Context, module source, stats *Stats) (*program, error) {
	defer s.heap.compile()()
	watch := stopwatch()
	compiled := stats.Compile
	p, err := s.engine.load(ctx, module, stats)
	stats.Load += watch() - (stats.Compile - compiled)
	return p, err
}

// runOn runs a program on an instance, which begins as image if that is not nil. If the image does not serve the run,
// nothing has happened. The error is what the engine says: see ending.
func (s *sandbox) runOn(ctx context.Context, p *program, image *memory.Image, stats *Stats) (served bool, err error) {
	watch := stopwatch()
	if image == nil { // a start function runs when it is instantiated
		s.begin()
	}
	ctx = s.fuel.tank(ctx)
	i, err := p.instance(ctx, image, s.memory)
	if image == nil {
		stats.Instantiate += watch()
	} else {
		stats.Restore += watch()
	}
	if errors.Is(err, errMemory) && s.memory != nil {
		err = s.tooSmall()
	}
	if err != nil {
		tankOf(ctx).lose()
		return false, s.charged(err)
	}
	s.begin()
	leave := i.enter(ctx)
	if served, err = i.serve(ctx); served {
		err = i.run(ctx)
		if image != nil {
			stats.Restored++
		}
	}
	leave()
	err = s.charged(err)
	stats.Run += watch()
	stats.PeakMemory = max(stats.PeakMemory, bytesOf(i.module.Memory()))
	var wanted *Stats
	if s.cmd.Stats != nil {
		wanted = stats
	}
	p.release(i, s.engine.options, wanted)
	return served, err
}

// notRunnable says of a file that its contents are the reason, where they are.
func notRunnable(file string, err error) error {
	if faulty(err) {
		return &NotExecutableError{Path: file, Reason: printable(err.Error()), err: err}
	}
	return fmt.Errorf("loading %q: %w", file, err)
}

// faulty reports whether it is the module's own fault that it is not loaded, so that it never will be.
func faulty(err error) bool {
	var invalid *invalidModuleError
	var unfit *unfitError
	return errors.As(err, &invalid) || errors.As(err, &unfit)
}

func (s *sandbox) runShell(ctx context.Context, c command) error {
	s.begin()
	defer s.cpu.workOfOurs()()
	defer s.heap.work()()
	terminal := s.terminal(c)
	status, err := shell.Run(ctx, shell.Options{
		FS: s.tree, Args: c.args, Env: c.env, Dir: c.dir,
		Stdin: c.stdin, Stdout: c.stdout, Stderr: c.stderr, Terminal: terminal.Stdin,
		Now: s.clock.Now, Random: s.cmd.Random, Umask: shellUmask(c.umask), UID: c.user.uid, GID: c.user.gid,
		Exec: s.spawn,
	})
	return exited(status, err)
}

func (s *sandbox) runUtility(ctx context.Context, run coreutils.Utility, c command) error {
	s.begin()
	defer s.cpu.workOfOurs()()
	defer s.heap.work()()
	status := run(ctx, &coreutils.Env{
		FS: s.tree, Args: c.args, Environ: c.env, Dir: c.dir,
		Stdin: c.stdin, Stdout: c.stdout, Stderr: c.stderr,
		Now: s.clock.Now, Umask: shellUmask(c.umask), UID: c.user.uid, GID: c.user.gid,
		Exec: s.spawn,
	})
	if ctx.Err() != nil {
		return s.metering().ending(ctx, c.args[0], ctx.Err())
	}
	return exited(status, nil)
}

func exited(status int, err error) error {
	if err == nil && status != 0 {
		return &ExitError{Code: status}
	}
	return err
}

// spawn runs a command for the shell or a utility, to whom a status is a number.
func (s *sandbox) spawn(ctx context.Context, r coreutils.ExecRequest) (status int, err error) {
	err = s.exec(ctx, command{
		args: r.Args, env: r.Env, dir: r.Dir, stdin: r.Stdin, stdout: r.Stdout, stderr: r.Stderr,
		umask: programUmask(r.Umask), user: user{r.UID, r.GID},
	})
	var (
		exit          *ExitError
		notFound      *NotFoundError
		notExecutable *NotExecutableError
		trap          *TrapError
	)
	switch {
	case errors.As(err, &exit):
		return exit.Code, nil
	case errors.As(err, &notFound):
		return 0, &startError{err, coreutils.ErrNotFound}
	case errors.As(err, &notExecutable):
		return 0, &startError{err, coreutils.ErrNotExecutable}
	case errors.As(err, &trap):
		if r.Stderr != nil {
			fmt.Fprintln(r.Stderr, trap)
		}
		return StatusTrap, nil
	}
	return 0, err
}

// startError says in our words why a command did not start, and is to the shell one of the reasons it knows.
type startError struct{ err, kind error }

func (e *startError) Error() string   { return e.err.Error() }
func (e *startError) Unwrap() []error { return []error{e.err, e.kind} }

// shellUmask and programUmask translate between the utilities' notion of "no umask" and the plain number.
func shellUmask(umask fs.FileMode) fs.FileMode {
	if umask == 0 {
		return coreutils.NoUmask
	}
	return umask
}

func programUmask(umask fs.FileMode) fs.FileMode {
	switch umask {
	case 0:
		return defaultUmask
	case coreutils.NoUmask:
		return 0
	}
	return umask
}
