package runtime

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/cpu"

	"boxer.dev/internal/wasm"
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
}

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
	plain   func() (wazero.Runtime, error) // keeps nothing on disk; made when it is needed
	codes   *codeCache                     // nil: memory only

	digests digests

	mutex    sync.Mutex
	closers  []api.Closer // runtimes and their caches, in the order in which they are to be closed
	programs map[digest]*slot
}

// slot is a program that is loaded, or being loaded until ready is closed.
type slot struct {
	ready   chan struct{}
	program *program
	err     error
}

// New makes an engine. Its error is about Options.CacheDir.
func New(ctx context.Context, o Options) (*Engine, error) {
	if o.Workers <= 0 {
		o.Workers = goruntime.GOMAXPROCS(0)
	}
	e := &Engine{options: o, programs: map[digest]*slot{}}
	e.plain = sync.OnceValues(func() (wazero.Runtime, error) { return e.newRuntime(ctx, nil) })
	if o.CacheDir != "" && compiles() {
		if err := e.openCache(ctx); err != nil {
			e.Close()
			return nil, fmt.Errorf("opening the cache of machine code: %w", err)
		}
	}
	return e, nil
}

// newRuntime makes an instance of wazero with the host's modules.
func (e *Engine) newRuntime(ctx context.Context, files wazero.CompilationCache) (wazero.Runtime, error) {
	config := runtimeConfig(features())
	if files != nil {
		config = config.WithCompilationCache(files)
	}
	r := wazero.NewRuntimeWithConfig(ctx, config)
	e.closeLater(r)
	return r, wasi.Instantiate(ctx, r)
}

func (e *Engine) openCache(ctx context.Context) (err error) {
	e.codes, err = newCodeCache(e.options.CacheDir, features(), e.options.Workers)
	if err != nil || e.codes == nil {
		return err
	}
	files, err := wazero.NewCompilationCacheWithDir(e.codes.dir)
	if err != nil {
		return err
	}
	e.codes.wazero, err = e.newRuntime(ctx, files)
	e.closeLater(files)
	return err
}

func (e *Engine) closeLater(c api.Closer) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.closers = append(e.closers, c)
}

// Close frees the engine's code. No run may be going on.
func (e *Engine) Close() error {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	var errs []error
	for _, c := range e.closers {
		errs = append(errs, c.Close(context.Background()))
	}
	e.closers = nil
	return errors.Join(errs...)
}

// features are the proposals that programs may use: WebAssembly 2.0 and, of what came after it, what wazero has and
// compilers emit. Threads means atomic instructions; preview 1 has no way to start a thread.
func features() api.CoreFeatures {
	f := api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst |
		experimental.CoreFeaturesExceptionHandling
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
		s, first := e.slot(module.digest)
		if first {
			s.program, s.err = e.loadNew(ctx, module, stats)
			if s.err != nil {
				e.forget(module.digest)
			}
			close(s.ready)
			return s.program, s.err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return nil, ended(ctx)
		}
		if s.err == nil {
			stats.MemoryHits++
			return s.program, nil
		}
		// The error may be the other run's own: the end of its context.
	}
}

func (e *Engine) slot(d digest) (s *slot, first bool) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if s, ok := e.programs[d]; ok {
		return s, false
	}
	s = &slot{ready: make(chan struct{})}
	e.programs[d] = s
	return s, true
}

func (e *Engine) forget(d digest) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	delete(e.programs, d)
}

func (e *Engine) loadNew(ctx context.Context, module source, stats *Stats) (*program, error) {
	r, compiled, hit, err := e.machineCode(ctx, module)
	if err != nil {
		return nil, err
	}
	p, err := newProgram(r, compiled)
	if err != nil {
		compiled.Close(ctx)
		return nil, err
	}
	if hit {
		stats.CacheHits++
	} else {
		stats.Compiled++
	}
	return p, nil
}

// machineCode prefers the cache and does without it where it fails.
func (e *Engine) machineCode(ctx context.Context, module source) (r wazero.Runtime, _ wazero.CompiledModule, hit bool, err error) {
	var failure error
	if e.codes != nil {
		compiled, hit, err := e.codes.load(ctx, module, func() func() { return e.compiling(module) })
		if err == nil || ctx.Err() != nil {
			return e.codes.wazero, compiled, hit, err
		}
		failure = err
	}
	if r, err = e.plain(); err != nil {
		return nil, nil, false, err
	}
	defer e.compiling(module)()
	compiled, err := compileModule(ctx, r, module.lasting(), e.options.Workers)
	if err == nil && failure != nil { // else it was the module's fault
		e.warn(fmt.Errorf("caching the machine code of %q: %w", module.name, failure))
	}
	return r, compiled, false, err
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

// compileModule compiles a module. What the engine would allocate by the module's word is checked first.
func compileModule(ctx context.Context, r wazero.Runtime, module []byte, workers int) (wazero.CompiledModule, error) {
	m, err := wasm.Parse(module)
	if err == nil {
		err = m.CheckCode()
	}
	if err != nil {
		return nil, &invalidModuleError{err}
	}
	compiled, err := r.CompileModule(experimental.WithCompilationWorkers(ctx, workers), module)
	if ctx.Err() != nil && err != nil {
		return nil, ended(ctx)
	}
	if err != nil {
		return nil, &invalidModuleError{err}
	}
	return compiled, nil
}
