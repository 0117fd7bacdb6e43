package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"boxer.dev/internal/bench"
	"boxer.dev/internal/bench/rival"
	"boxer.dev/oci"
)

// benchOptions are the flags of all benchmarks.
type benchOptions struct {
	json, markdown, html string   // "": not wanted; "-": on standard output
	renew                []string // pages in Markdown that have places for figures
	plot                 string   // a file for the plot of first outputs; "": it is not wanted
	quick                bool
	installRivals        bool
	clients              int // that ask `boxer serve` at once; 0: as many as it takes
	rivals               rival.Places
}

func (o *benchOptions) bind(flags *pflag.FlagSet) {
	for _, format := range []struct {
		name  string
		value *string
		usage string
	}{
		{"json", &o.json, "write the figures as JSON to a `file`, without one to standard output"},
		{"markdown", &o.markdown, "write tables in Markdown to a `file`, without one to standard output"},
		{"html", &o.html, "write a report with plots to a `file`, without one to standard output"},
	} {
		flags.StringVar(format.value, format.name, "", format.usage)
		flags.Lookup(format.name).NoOptDefVal = "-"
	}
	flags.StringArrayVar(&o.renew, "renew", nil, "put tables into a Markdown `page`, between lines <!-- bench … -->")
	flags.StringVar(&o.plot, "plot", "", "draw the time to the first output into an SVG `file`")
	flags.BoolVar(&o.quick, "quick", false, "take a fifth of the measurements")
	flags.BoolVar(&o.installRivals, "install-rivals", false, "first fetch what npm and pip have, pinned, into the user's cache")
	flags.StringVar(&o.rivals.Image, "image", "", "an `image` with python3 that docker or podman has, to compare with")
	flags.StringVar(&o.rivals.Python3, "python3", "/usr/bin/python3", "the host's Python, an `executable`")
}

// benchPart is one command of `boxer bench`.
type benchPart struct {
	name, short, long string
	part              func(*benchSetup) (bench.Part, error)
}

// benchParts are all of them, in the order of reports.
var benchParts = []benchPart{
	{"start", "Measure how fast programs start", `Measure how fast programs start: in boxer's own process, as a process, and in whatever else runs
Python here. Instances that are ready are kept in this process, as a server keeps them; a whole
process is ` + "`boxer run python:3.13 -c \"print('hello')\"`" + ` beside the host's own Python with -I.`, benchStart},
	{"size", "Measure how large an app is, and how much of it moves", `Measure how large an app on Python is as a box and as a container image, compressed and unpacked,
and how many bytes go to a registry: of the first app, and after one line of it has changed.`, benchSize},
	{"cpu", "Measure what Python programs take, charged, and elsewhere", `Measure what Python programs take, what it costs them that they can be stopped wherever they are,
what it costs to be charged for each instruction, as by --fuel, and what they take in whatever else
runs Python here. Eleven programs take turns everywhere.`, benchCPU},
	{"build", "Measure how long a directory of 5,000 files takes to build", `Measure how long a directory of 5,000 files takes to build: as nobody has seen it before,
unchanged, and after one file has changed. Each is a whole process, of a store of its own. If a
docker daemon answers, docker build takes turns with it.`, benchBuild},
	{"density", "Measure how much memory an interpreter takes that waits", `Measure how much memory one more interpreter takes that waits for input: in boxer's own process, as
a process, and of whatever else runs Python here.`, benchDensity},
	{"serve", "Measure how many runs boxer serve answers in a second, and how fast", `Measure how many isolated runs of hello ` + "`boxer serve`" + ` answers in a second over HTTP, and how fast it
answers at half of that rate. The server is a process of its own with its defaults; the load
generator is this one, so that both share the machine. At half load requests are made at an even
pace, whatever the answers take, and their time counts from when they were due.`, benchServe},
}

func benchCommand(a *app) *cobra.Command {
	var o benchOptions
	command := &cobra.Command{
		Use:   "bench [OPTIONS] [COMMAND]",
		Short: "Measure boxer on this machine, beside what else runs Python here",
		Long: `Measure boxer on this machine, beside what else runs Python here: containers and other sandboxes.
Without a command everything is measured, in some ten minutes. Every figure is a median with its
quartiles; what is compared is measured in turns, and a ratio is the median over pairs of
neighbours.`,
		Example: `  boxer bench --quick
  boxer bench --install-rivals --html=report.html --json=report.json
  boxer bench start --json`,
		Args: arguments(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return a.bench(command.Context(), o, benchParts) },
	}
	o.bind(command.Flags())
	for _, part := range benchParts {
		command.AddCommand(benchPartCommand(a, part))
	}
	return command
}

func benchPartCommand(a *app, part benchPart) *cobra.Command {
	var o benchOptions
	command := &cobra.Command{
		Use:   part.name + " [OPTIONS]",
		Short: part.short,
		Long:  part.long,
		Args:  arguments(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			return a.bench(command.Context(), o, []benchPart{part})
		},
	}
	o.bind(command.Flags())
	if part.name == "serve" {
		command.Flags().IntVar(&o.clients, "clients", 0, "so `MANY` ask at the same time (default 4 for each core)")
	}
	return command
}

