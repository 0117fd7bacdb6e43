package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/cpu"

	"boxer.dev/internal/wasm"
	"boxer.dev/runtime/memory"
	"boxer.dev/runtime/wasi"
)

// Options configures an Engine. The zero value compiles on all cores and caches in memory only.
type Options struct {
	// CacheDir is where machine code is kept between processes; "" keeps it in memory only. It is created if it is
	// missing. Nobody else may be able to write to it, since what lies in it is executed.
	CacheDir string
	// Workers is how many goroutines compile one program. 0: one for each core.
	Workers int
	// Progress, if not nil, is told when a program is about to be compiled, and when it has been.
	Progress func(Progress)
	// Warn, if not nil, is told of what went wrong without keeping a program from running: that its machine code could
	// not be cached, say.
	Warn func(error)
	// Keep is how many instances of each program with a memory image are kept ready after they have been used, reset in the
	// background. 0: none; each run makes its own.
	Keep int
	// Alone, if not nil, says that the process does nothing besides one run at a time. Then what its heap grows by while a shell or
	// utilities work is the run's, and counts against Limits.Memory. A run that is over the limit is ended; one that goes on taking
	// memory all the same is abandoned: Alone is called with how it ended, and should end the process.
	Alone func(error)
	// Counting says which programs count what they do, besides those that are charged, which always do.
	Counting Counting
	// CleanLater leaves used instances to Clean, for who has better to do first: to tell how a run ended.
	CleanLater bool
}

// Counting says when programs count what they do in order to be stopped. Python that counts takes an eighth more time (`boxer bench cpu`).
type Counting byte

const (
	// CountIfNeeded has programs count where nothing else could end one that computes without ever calling the host: on systems other
	// than Linux, on processors other than amd64's and arm64's, with wazero as it is, in a process without a /proc of its own, and in one whose
	// starter has blocked SIGPWR. Elsewhere machine code is interrupted wherever it is.
	CountIfNeeded Counting = iota
	// CountAlways has them count here, too.
	CountAlways
	// CountNever has them not count. Where that would be needed a program that computes goes on when its run is to end, by its context or
	// a limit of time, and a garbage collection of this process waits for it.
	CountNever
)

// Progress is news of a compilation.
type Progress struct {
	Program string
	Bytes   int           // size of the module
	Done    bool          // false: it begins
	Elapsed time.Duration // since it began
}

// Engine loads and runs programs. It keeps the machine code of each program that it has run. All methods are safe for
// concurrent use.
type Engine struct {
	options Options
	wazero  wazero.Runtime
	files   wazero.CompilationCache // of wazero, if codes is not nil
	codes   *codeCache              // nil: memory only

	usual, charging metering // of programs that are not charged, and that are

	digests digests
	sealed  atomic.Bool
	alone   atomic.Bool // reads and writes no files any more

	mutex    sync.Mutex
	programs map[slotKey]*slot

	life    context.Context // ends compilations
	end     context.CancelFunc
	loading sync.WaitGroup // programs that are loaded for whoever may come

	imageMutex sync.Mutex
	images     map[memory.Digest]*memory.Image
}

// slotKey tells programs apart.
type slotKey struct {
	digest
	form
	metering
}

// slot is a program that is loaded, or being loaded until ready is closed.
type slot struct {
	ready   chan struct{}
	program *program
	err     error
	stats   Stats // of loading it
}

// New makes an engine. Its error is about Options.CacheDir.
func New(ctx context.Context, o Options) (*Engine, error) {
	if o.Workers <= 0 {
		o.Workers = goruntime.GOMAXPROCS(0)
	}
	e := &Engine{options: o, programs: map[slotKey]*slot{}, images: map[memory.Digest]*memory.Image{}}
	e.life, e.end = context.WithCancel(context.WithoutCancel(ctx))
	config := runtimeConfig(features())
	if o.CacheDir != "" && compiles() {
		if err := e.openCache(); err != nil {
			return nil, fmt.Errorf("opening the cache of machine code: %w", err)
		}
	}
	if e.codes != nil {
		config = config.WithCompilationCache(e.files)
	}
	e.wazero = wazero.NewRuntimeWithConfig(ctx, config)
	e.chooseForms()
	if err := errors.Join(wasi.Instantiate(ctx, e.wazero), instantiateMeter(ctx, e.wazero)); err != nil {
		e.Close()
		return nil, err
	}
	if e.codes != nil {
		e.codes.wazero = e.wazero
	}
	return e, nil
}

