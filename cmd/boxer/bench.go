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
	command.AddCommand(benchStartCommand(a), benchBuildCommand(a))
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
	store, err := a.store()
	if err != nil {
		return err
	}
	root, err := a.rootfs(ctx, store, "python:3.13", pullNever)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	dir, err := cacheDir()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if _, err := os.Stat(o.python3); err != nil {
		o.python3 = ""
	}
	start := bench.Start{Python: root, CacheDir: dir, Boxer: self, Python3: o.python3, Quick: o.quick}
	if _, ok := descriptor(a.stderr); ok {
		start.Progress = func(what string) { fmt.Fprintf(a.stderr, "measuring %s\n", what) }
	}
	report, err := start.Run(ctx)
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
	build := bench.Build{Boxer: self, Quick: o.quick}
	if docker, err := exec.LookPath("docker"); err == nil {
		build.Docker = docker
	}
	if _, ok := descriptor(a.stderr); ok {
		build.Progress = func(what string) { fmt.Fprintf(a.stderr, "measuring %s\n", what) }
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
