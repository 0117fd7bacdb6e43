package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"syscall"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/runtime/isolate"
	"boxer.dev/server"
)

// serveOptions are the flags of `boxer serve`.
type serveOptions struct {
	server.Options
	addr          string
	grpcAddr      string
	wasmDirs      []string
	tokenFile     string
	withoutTokens bool
	hosts         []string
	pulls         []string
	insecure      bool
	isolate       serveIsolation
	limits        limitOptions
	maxBody       string
	sessionMemory string
	drain         time.Duration
	log           string
}

// serveIsolation is where runs are: in workers with the walls that there are, with all of them, or in this process.
type serveIsolation string

func (i *serveIsolation) String() string { return string(*i) }
func (i *serveIsolation) Type() string   { return "on|require|off" }
func (i *serveIsolation) Set(value string) error {
	switch value {
	case "on", "require", "off":
		*i = serveIsolation(value)
		return nil
	}
	return errors.New("it takes on, require or off")
}

func serveCommand(a *app) *cobra.Command {
	var o serveOptions
	command := &cobra.Command{
		Use:   "serve [OPTIONS]",
		Short: "Run code and boxes for clients that ask over HTTP",
		Long: `Run code and boxes for clients that ask over HTTP, until SIGINT or SIGTERM.

Each run has a process that has given up files, network and all else (--isolate), and the limits of
boxer run --untrusted unless flags say otherwise; requests can ask for less, never for more. Without
--token-file whoever reaches the address may use the server: other machines than this one have to be
let in by --without-tokens then.

/openapi.json describes what can be asked for; docs/serve.md shows it by examples.`,
		Example: `  boxer serve
  curl -H 'Content-Type: application/json' -d '{"code": "print(6*7)"}' http://127.0.0.1:3000/run
  boxer serve --addr :3000 --token-file tokens --memory 512M`,
		Args: arguments(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return a.serve(command.Context(), o) },
	}
	o.bind(command)
	groupFlags(command, serveGroups)
	return command
}

var serveGroups = []flagGroup{
	{"Who may ask", "addr grpc-addr token-file without-tokens host cors-origin allow-pull insecure"},
	{"What it runs", "box wasm-dir isolate"},
	{"What a run may use", "memory timeout cpu fuel output-limit writable files open-files limit"},
	{"How much at a time", "running waiting patience per-key rate burst sessions sessions-per-key session-memory session-idle max-body"},
	{"Operating it", "drain log pprof"},
}

func (o *serveOptions) bind(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.addr, "addr", "127.0.0.1:3000", "listen at `HOST:PORT`")
	flags.StringVar(&o.grpcAddr, "grpc-addr", "", "listen at `HOST:PORT`, too: gRPC is at --addr already")
	flags.StringVar(&o.tokenFile, "token-file", "", "let in who shows a token of this `FILE`,\nof lines with a name and a token")
	flags.BoolVar(&o.withoutTokens, "without-tokens", false, "let in whoever reaches the address, from other machines too")
	flags.StringArrayVar(&o.hosts, "host", nil, "a `NAME` by which clients call the server")
	flags.StringArrayVar(&o.Origins, "cors-origin", nil, "let scripts of a web `SITE` use it, as https://example.org")
	flags.StringArrayVar(&o.pulls, "allow-pull", nil, "let clients have boxes pulled whose names begin with `PREFIX`")
	flags.BoolVar(&o.insecure, "insecure", false, insecureUsage)
	flags.StringArrayVar(&o.wasmDirs, "wasm-dir", nil, "let clients run the WebAssembly modules in `DIR` by their paths")
	o.bindRunner(flags)
	o.bindLimits(flags)
	flags.IntVar(&o.Waiting, "waiting", 0, "let so `MANY` more wait (default 16 times --running)")
	flags.DurationVar(&o.Patience, "patience", 10*time.Second, "and for so much `TIME`")
	flags.IntVar(&o.PerKey, "per-key", 0, "so `MANY` of them may be one token's (default all,\nor three of four if there are several)")
	flags.Float64Var(&o.Rate, "rate", 0, "a `NUMBER` of runs that one token may begin a second, on average")
	flags.IntVar(&o.Burst, "burst", 10, "and how `MANY` at once")
	flags.IntVar(&o.Sessions.PerKey, "sessions-per-key", 0, "and so `MANY` of one token")
	flags.StringVar(&o.maxBody, "max-body", "8M", "at most so many `BYTES` in a request")
	flags.DurationVar(&o.drain, "drain", 30*time.Second, "at the end, wait for what goes on for so much `TIME`")
	flags.BoolVar(&o.Profiling, "pprof", false, "serve /debug/pprof/")
}

