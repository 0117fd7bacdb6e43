package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"boxer.dev/builder"
	"boxer.dev/internal/progress"
	"boxer.dev/oci"
	"boxer.dev/runtime"
)

type buildOptions struct {
	file        string
	tags        []string
	args        []string
	secrets     []string
	contexts    []string
	check       bool
	target      string
	wheels      string
	quiet       bool
	progress    string
	compression string
	cache       cacheOptions
	results     resultOptions
	pull        pullOptions
	attest      attestOptions
}

func buildCommand(a *app) *cobra.Command {
	var o buildOptions
	command := &cobra.Command{
		Use:   "build [OPTIONS] PATH | URL | -",
		Short: "Build a box from a Boxfile",
		Long: `Build a box from the Boxfile (or Dockerfile) in PATH and the files beside it. In place of
PATH, a git repository (https://…/repo.git#ref:directory), the URL of an archive or of a
Boxfile, or - for either on standard input.

The same inputs give the same digest on any machine and day: times come from SOURCE_DATE_EPOCH
(1980-01-01 if unset), and RUN sees a fixed clock and seeded random numbers.`,
		Example: `  boxer build -t app .
  boxer build -f docker/Boxfile --build-arg VERSION=2 .
  boxer build --wheels ./wheels -t app .`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: completeDirectories,
		RunE:              func(command *cobra.Command, args []string) error { return a.build(command.Context(), o, args[0]) },
	}
	flags := command.Flags()
	flags.StringVarP(&o.file, "file", "f", "", "the `Boxfile`, - for standard input (default: Boxfile, Dockerfile)")
	flags.StringArrayVarP(&o.tags, "tag", "t", nil, "`NAME[:TAG]` for the box")
	flags.StringArrayVar(&o.args, "build-arg", nil, "set an ARG: `NAME=value`, or NAME to pass the host's on")
	flags.StringArrayVar(&o.secrets, "secret", nil, "for RUN --mount=type=secret: `id=ID,src=FILE` or id=ID,env=NAME")
	flags.StringArrayVar(&o.contexts, "build-context", nil, "a further context: `NAME=DIR`, NAME=IMAGE, NAME=oci-layout:PATH")
	flags.BoolVar(&o.check, "check", false, "say what could be better about the Boxfile; build nothing")
	flags.StringVar(&o.target, "target", "", "the `stage` to build (default: the last)")
	flags.StringVar(&o.wheels, "wheels", "", "let pip in RUN install the packages in `DIR`")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but the box's id: --progress quiet")
	flags.StringVar(&o.progress, "progress", "auto", "show it as `MODE`: auto, plain, tty, json, quiet")
	resultFlags(flags, &o.results)
	flags.StringVar(&o.compression, "compression", "zstd", "how layers are compressed: `zstd|gzip`")
	o.cache.bind(flags)
	command.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions(progressModes, cobra.ShellCompDirectiveNoFileComp))
	command.RegisterFlagCompletionFunc("compression", cobra.FixedCompletions([]string{"zstd", "gzip"}, cobra.ShellCompDirectiveNoFileComp))
	o.pull.bind(command).NoOptDefVal = string(pullAlways)
	o.attest.bind(command)
	acceptFlags(flags, acceptedBuildFlags)
	refuseFlags(command, refusedBuildFlags, refusedBuildValues)
	return command
}

func (a *app) build(ctx context.Context, o buildOptions, dir string) error {
	results, err := a.results(o.results, o.tags)
	if err != nil {
		return err
	}
	if err := o.attest.check(results.outputs); err != nil {
		return err
	}
	return a.buildTo(ctx, o, dir, results)
}

// buildTo builds a box and hands it over as results have it.
func (a *app) buildTo(ctx context.Context, o buildOptions, dir string, results *results) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	source, err := a.openContext(ctx, dir, o.quiet)
	if err != nil {
		return err
	}
	defer source.Close()
	contexts, closeContexts, err := namedContexts(ctx, o.contexts)
	if err != nil {
		return err
	}
	defer closeContexts()
	options, err := a.builderOptions(o, store, source)
	if err != nil {
		return err
	}
	options.Contexts = contexts
	if o.check {
		return a.check(ctx, options)
	}
	if o.wheels != "" {
		if options.Wheels, err = openWheels(o.wheels); err != nil {
			return err
		}
		defer options.Wheels.Close()
	}
	if o.quiet {
		o.progress = "quiet"
	}
	display, err := a.display(o.progress)
	if err != nil {
		return err
	}
	warn := func(err error) { display.Warn(builder.Warning{Text: err.Error()}) }
	engine := &lazyEngine{sync.OnceValues(func() (*runtime.Engine, error) { return a.engine(ctx, compilingFor(display), warn) })}
	options.Run, options.Snapshot, options.Progress = engine.run, engine.snapshot, display
	results.module = func(root *oci.Rootfs) ([]byte, error) { return standaloneModule(engine.start, root, warn) }
	options.Labels, options.Annotations = results.labels, results.annotations
	given, _ := secrets(o.secrets) // which have been read before
	if o.attest.any() {
		attestor := &attestor{options: o.attest}
		if err := attestor.describe(ctx, o, options, given); err != nil {
			return err
		}
		attestor.watch(&options)
		results.taken = attestor.attach
	}
	made, err := makeBox(ctx, options, store, o.cache, results, given)
	display.Finish(made, err)
	switch {
	case err != nil && o.progress == "json":
		return &reportedError{err, 1}
	case err != nil:
		return err
	case o.progress == "quiet" && !results.toStdout() && !results.silent:
		fmt.Fprintln(a.stdout, made.Digest)
	}
	return nil
}

