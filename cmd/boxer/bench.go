package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"boxer.dev/internal/bench"
	"boxer.dev/oci"
)

// benchOptions are the flags of all benchmarks.
type benchOptions struct {
	json, quick bool
	python3     string
}

func benchCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "bench",
		Short: "Measure boxer on this machine",
		Args:  arguments(cobra.NoArgs),
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(benchStartCommand(a), benchBuildCommand(a), benchCPUCommand(a), benchServeCommand(a))
	return command
}

func benchStartCommand(a *app) *cobra.Command {
	var o benchOptions
	command := &cobra.Command{
		Use:   "start [OPTIONS]",
		Short: "Measure how fast programs start, and what each costs",
		Long: `Measure how fast programs start, and what each costs. Every figure is a median with its
quartiles; what is compared is measured in turns, and a ratio is the median over pairs of
neighbours.

Instances that are ready are kept in this process, as a server keeps them; a whole process is
` + "`boxer run python:3.13 -c \"print('hello')\"`" + ` beside the host's own Python with -I.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return a.benchStart(command.Context(), o) },
	}
	flags := command.Flags()
	flags.BoolVar(&o.json, "json", false, "print the figures as JSON")
	flags.BoolVar(&o.quick, "quick", false, "take a fifth of the measurements")
	flags.StringVar(&o.python3, "python3", "/usr/bin/python3", "the host's Python, an `executable`")
	return command
}

func (a *app) benchStart(ctx context.Context, o benchOptions) (err error) {
	root, dir, err := a.benchPython(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	start := bench.Start{Python: root, CacheDir: dir, Boxer: self, Python3: o.native(), Quick: o.quick, Progress: a.measuring()}
	report, err := start.Run(ctx)
	if err != nil {
		return err
	}
	return writeReport(a.stdout, report, o.json)
}

// benchPython opens the Python base, and gives the directory of machine code.
func (a *app) benchPython(ctx context.Context) (*oci.Rootfs, string, error) {
	store, err := a.store()
	if err != nil {
		return nil, "", err
	}
	dir, err := cacheDir()
	if err != nil {
		return nil, "", err
	}
	root, err := a.rootfs(ctx, store, "python:3.13", pullOptions{policy: pullNever})
	return root, dir, err
}

// native is the host's Python, "" if there is none.
func (o benchOptions) native() string {
	if _, err := os.Stat(o.python3); err != nil {
		return ""
	}
	return o.python3
}

// measuring tells a person at a terminal what goes on.
func (a *app) measuring() func(what string) {
	if _, ok := descriptor(a.stderr); !ok {
		return nil
	}
	return func(what string) { fmt.Fprintf(a.stderr, "measuring %s\n", what) }
}

func benchCPUCommand(a *app) *cobra.Command {
	var o benchOptions
	command := &cobra.Command{
		Use:   "cpu [OPTIONS]",
		Short: "Measure what it costs Python programs that they can be stopped, or are charged",
		Long: `Measure what it costs Python programs that they can be stopped wherever they are, as by
--timeout, or are charged for each instruction, as by --fuel. Eleven programs take turns in each
form and in the host's own Python. Multiples are medians over pairs of neighbours; the last line
is the geometric mean over the programs.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return a.benchCPU(command.Context(), o) },
	}
	flags := command.Flags()
	flags.BoolVar(&o.json, "json", false, "print the figures as JSON")
	flags.BoolVar(&o.quick, "quick", false, "take a fifth of the measurements")
	flags.StringVar(&o.python3, "python3", "/usr/bin/python3", "the host's Python, an `executable`")
	return command
}

func (a *app) benchCPU(ctx context.Context, o benchOptions) (err error) {
	root, dir, err := a.benchPython(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	report, err := bench.CPU{Python: root, CacheDir: dir, Python3: o.native(), Quick: o.quick, Progress: a.measuring()}.Run(ctx)
	if err != nil {
		return err
	}
	return writeReport(a.stdout, report, o.json)
}

func benchBuildCommand(a *app) *cobra.Command {
	var o benchOptions
	command := &cobra.Command{
		Use:   "build [OPTIONS]",
		Short: "Measure how long a directory of 5,000 files takes to build, anew and unchanged",
		Long: `Measure how long a directory of 5,000 files takes to build: as nobody has seen it before, and
unchanged. Each is a whole process, of a store of its own. If a docker daemon answers, docker
build takes turns with it.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return a.benchBuild(command.Context(), o) },
	}
	flags := command.Flags()
	flags.BoolVar(&o.json, "json", false, "print the figures as JSON")
	flags.BoolVar(&o.quick, "quick", false, "take a fifth of the measurements")
	return command
}

func (a *app) benchBuild(ctx context.Context, o benchOptions) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	build := bench.Build{Boxer: self, Quick: o.quick, Progress: a.measuring()}
	if docker, err := exec.LookPath("docker"); err == nil {
		build.Docker = docker
	}
	report, err := build.Run(ctx)
	if err != nil {
		return err
	}
	return writeReport(a.stdout, report, o.json)
}

// benchReport is a report of any of the benchmarks.
type benchReport interface{ Write(io.Writer) error }

func writeReport(w io.Writer, report benchReport, asJSON bool) error {
	if !asJSON {
		return report.Write(w)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}
