package server

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel/trace"

	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/server/internal/admission"
)

// Options configure a Server. Boxes and Runner must be set; of the rest the zero value works.
type Options struct {
	// Boxes are what can be run.
	Boxes Boxes
	// Runner carries runs out, and has sessions if it is an Opener.
	Runner Runner
	// Box is what runs and sessions have that name none. "": DefaultBox.
	Box string
	// Limits bound each run. Numbers that are 0 are those of DefaultLimits.
	Limits runtime.Limits

	// Running is how many runs and executions go on at the same time. 0: 4.
	Running int
	// Waiting is how many more wait for their turn; the next one is refused. 0: 16 for each that runs.
	Waiting int
	// Patience is how long they wait. 0: 10 s.
	Patience time.Duration
	// PerKey is how many of them one key may have. 0: all, or three of four places if there are several keys.
	PerKey int
	// Rate is how many one key may begin within a second, on average, and Burst at once. 0: any number.
	Rate  float64
	Burst int

	// WasmDirs are directories whose WebAssembly modules requests may have run by their paths, opened by absolute names. They
	// are not closed. Programs, these and those that come with requests, run where Runner is a ProgramRunner.
	WasmDirs []*os.Root

	Sessions SessionOptions
	// MaxBody bounds what a request may bring, in bytes. 0: 8 MiB.
	MaxBody int64
	// Remembered bounds the answers to requests that had an Idempotency-Key, in bytes. 0: 64 MiB.
	Remembered int64

	// Tokens are those that requests have to show one of. None: whoever reaches the server may use it.
	Tokens []Token
	// Hosts are the names by which requests may address the server, without ports. Nil: any.
	Hosts []string
	// Origins are the web sites, as https://example.org, whose scripts may use the server.
	Origins []string
	// Version of the program, for clients that ask.
	Version string
	// Profiling serves /debug/pprof/.
	Profiling bool
	// Traces has spans of requests, of their waiting and of what they run. Nil: there are none.
	Traces trace.TracerProvider
	// Logger is told of requests, by one line each. Nil: nobody.
	Logger *slog.Logger
	// Timeouts bound slow clients.
	Timeouts Timeouts
}

// SessionOptions bound what is kept between requests. Zero stands for the values given.
type SessionOptions struct {
	Most      int           // 1000
	PerKey    int           // as Most, or three of four if there are several keys
	Memory    int64         // that all of them hold, in bytes, when nothing is executed. 2 GiB
	KeyMemory int64         // that those of one key hold. As Memory, or three quarters of it if there are several keys
	Idle      time.Duration // after which a session is closed; a request may ask for less. 15 minutes
}

// Timeouts bound how long a client may take. Zero stands for the values given.
type Timeouts struct {
	Header time.Duration // to say what it wants: 10 s
	Body   time.Duration // to send it: 30 s
	Write  time.Duration // to take an answer, or a part of a stream: 20 s
	Beat   time.Duration // pause after which a stream without news shows that it lives: 15 s
}

// Boxes are the boxes of a server. All functions must be safe for concurrent use.
type Boxes struct {
	// Open opens what a name means now. An error that is oci.ErrNotFound is the client's.
	Open func(ctx context.Context, name string) (*oci.Rootfs, error)
	// List lists boxes.
	List func(ctx context.Context) ([]BoxInfo, error)
	// Pull fetches a box from its registry. Nil: there is no pulling.
	Pull func(ctx context.Context, name string) (BoxInfo, error)
	// MayPull tells whether clients may have a box pulled: a server reaches registries that its clients do not.
	MayPull func(name string) bool
}

// BoxInfo describes a box.
type BoxInfo struct {
	Name    string    `json:"name"`
	Digest  string    `json:"digest"`
	Created time.Time `json:"created,omitzero"`
	Size    int64     `json:"size,omitempty"` // compressed, in bytes
	BuiltIn bool      `json:"built_in,omitempty"`
}

// Token is what a client shows to be let in.
type Token struct {
	Key    string // a name for whoever has it: limits and quotas are per key
	Secret string
}

// DefaultBox is what code runs in.
const DefaultBox = "python:3.13"

// DefaultLimits hold for code that nobody has looked at.
var DefaultLimits = runtime.Limits{
	Memory: 256 << 20, Timeout: time.Minute, CPU: 30 * time.Second, Output: 1 << 20, Writable: 64 << 20, Files: 10_000, OpenFiles: 100,
}

// complete puts in what zero stands for.
func (o Options) complete() Options {
	o.Box = cmp.Or(o.Box, DefaultBox)
	o.Limits = o.Limits.Or(DefaultLimits)
	o.Running = cmp.Or(o.Running, 4)
	o.Waiting = cmp.Or(o.Waiting, 16*o.Running)
	o.Patience = cmp.Or(o.Patience, 10*time.Second)
	o.PerKey = cmp.Or(o.PerKey, share(o, o.Running+o.Waiting))
	o.Sessions.Most = cmp.Or(o.Sessions.Most, 1000)
	o.Sessions.PerKey = cmp.Or(o.Sessions.PerKey, share(o, o.Sessions.Most))
	o.Sessions.Memory = cmp.Or(o.Sessions.Memory, 2<<30)
	o.Sessions.KeyMemory = cmp.Or(o.Sessions.KeyMemory, share(o, o.Sessions.Memory))
	o.Sessions.Idle = cmp.Or(o.Sessions.Idle, 15*time.Minute)
	o.MaxBody = cmp.Or(o.MaxBody, 8<<20)
	o.Remembered = cmp.Or(o.Remembered, 64<<20)
	o.Timeouts.Header = cmp.Or(o.Timeouts.Header, 10*time.Second)
	o.Timeouts.Body = cmp.Or(o.Timeouts.Body, 30*time.Second)
	o.Timeouts.Write = cmp.Or(o.Timeouts.Write, 20*time.Second)
	o.Timeouts.Beat = cmp.Or(o.Timeouts.Beat, 15*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// share is how much of something one key may have, so that something is left for the others.
func share[N int | int64](o Options, all N) N {
	keys := map[string]bool{}
	for _, t := range o.Tokens {
		keys[t.Key] = true
	}
	if len(keys) < 2 {
		return all
	}
	return max(1, all*3/4)
}

// maxBodies is how many bodies are read at the same time; with MaxBody it bounds the memory that they take.
const maxBodies = 256

func (o Options) gates() (work, bodies *admission.Gate) {
	work = admission.New(admission.Limits{
		Running: o.Running, Waiting: o.Waiting, Patience: o.Patience, PerKey: o.PerKey, Rate: o.Rate, Burst: o.Burst,
	})
	return work, admission.New(admission.Limits{Running: maxBodies, PerKey: share(o, maxBodies)})
}
