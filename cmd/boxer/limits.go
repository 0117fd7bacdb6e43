package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"boxer.dev/runtime"
	"boxer.dev/runtime/capability"
)

// limitOptions are the flags of `boxer run` that bound a run.
type limitOptions struct {
	limits   []string
	readOnly bool
	clock    string
	random   string
}

// defaultLimits hold where neither flags nor boxer.yaml give others.
var defaultLimits = runtime.Limits{Writable: 4 << 30, Files: 1_000_000}

func (o *limitOptions) bind(command *cobra.Command) {
	flags := command.Flags()
	flags.StringArrayVar(&o.limits, "limit", nil, "bound the run by `NAME=VALUE`, as LIMIT in a Boxfile does")
	flags.VarP(&limitFlag{o, "memory"}, "memory", "m", "bound its memory to `BYTES`, as 64M")
	flags.Var(&limitFlag{o, "fuel"}, "fuel", "bound it to so many `INSTRUCTIONS`, as 1G")
	flags.Var(&limitFlag{o, "timeout"}, "timeout", "end it after `TIME`, as 30s")
	flags.Var(&limitFlag{o, "output"}, "output-limit", "end it after so many `BYTES` of output")
	flags.BoolVar(&o.readOnly, "read-only", false, "let it change no file")
	flags.StringVar(&o.clock, "clock", "on", "the time that it sees, real or always the same: `on|fixed`")
	flags.StringVar(&o.random, "random", "on", "its random numbers, real or the same in all runs: `on|seeded`")
	for _, name := range []string{"clock", "random"} {
		flags.Lookup(name).DefValue = "" // so that the line is not longer than it needs to be
	}
	command.RegisterFlagCompletionFunc("limit", cobra.FixedCompletions(limitNames(), cobra.ShellCompDirectiveNoSpace))
	command.RegisterFlagCompletionFunc("clock", cobra.FixedCompletions([]string{"on", "fixed"}, cobra.ShellCompDirectiveNoFileComp))
	command.RegisterFlagCompletionFunc("random", cobra.FixedCompletions([]string{"on", "seeded"}, cobra.ShellCompDirectiveNoFileComp))
}

func limitNames() []string {
	var names []string
	for _, word := range capability.LimitWords() {
		if strings.HasSuffix(word, "=") {
			names = append(names, word)
		}
	}
	return names
}

// limitFlag is a flag that is short for a --limit.
type limitFlag struct {
	options *limitOptions
	name    string
}

var _ pflag.Value = (*limitFlag)(nil)

func (f *limitFlag) String() string { return "" }
func (f *limitFlag) Type() string   { return "" }
func (f *limitFlag) Set(value string) error {
	word := f.name + "=" + value
	if err := new(runtime.Limits).ParseLimit(word); err != nil {
		return err
	}
	f.options.limits = append(f.options.limits, word)
	return nil
}

// merge makes the limits of the run: the flags' where there are any, else the file's, else the default.
func (o *limitOptions) merge(file runtime.Limits) (runtime.Limits, error) {
	var limits runtime.Limits
	for _, word := range o.limits {
		if err := limits.ParseLimit(word); err != nil {
			return limits, &usageError{err: fmt.Errorf("invalid --limit: %w", err)}
		}
	}
	limits.ReadOnly = limits.ReadOnly || o.readOnly || file.ReadOnly
	switch o.clock {
	case "fixed":
		limits.FixedClock = true
	case "on", "":
	default:
		return limits, &usageError{err: errors.New("--clock takes on or fixed")}
	}
	switch o.random {
	case "seeded":
		limits.SeededRandom = true
	case "on", "":
	default:
		return limits, &usageError{err: errors.New("--random takes on or seeded")}
	}
	limits.FixedClock = limits.FixedClock || file.FixedClock
	limits.SeededRandom = limits.SeededRandom || file.SeededRandom
	return limits.Or(file).Or(defaultLimits), nil
}