// chooseForms decides what programs count.
func (e *Engine) chooseForms() {
	r, ok := e.wazero.(interface{ Interrupts() bool }) // internal/wazero/patches
	interrupts := ok && r.Interrupts()
	e.usual, e.charging = uncounted, charged
	if !interrupts || e.options.Counting == CountAlways {
		e.charging = fuelled
		if e.options.Counting != CountNever {
			e.usual = ticks
		}
	}
}

// openCache sets e.codes and e.files, or leaves them nil where code cannot be kept: then that is a warning.
func (e *Engine) openCache() (err error) {
	codes, err := newCodeCache(e.options, features(), e.warn)
	if err != nil {
		return err
	}
	files, err := codes.hook.cache()
	if err != nil || engineVersion() == "" {
		e.warn(fmt.Errorf("machine code is not cached: %w", errors.Join(errNoHook, err)))
		return nil
	}
	e.codes, e.files = codes, files
	return nil
}

// Close frees the engine's code. No run may be going on.
func (e *Engine) Close() error {
	ctx := context.Background()
	e.end()
	e.loading.Wait()
	for _, s := range e.programs {
		if s.program != nil {
			s.program.pools.close()
		}
	}
	err := e.wazero.Close(ctx)
	for _, i := range e.images {
		err = errors.Join(err, i.Close())
	}
	if e.files != nil {
		err = errors.Join(err, e.files.Close(ctx))
	}
	return err
}

// features are the proposals that programs may use: WebAssembly 2.0 and, of what came after it, what wazero has and
// compilers emit. Threads means atomic instructions; preview 1 has no way to start a thread. Exceptions are not among them: see
// docs/rationale.md.
func features() api.CoreFeatures {
	f := api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst
	if goruntime.GOARCH != "arm64" || cpu.ARM64.HasATOMICS { // without them wazero would interpret everything
		f |= experimental.CoreFeaturesThreads
	}
	return f
}

// compiles reports whether programs are compiled here. Elsewhere they are interpreted, and there is nothing to cache.
func compiles() bool {
	return goruntime.GOARCH == "arm64" || goruntime.GOARCH == "amd64" && cpu.X86.HasSSE41
}

// runtimeConfig never asks for WithCloseOnContextDone, which leaves machine code at the head of each loop and makes
// CPython three to five times slower.
func runtimeConfig(f api.CoreFeatures) wazero.RuntimeConfig {
	return wazero.NewRuntimeConfig().WithCoreFeatures(f).WithDebugInfoEnabled(false)
}

// load gives the program of a module, from memory, the cache or the compiler, and counts which in stats.
func (e *Engine) load(ctx context.Context, module source, stats *Stats) (*program, error) {
	for {
		key := slotKey{module.digest, module.form, module.meters}
		s, first := e.slot(key)
		if first {
			e.begin(ctx, s, key, module)
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return nil, ended(ctx)
		}
		switch {
		case first:
			stats.loaded(&s.stats)
			return s.program, s.err
		case s.err == nil:
			stats.MemoryHits++
			return s.program, nil
		case faulty(s.err):
			return nil, s.err
		}
		// The error may be the other run's own: the end of its context.
	}
}