// makeBox builds a box and hands it over. It is opened first, as a run would: a box that cannot run is not kept. Nobody
// collects garbage in the meantime.
func makeBox(ctx context.Context, options builder.Options, store *oci.Store, cache cacheOptions, results *results, given buildSecrets) (_ *progress.Built, err error) {
	held, err := store.Hold()
	if err != nil {
		return nil, err
	}
	defer func() {
		// The box is there, whatever becomes of what else lies about.
		if err = errors.Join(err, held.Close()); err == nil {
			_ = store.Cache().Tidy(builtInImages)
		}
	}()
	warn := func(err error) { options.Progress.Warn(builder.Warning{Text: err.Error()}) }
	export, err := cache.apply(ctx, &options, store, warn)
	if err != nil {
		return nil, err
	}
	made, err := builder.Build(ctx, options)
	if err != nil {
		return nil, reproducible(store, err, given)
	}
	root, err := store.Rootfs(made.Image)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := results.deliver(store, made.Image, root); err != nil {
		return nil, err
	}
	if err := export(made); err != nil {
		return nil, err
	}
	return built(made.Image, root, made.Steps, results.tags)
}

func (a *app) builderOptions(o buildOptions, store *oci.Store, source *builder.Context) (builder.Options, error) {
	boxfile, err := source.Boxfile(o.file, a.stdin)
	if err != nil {
		return builder.Options{}, err
	}
	args, err := buildArgs(o.args)
	if err != nil {
		return builder.Options{}, err
	}
	secrets, err := secrets(o.secrets)
	if err != nil {
		return builder.Options{}, err
	}
	compression, ok := map[string]oci.Compression{"zstd": oci.Zstd, "gzip": oci.Gzip}[o.compression]
	if !ok {
		return builder.Options{}, &usageError{err: fmt.Errorf("unknown --compression %q: zstd or gzip", o.compression)}
	}
	return builder.Options{
		Boxfile: boxfile, Context: source.Root, Args: args, Target: o.target, Compression: compression,
		Resolve: a.pulling(store, o.pull, false).Resolve, Rootfs: store.Rootfs, CacheMount: a.useCacheMount, Secret: secrets.find,
	}, nil
}

// openWheels opens a folder of Python packages.
func openWheels(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening --wheels: %w", err)
	}
	for _, pattern := range []string{"*.whl", "*.tar.gz", "*.zip"} {
		if found, err := fs.Glob(root.FS(), pattern); err == nil && len(found) > 0 {
			return root, nil
		}
	}
	root.Close()
	return nil, withHint(fmt.Errorf("--wheels %s: there are no packages in it", dir),
		"fetch them: pip download -d %s --only-binary :all: --platform any --python-version 3.13 -r requirements.txt", dir)
}

// buildArgs reads --build-arg; SOURCE_DATE_EPOCH is taken from the environment too, as BuildKit does.
func buildArgs(flags []string) (map[string]string, error) {
	const epoch = "SOURCE_DATE_EPOCH"
	variables, err := environment(append([]string{epoch}, flags...), nil, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	args := map[string]string{}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		args[name] = value
	}
	if args[epoch] == "" {
		delete(args, epoch)
	}
	return args, nil
}

// lazyEngine runs the commands of RUN, and takes the memory images of SNAPSHOT. The engine is made when the first of them
// needs it.
type lazyEngine struct {
	start func() (*runtime.Engine, error)
}

func (l *lazyEngine) run(ctx context.Context, r builder.RunRequest) (status int, err error) {
	engine, err := l.start()
	if err != nil {
		return 0, err
	}
	box, err := engine.NewBox(r.FS, v1.Config{Env: r.Env, User: r.User})
	if err != nil {
		return 0, err
	}
	err = box.Run(ctx, &runtime.Cmd{
		Args: r.Args, Dir: r.Dir, FS: r.FS, Stdout: r.Stdout, Stderr: r.Stderr, Now: r.Now, Random: r.Random,
	})
	var exit *runtime.ExitError
	if errors.As(err, &exit) {
		return exit.Code, nil
	}
	return 0, err
}

func (l *lazyEngine) snapshot(ctx context.Context, r builder.SnapshotRequest) (*builder.Snapshot, error) {
	engine, err := l.start()
	if err != nil {
		return nil, err
	}
	box, err := engine.NewBox(r.FS, r.Config)
	if err != nil {
		return nil, err
	}
	captured, err := box.Captured()
	if err != nil {
		return nil, err
	}
	program := r.Program
	if len(captured) > 0 {
		program = captured[0]
	}
	if program == "" {
		return nil, withHint(errors.New("the box names no program"), "name it by ENTRYPOINT or CMD")
	}
	taken, err := box.Capture(ctx, &runtime.Cmd{
		Entrypoint: []string{program}, Args: r.Args, Stdout: r.Stdout, Stderr: r.Stderr, Now: r.Now, Random: r.Random,
	}, r.Image)
	if err != nil {
		return nil, err
	}
	return &builder.Snapshot{
		File: runtime.ImageName(taken.Module), Program: program,
		Pages: taken.Pages, Elapsed: taken.Elapsed, Entropy: taken.Entropy,
	}, nil
}