// benchSetup is what parts measure with.
type benchSetup struct {
	python   *oci.Rootfs // the Python base, opened
	cacheDir string      // of machine code
	self     string      // the executable of boxer
	rivals   []*rival.Rival
	root     string // the tar file of a container's root with Python, which may be there
	clients  int    // of `boxer serve`, see benchOptions
	quick    bool
	progress func(what string) // nil: nobody wants to know
}

// bench takes the measurements of some parts and writes the report.
func (a *app) bench(ctx context.Context, o benchOptions, parts []benchPart) (err error) {
	setup, err := a.benchSetup(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, setup.python.Close()) }()
	report := &bench.Report{Date: time.Now(), Version: version, Quick: o.quick, Machine: bench.ThisMachine()}
	if len(parts) > 1 || parts[0].name != "serve" { // a server is compared with nothing
		if report.Contenders, err = bench.Contenders(ctx, setup.self, version, setup.rivals); err != nil {
			return err
		}
	}
	if report.Noise, err = bench.Noise(ctx, o.quick); err != nil {
		return err
	}
	var failed []error
	for _, p := range parts {
		part, err := p.part(setup)
		if err != nil {
			return err
		}
		section, err := part.Run(ctx)
		if err != nil { // the others took minutes, too
			failed = append(failed, fmt.Errorf("measuring %s: %w", p.name, err))
			continue
		}
		report.Sections = append(report.Sections, section)
	}
	if len(report.Sections) > 0 {
		failed = append(failed, a.writeReport(report, o))
	}
	return errors.Join(failed...)
}

func (a *app) benchSetup(ctx context.Context, o benchOptions) (*benchSetup, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	s := &benchSetup{quick: o.quick, clients: o.clients, progress: a.measuring()}
	if s.cacheDir, err = cacheDir(); err != nil {
		return nil, err
	}
	if s.self, err = os.Executable(); err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	o.rivals.Dir = filepath.Join(cache, "boxer", "rivals")
	if o.installRivals {
		if err := rival.Install(ctx, o.rivals, a.stderr); err != nil {
			return nil, err
		}
	}
	s.rivals, s.root = rival.All(ctx, o.rivals), o.rivals.Root()
	s.python, err = a.rootfs(ctx, store, "python:3.13", pullOptions{policy: pullNever})
	return s, err
}

// measuring tells a person at a terminal what goes on.
func (a *app) measuring() func(what string) {
	if _, ok := descriptor(a.stderr); !ok {
		return nil
	}
	return func(what string) { fmt.Fprintf(a.stderr, "measuring %s\n", what) }
}

func benchStart(s *benchSetup) (bench.Part, error) {
	return bench.Start{
		Python: s.python, CacheDir: s.cacheDir, Boxer: s.self, Rivals: s.rivals, Quick: s.quick, Progress: s.progress,
	}, nil
}

func benchSize(s *benchSetup) (bench.Part, error) {
	return bench.Size{Boxer: s.self, Root: s.root}, nil
}

func benchCPU(s *benchSetup) (bench.Part, error) {
	return bench.CPU{Python: s.python, CacheDir: s.cacheDir, Rivals: s.rivals, Quick: s.quick, Progress: s.progress}, nil
}

func benchBuild(s *benchSetup) (bench.Part, error) {
	return bench.Build{Boxer: s.self, Rivals: s.rivals, Quick: s.quick, Progress: s.progress}, nil
}

func benchDensity(s *benchSetup) (bench.Part, error) {
	return bench.Density{
		Python: s.python, CacheDir: s.cacheDir, Boxer: s.self, Rivals: s.rivals, Quick: s.quick, Progress: s.progress,
	}, nil
}

func benchServe(s *benchSetup) (bench.Part, error) {
	return bench.Serve{Boxer: s.self, Clients: s.clients, Quick: s.quick, Progress: s.progress}, nil
}

// writeReport writes the report in every form that is wanted, and as text on standard output if nothing else is written there.
func (a *app) writeReport(report *bench.Report, o benchOptions) error {
	text := true
	for _, form := range []struct {
		name  string
		write func(io.Writer) error
	}{{o.json, report.WriteJSON}, {o.markdown, report.WriteMarkdown}, {o.html, report.WriteHTML}} {
		switch form.name {
		case "":
			continue
		case "-":
			text = false
			if err := form.write(a.stdout); err != nil {
				return err
			}
		default:
			if err := writeFileWith(form.name, form.write); err != nil {
				return err
			}
		}
	}
	for _, page := range o.renew {
		if err := renewPage(page, report); err != nil {
			return err
		}
	}
	if o.plot != "" {
		if err := writeFileWith(o.plot, plotOf(report)); err != nil {
			return err
		}
	}
	if !text {
		return nil
	}
	return report.WriteText(a.stdout)
}

func renewPage(name string, report *bench.Report) error {
	page, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	renewed, err := report.Renew(string(page))
	if err != nil {
		return fmt.Errorf("renewing %s: %w", name, err)
	}
	return os.WriteFile(name, []byte(renewed), 0o644)
}

// plotOf draws the comparison that pages begin with.
func plotOf(report *bench.Report) func(io.Writer) error {
	return func(w io.Writer) error {
		drawing, err := report.Plot("first_output")
		if err == nil && drawing == nil {
			err = errors.New("there is nothing to plot: `bench start` was not measured")
		}
		if err == nil {
			_, err = w.Write(drawing)
		}
		return err
	}
}

func writeFileWith(name string, write func(io.Writer) error) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return write(file)
}