// begin loads a program. What has to be compiled first is compiled to the end, whoever asked for it: with runs that have less time than
// that takes, nobody would ever get through. But for a program that is in no layer: there may be another one with every run. Its compilation
// ends with its run, if later: the compiler looks between two functions.
func (e *Engine) begin(ctx context.Context, s *slot, key slotKey, module source) {
	load := func(ctx context.Context, module source) {
		s.program, s.err = e.loadNew(ctx, module, &s.stats)
		if s.err != nil && !faulty(s.err) {
			e.forget(key)
		}
		close(s.ready)
	}
	if codes := e.cache(); e.sealed.Load() || codes != nil && codes.has(module) {
		load(ctx, module)
		return
	}
	if !module.mapped {
		e.loading.Go(func() { load(ctx, module) })
		return
	}
	module.data, module.mapped = bytes.Clone(module.data), false // the layer may be closed when the run is over
	e.loading.Go(func() { load(e.life, module) })
}

// cache is what the engine may still read and write; nil: nothing.
func (e *Engine) cache() *codeCache {
	if e.alone.Load() {
		return nil
	}
	return e.codes
}

func (e *Engine) slot(d slotKey) (s *slot, first bool) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if s, ok := e.programs[d]; ok {
		return s, false
	}
	s = &slot{ready: make(chan struct{})}
	e.programs[d] = s
	return s, true
}

func (e *Engine) forget(d slotKey) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	delete(e.programs, d)
}

func (e *Engine) loadNew(ctx context.Context, module source, stats *Stats) (*program, error) {
	if e.sealed.Load() {
		return nil, errSealed
	}
	watch := stopwatch()
	code, hit, err := e.machineCode(ctx, module)
	if err != nil {
		return nil, err
	}
	p, err := newProgram(ctx, e.wazero, code, module.meters)
	if err != nil {
		code.Close(ctx)
		return nil, err
	}
	if hit {
		stats.CacheHits++
	} else {
		stats.Compiled++
		stats.Compile += watch()
	}
	return p, nil
}

// machineCode is a module that the engine knows, and what it was shown of it.
type machineCode struct {
	wazero.CompiledModule
	shown []byte
}

func (e *Engine) machineCode(ctx context.Context, module source) (_ *machineCode, hit bool, err error) {
	compiling := func() func() { return e.compiling(module) }
	if codes := e.cache(); codes != nil {
		return codes.load(ctx, module, compiling)
	}
	defer compiling()()
	code, err := compileModule(ctx, e.wazero, module, e.options.Workers)
	return code, false, err
}

func (e *Engine) warn(err error) {
	if e.options.Warn != nil {
		e.options.Warn(err)
	}
}

// compiling reports a compilation; the function it returns reports its end.
func (e *Engine) compiling(module source) (done func()) {
	if e.options.Progress == nil {
		return func() {}
	}
	start := time.Now()
	report := Progress{Program: module.name, Bytes: len(module.data)}
	e.options.Progress(report)
	return func() {
		report.Done, report.Elapsed = true, time.Since(start)
		e.options.Progress(report)
	}
}

// invalidModuleError says what the decoder or the validator has against a module.
type invalidModuleError struct{ err error }

func (e *invalidModuleError) Error() string { return "invalid module: " + e.err.Error() }
func (e *invalidModuleError) Unwrap() error { return e.err }

// compileModule compiles a module.
func compileModule(ctx context.Context, r wazero.Runtime, module source, workers int) (*machineCode, error) {
	if m, err := wasm.Parse(module.data); err != nil {
		return nil, &invalidModuleError{err}
	} else if _, err := fit(m); err != nil { // before much work is done for nothing
		return nil, err
	}
	metered, err := module.metered()
	if err != nil {
		return nil, err
	}
	explicit, err := wasm.ExplicitEdges(metered)
	if err != nil {
		return nil, &invalidModuleError{err}
	}
	shown, err := module.form.of(explicit)
	if err != nil {
		return nil, &invalidModuleError{err}
	}
	compiled, err := r.CompileModule(experimental.WithCompilationWorkers(ctx, workers), shown)
	if ctx.Err() != nil && err != nil {
		return nil, ended(ctx)
	}
	if err != nil {
		return nil, &invalidModuleError{err}
	}
	return &machineCode{compiled, shown}, nil
}
