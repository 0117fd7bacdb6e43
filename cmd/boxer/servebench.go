package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"boxer.dev/internal/bench"
)

func benchServeCommand(a *app) *cobra.Command {
	var o benchOptions
	var clients int
	command := &cobra.Command{
		Use:   "serve [OPTIONS]",
		Short: "Measure how many runs boxer serve answers in a second, and how fast",
		Long: `Measure how many isolated runs of hello ` + "`boxer serve`" + ` answers in a second over HTTP, and how fast it
answers at half of that rate. The server is a process of its own with its defaults; the load
generator is this one, so that both share the machine. At half load requests are made at an even
pace, whatever the answers take, and their time counts from when they were due.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return a.benchServe(command.Context(), o, clients) },
	}
	flags := command.Flags()
	flags.BoolVar(&o.json, "json", false, "print the figures as JSON")
	flags.BoolVar(&o.quick, "quick", false, "take a fifth of the time")
	flags.IntVar(&clients, "clients", 0, "so `MANY` ask at the same time (default 4 for each core)")
	return command
}

func (a *app) benchServe(ctx context.Context, o benchOptions, clients int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	report, err := bench.Serve{Boxer: self, Clients: clients, Quick: o.quick, Progress: a.measuring()}.Run(ctx)
	if err != nil {
		return err
	}
	return writeReport(a.stdout, report, o.json)
}