// bindRunner binds what is for whatever asks, over a network or not.
func (o *serveOptions) bindRunner(flags *pflag.FlagSet) {
	flags.StringVar(&o.Box, "box", server.DefaultBox, "the `BOX` of requests that name none")
	o.isolate = "on"
	flags.Var(&o.isolate, "isolate", "give runs processes that give up files, network and all else:\n`on|require|off`")
	flags.IntVar(&o.Running, "running", 0, "run so `MANY` at the same time (default 2 for each core, at least 4)")
	flags.IntVar(&o.Sessions.Most, "sessions", 1000, "keep at most so `MANY` sessions")
	flags.StringVar(&o.sessionMemory, "session-memory", "2G", "let them hold at most so many `BYTES`")
	flags.DurationVar(&o.Sessions.Idle, "session-idle", 15*time.Minute, "close sessions that nobody has used for so much `TIME`")
	flags.StringVar(&o.log, "log", "text", "log as `text|json`, or off")
}

func (o *serveOptions) bindLimits(flags *pflag.FlagSet) {
	o.limits.untrusted = true
	for _, f := range shortLimits {
		usage, _, _ := strings.Cut(f.usage, " (default")
		flags.VarP(&limitFlag{&o.limits, f.limit}, f.flag, f.short, usage)
	}
	flags.StringArrayVar(&o.limits.limits, "limit", nil, "bound it by `NAME=VALUE`, as LIMIT in a Boxfile does")
}

// serve listens, and answers until it is told to end.
func (a *app) serve(ctx context.Context, o serveOptions) (err error) {
	if err := o.complete(); err != nil {
		return err
	}
	if o.Options.Logger, err = a.logger(o.log); err != nil {
		return err
	}
	closeDirs, err := o.openDirs()
	defer closeDirs()
	if err != nil {
		return err
	}
	closeTraces, err := o.trace(ctx)
	if err != nil {
		return err
	}
	defer closeTraces()
	closeRunner, err := a.runner(ctx, &o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeRunner()) }()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal ends the process
	listeners, err := o.listen(ctx)
	if err != nil {
		return err
	}
	attributes := []any{"address", "http://" + listeners[0].Addr().String(), "isolate", string(o.isolate), "limits", o.Options.Limits.String()}
	if len(listeners) > 1 {
		attributes = append(attributes, "grpc", listeners[1].Addr().String())
	}
	o.Options.Logger.Info("listening", attributes...)
	return server.New(o.Options).Serve(ctx, o.drain, listeners...)
}

