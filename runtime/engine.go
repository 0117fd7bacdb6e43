package runtime

import (
	"context"
	"errors"
	"time"
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
type Engine struct{}

// New makes an engine. Its error is about Options.CacheDir.
func New(ctx context.Context, o Options) (*Engine, error) { return nil, errors.ErrUnsupported }

// Close frees the engine's code. No run may be going on.
func (e *Engine) Close() error { return nil }
