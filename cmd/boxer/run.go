package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"boxer.dev/oci"
	"boxer.dev/runtime"
)

// runOptions are the flags of `boxer run`: all that the box is granted.
type runOptions struct {
	env, envFiles []string
	volumes, dirs []string
	workdir, user string
	entrypoint    string
	name          string
	interactive   bool
	tty           bool
	remove        bool
	stats         bool
	result        string
	config        string
	isolate       isolation
	limitOptions
	pull pullOptions
}

func runCommand(a *app) *cobra.Command {
	var o runOptions
	command := &cobra.Command{
		Use:   "run [OPTIONS] BOX [COMMAND] [ARG...]",
		Short: "Run a program of a box",
		Long: `Run a program of a box: the one its Boxfile names, or COMMAND.

The box has its own files and what the flags below grant, or boxer.yaml; what it writes elsewhere is
in memory and gone when it ends. Limits of the box's own (LIMIT in its Boxfile) count too, and what
it cannot do without (ALLOW) must be granted. Arguments replace CMD and follow ENTRYPOINT; where the
first of them begins with - and there is no ENTRYPOINT, they go to the program that CMD names.

The exit status is the program's; 124 if it ran out of time, 125 if boxer itself failed or did not
start it, 126 if the program cannot be run, 127 if there is none, 130 if it was interrupted, 134 if
it trapped, 137 if it took more memory than it may, or cannot start within it, 152 if it ran out of
fuel, 153 if it wrote more than it may, 154 if it ran out of processor time, 128 + n if signal n
ended it.`,
		Example: `  boxer run python:3.13 -c 'print("hello")'
  echo 'print("hello")' | boxer run -i python:3.13 -
  boxer run -v ./data:/data:ro -e NAME=world app
  boxer run -it python:3.13`,
		Args:              arguments(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeBoxes(1, cobra.ShellCompDirectiveDefault),
		RunE: func(command *cobra.Command, args []string) error {
			return a.reporting(o, func(stats *runtime.Stats) error {
				return a.run(command.Context(), o, stats, runName(o, args[0]), args[1:], func(store *oci.Store) (*oci.Rootfs, error) {
					return a.rootfs(command.Context(), store, args[0], o.pull)
				})
			})
		},
	}
	runFlags(command, &o)
	groupFlags(command, runGroups)
	return command
}

// runGroups order the flags of `boxer run` for its help.
var runGroups = []flagGroup{
	{"What it is granted", "volume dir env env-file interactive tty network config"},
	{"What it runs", "workdir user entrypoint pull insecure verify-key"},
	{"What it may use", "memory timeout cpu fuel output-limit writable files open-files read-only untrusted limit grace isolate"},
	{"Time and chance", "deterministic clock random seed"},
	{"What you are told", "stats result-file name rm"},
}

func runFlags(command *cobra.Command, o *runOptions) {
	flags := command.Flags()
	flags.SetInterspersed(false)
	flags.StringArrayVarP(&o.env, "env", "e", nil, "set a variable: `NAME=value`, or NAME to pass the host's on")
	flags.StringArrayVar(&o.envFiles, "env-file", nil, "read variables from a `file`")
	flags.StringArrayVarP(&o.volumes, "volume", "v", nil, "mount a directory, a file or a named volume: `SOURCE:PATH[:ro]`")
	flags.StringArrayVar(&o.dirs, "dir", nil, "pre-open a host directory under exactly this name: `HOST[::GUEST]`")
	flags.StringVarP(&o.workdir, "workdir", "w", "", "working `directory` in the box")
	flags.StringVarP(&o.user, "user", "u", "", "run as `name|uid[:group|gid]`")
	flags.StringVar(&o.entrypoint, "entrypoint", "", "run this `program` instead of the box's")
	flags.StringVar(&o.name, "name", "", "a `name` for the run, used in messages")
	flags.BoolVarP(&o.interactive, "interactive", "i", false, "pass standard input on (otherwise it is empty)")
	flags.BoolVarP(&o.tty, "tty", "t", false, "let the box see the terminal as one")
	flags.BoolVar(&o.remove, "rm", true, "nothing is left of a run: accepted for docker's sake")
	o.limitOptions.bind(command)
	flags.StringVar(&o.config, "config", "", "read grants and limits from a `file`: boxer.yaml, if it is there")
	flags.BoolVar(&o.stats, "stats", false, "print where time and memory went, and count instructions (fuel)")
	flags.StringVar(&o.result, "result-file", "", "write to a `file`, as JSON, how it ended and what it used")
	flags.Var(networkFlag{}, "network", "its network: `none` is all there is, yet")
	o.isolate.bind(flags)
	o.pull.bind(command)
	flags.StringVar(&o.pull.verifyKey, "verify-key", "", "run it only if it is signed by the public key in `FILE`")
	flags.Lookup("rm").DefValue = "false" // so that help does not say "(default true)"
	refuseFlags(command, refusedRunFlags, refusedRunValues)
}

// run runs a program of the box that open opens.
func (a *app) run(ctx context.Context, o runOptions, stats *runtime.Stats, name string, args []string, open func(*oci.Store) (*oci.Rootfs, error)) error {
	config, err := a.configuration(o.config)
	if err != nil {
		return err
	}
	o.volumes = slices.Concat(withoutTargets(config.volumes, o.volumes), o.volumes)
	o.env = slices.Concat(config.env, o.env)
	o.adopt(config)
	command, err := a.command(o, args)
	if err != nil {
		return err
	}
	if command.Limits, err = o.merge(config.limits); err != nil {
		return err
	}
	command.Seed, command.Grace = o.seed.value, o.grace
	command.Stats, command.CountFuel = stats, o.stats
	mounts, release, err := a.mounts(ctx, o.volumes)
	defer release()
	if err != nil {
		return err
	}
	command.Mounts = mounts
	store, err := a.store()
	if err != nil {
		return err
	}
	root, err := open(store)
	if err != nil {
		return err
	}
	defer root.Close()
	ctx, ended := interruptible(ctx, o, command)
	defer ended()
	err = a.execute(ctx, root, command, o.isolate)
	if o.stats {
		fmt.Fprintf(a.stderr, "%s: %s\nfuel: %d\n", name, stats, stats.Fuel)
	}
	return err
}

// networkFlag takes what docker users say to be sure that there is no network.
type networkFlag struct{}

func (networkFlag) String() string { return "" }
func (networkFlag) Type() string   { return "" }
func (networkFlag) Set(value string) error {
	if value == "none" {
		return nil
	}
	return withHint(fmt.Errorf("there is no --network %s", value), "%s", noNetwork)
}

// adopt takes over what the configuration says and no flag.
func (o *runOptions) adopt(c *configuration) {
	if o.grace == 0 {
		o.grace = c.grace
	}
	if c.seed != nil && !o.seed.given {
		o.seed = seedFlag{*c.seed, true}
	}
}

// reporting runs what is wanted and, with --result-file, leaves an account of it.
func (a *app) reporting(o runOptions, run func(*runtime.Stats) error) error {
	if o.result == "" && !o.stats {
		return run(nil)
	}
	stats := new(runtime.Stats)
	if o.result == "" {
		return run(stats)
	}
	file, err := os.Create(o.result) // before the run, so that it is not run for nothing
	if err != nil {
		return fmt.Errorf("--result-file: %w", err)
	}
	account := func(ran error, stats *runtime.Stats) {
		encoder := json.NewEncoder(file)
		encoder.SetIndent("", "  ")
		err := errors.Join(encoder.Encode(runtime.Report{Result: runtime.ResultOf(ran), Stats: stats}), file.Close())
		if err != nil {
			a.warn(fmt.Errorf("--result-file: %w", err))
		}
	}
	a.abandoned = func(ran error) { account(ran, nil) }
	ran := run(stats)
	account(ran, stats)
	return ran
}

// abandon ends the process, whose run has ended by an error and goes on all the same.
func (a *app) abandon(err error) {
	status := a.report(&cobra.Command{Use: "run"}, err)
	if a.abandoned != nil {
		a.abandoned(err)
	}
	os.Exit(status)
}

// rootfs opens what a command line names. What is neither in the store nor built in is asked of its registry, as pull has it.
func (a *app) rootfs(ctx context.Context, store *oci.Store, ref string, pull pullOptions) (*oci.Rootfs, error) {
	var img v1.Image
	trust, err := newTrust(pull.verifyKey)
	if err != nil {
		return nil, err
	}
	if trust != nil {
		if img, err = a.trusted(ctx, store, ref, pull, trust); err != nil {
			return nil, err
		}
		return store.Rootfs(img)
	}
	err = oci.ErrNotFound
	if pull.policy != pullAlways {
		img, err = store.Image(ref)
	}
	if errors.Is(err, oci.ErrNotFound) {
		img, _, err = a.pulling(store, pull, true).Resolve(ctx, ref)
	}
	if err != nil {
		return nil, err
	}
	return store.Rootfs(img)
}

// engine makes the engine that all commands use, its machine code cached under the user's cache directory.
func (a *app) engine(ctx context.Context, compiling func(runtime.Progress), warn func(error)) (*runtime.Engine, error) {
	return newEngine(ctx, runtime.Options{Progress: compiling, Warn: warn})
}

func newEngine(ctx context.Context, o runtime.Options) (_ *runtime.Engine, err error) {
	if o.CacheDir, err = cacheDir(); err != nil {
		return nil, err
	}
	return runtime.New(ctx, o)
}

// command makes a run of the flags. Standard input is empty without -i, as docker has it.
func (a *app) command(o runOptions, args []string) (*runtime.Cmd, error) {
	env, err := environment(o.env, o.envFiles, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	preopens, err := preopens(o.dirs)
	if err != nil {
		return nil, err
	}
	terminal, err := a.terminal(o)
	if err != nil {
		return nil, err
	}
	command := &runtime.Cmd{
		Args: args, Env: env, Dir: o.workdir, User: o.user,
		Stdout: a.stdout, Stderr: a.stderr, Terminal: terminal, Preopens: preopens,
	}
	if o.interactive {
		command.Stdin = a.stdin
	}
	if o.entrypoint != "" {
		command.Entrypoint = []string{o.entrypoint}
	}
	return command, nil
}

func runName(o runOptions, ref string) string {
	if o.name != "" {
		return o.name
	}
	return ref
}

// preopens reads wasmtime's --dir: HOST, or HOST::GUEST.
func preopens(dirs []string) ([]runtime.Preopen, error) {
	var preopens []runtime.Preopen
	for _, dir := range dirs {
		host, guest, named := strings.Cut(dir, "::")
		if !named {
			guest = host
		}
		if host == "" || guest == "" {
			return nil, &usageError{err: fmt.Errorf("invalid --dir %q: it takes HOST or HOST::GUEST", dir)}
		}
		preopens = append(preopens, runtime.Preopen{Source: host, Guest: guest})
	}
	return preopens, nil
}