// listen listens at all addresses, or at none.
func (o *serveOptions) listen(ctx context.Context) (listeners []net.Listener, err error) {
	for _, addr := range o.addresses() {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err != nil {
			for _, open := range listeners {
				open.Close()
			}
			return nil, fmt.Errorf("listening: %w", err)
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}

func (o *serveOptions) addresses() []string {
	if o.grpcAddr == "" {
		return []string{o.addr}
	}
	return []string{o.addr, o.grpcAddr}
}

// openDirs opens the directories of --wasm-dir.
func (o *serveOptions) openDirs() (closing func(), err error) {
	closing = func() {
		for _, root := range o.WasmDirs {
			root.Close()
		}
	}
	for _, dir := range o.wasmDirs {
		absolute, err := filepath.Abs(dir)
		if err != nil {
			return closing, fmt.Errorf("--wasm-dir %s: %w", dir, err)
		}
		root, err := os.OpenRoot(absolute)
		var failed *fs.PathError
		if errors.As(err, &failed) {
			err = failed.Err
		}
		if err != nil {
			return closing, fmt.Errorf("--wasm-dir %s: %w", dir, err)
		}
		o.WasmDirs = append(o.WasmDirs, root)
	}
	return closing, nil
}

// complete makes options of the flags.
func (o *serveOptions) complete() (err error) {
	if err := o.completeRunner(); err != nil {
		return err
	}
	for _, size := range []struct {
		flag, text string
		to         *int64
	}{{"max-body", o.maxBody, &o.Options.MaxBody}, {"session-memory", o.sessionMemory, &o.Options.Sessions.Memory}} {
		if *size.to, err = units.RAMInBytes(size.text); err != nil || *size.to <= 0 {
			return &usageError{err: fmt.Errorf("--%s %s: it takes a size, such as 8M", size.flag, size.text)}
		}
	}
	if o.tokenFile != "" {
		if o.Tokens, err = readTokens(o.tokenFile); err != nil {
			return err
		}
	}
	return o.checkAddresses()
}

// checkAddresses says by what names the server is called, and refuses to be open to everybody by accident.
func (o *serveOptions) checkAddresses() error {
	var local []string
	for i, addr := range o.addresses() {
		flag := []string{"--addr", "--grpc-addr"}[i]
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return &usageError{err: fmt.Errorf("%s %s: it takes HOST:PORT", flag, addr)}
		}
		if isLoopback(host) {
			local = append(local, host)
			continue
		}
		if len(o.Tokens) == 0 && !o.withoutTokens {
			return withHint(fmt.Errorf("%s %s is open to other machines, and there are no tokens", flag, addr),
				"give --token-file FILE, or --without-tokens if something else keeps strangers away")
		}
	}
	if o.Hosts = o.hosts; len(local) == len(o.addresses()) {
		o.Hosts = append(append(o.Hosts, "localhost", "127.0.0.1", "::1"), local...)
	}
	return nil
}

// completeRunner makes options of the flags of bindRunner and bindLimits.
func (o *serveOptions) completeRunner() (err error) {
	if o.Running <= 0 {
		o.Running = max(4, 2*goruntime.GOMAXPROCS(0))
	}
	o.Options.Version = version
	o.Options.Limits, err = o.limits.merge(runtime.Limits{})
	return err
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func readTokens(name string) ([]server.Token, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading tokens: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && goruntime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, withHint(fmt.Errorf("%s can be read by others than its owner", name), "chmod 600 %s", name)
	}
	list, err := server.ReadTokens(file)
	if err != nil {
		return nil, fmt.Errorf("reading tokens: %s: %w", name, err)
	}
	return list, nil
}

// logger writes to standard error. Both of its forms escape what would act on a terminal or look like another line.
func (a *app) logger(form string) (*slog.Logger, error) {
	switch form {
	case "text":
		return slog.New(slog.NewTextHandler(a.stderr, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.stderr, nil)), nil
	case "off":
		return slog.New(slog.DiscardHandler), nil
	}
	return nil, &usageError{err: fmt.Errorf("--log %s: it takes text, json or off", form)}
}

// workerOverhead is what a worker has of its own, see isolate.Pool.Memory.
const workerOverhead = 512 << 20

// runner makes what runs and has sessions.
func (a *app) runner(ctx context.Context, o *serveOptions) (closing func() error, err error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	dir, err := cacheDir()
	if err != nil {
		return nil, err
	}
	logger := o.Options.Logger
	warn := func(err error) { logger.Warn("running", "error", err.Error()) }
	o.Boxes = a.served(store, o)
	if o.isolate == "off" {
		engine, err := runtime.New(ctx, runtime.Options{CacheDir: dir, Keep: o.Running, Warn: warn})
		if err != nil {
			return nil, err
		}
		o.Runner = server.Here{Engine: engine}
		return engine.Close, nil
	}
	pool := &isolate.Pool{
		CacheDir: dir, Workers: o.Running, Busy: true, Require: o.isolate == "require", Memory: o.Options.Limits.Memory + workerOverhead, Warn: warn,
	}
	o.Runner = server.Isolated{Pool: pool}
	if err := a.warm(ctx, o, store, pool); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return pool.Close, nil
}

// warm starts workers for what most requests want, and finds out what does not work here before anybody asks.
func (a *app) warm(ctx context.Context, o *serveOptions, store *oci.Store, pool *isolate.Pool) error {
	root, err := a.rootfs(ctx, store, o.Box, pullOptions{policy: pullMissing, insecure: o.insecure})
	if err != nil {
		return err
	}
	defer root.Close()
	tenant, workers := server.Anybody, o.Running
	if len(o.Tokens) > 0 {
		tenant, workers = o.Tokens[0].Key, 1 // nobody knows who will ask
	}
	like := &runtime.Cmd{
		Entrypoint: []string{}, Args: []string{"python3"}, Limits: o.Options.Limits, Stats: new(runtime.Stats),
		Stdin: strings.NewReader(""), Stdout: new(strings.Builder), Stderr: new(strings.Builder),
	}
	return pool.Warm(ctx, isolate.Box{Root: root, Tenant: tenant}, like, workers)
}
