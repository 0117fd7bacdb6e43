package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"boxer.dev/runtime"
	"boxer.dev/runtime/capability"
	"boxer.dev/server"
)

// limitOptions are the flags of `boxer run` that bound a run.
type limitOptions struct {
	limits        []string
	readOnly      bool
	deterministic bool
	untrusted     bool
	clock         string
	random        string
	seed          seedFlag
	grace         time.Duration
}

// defaultLimits hold where neither flags nor boxer.yaml give others. They keep a program from filling the host's memory or
// disk; how long it may run is the business of whoever started it. docs/limits.md has them.
var defaultLimits = runtime.Limits{Memory: 2 << 30, Output: 4 << 30, Writable: 1 << 30, Files: 200_000, OpenFiles: 1024}

// untrustedLimits hold in their place with --untrusted, for code that nobody has looked at.
var untrustedLimits = server.DefaultLimits

// shortLimits are the flags that are short for a --limit.
var shortLimits = []struct{ flag, short, limit, usage string }{
	{"memory", "m", "memory", "at most so many `BYTES` of memory, as 64M (default 2G)"},
	{"timeout", "", "timeout", "end it after `TIME` by the clock on the wall, as 30s"},
	{"cpu", "", "cpu", "end it after so much `TIME` of the processor"},
	{"fuel", "", "fuel", "end it after so many `INSTRUCTIONS`, as 1G"},
	{"output-limit", "", "output", "end it after so many `BYTES` of output (default 4G)"},
	{"writable", "", "writable", "at most so many `BYTES` in files of the box (default 1G)"},
	{"files", "", "files", "at most so many `FILES` made or changed (default 200k)"},
	{"open-files", "", "open-files", "at most so many open `FILES` of a program (default 1024)"},
}

func (o *limitOptions) bind(command *cobra.Command) {
	flags := command.Flags()
	for _, f := range shortLimits {
		flags.VarP(&limitFlag{o, f.limit}, f.flag, f.short, f.usage)
	}
	flags.StringArrayVar(&o.limits, "limit", nil, "bound it by `NAME=VALUE`, as LIMIT in a Boxfile does")
	flags.BoolVar(&o.untrusted, "untrusted", false, "tighter bounds by default, for code that nobody has looked at: a\nminute, 256M of memory, 1M of output, 64M of files")
	flags.BoolVar(&o.readOnly, "read-only", false, "let it change no file")
	flags.DurationVar(&o.grace, "grace", 0, "at the end of its time, or interrupted, give it so much `TIME` more\nto clean up: Python sees TimeoutError or KeyboardInterrupt")
	flags.Lookup("grace").DefValue = "0s"
	flags.BoolVar(&o.deterministic, "deterministic", false, "make equal runs equal to the byte: a clock and random numbers that\nare always the same, input line by line, no trace of the host")
	flags.StringVar(&o.clock, "clock", "on", "the time that it sees: real, always the same, none: `on|fixed|off`")
	flags.StringVar(&o.random, "random", "on", "its random numbers: real, always the same, none: `on|seeded|off`")
	flags.Var(&o.seed, "seed", "what random numbers that are always the same follow from: a `NUMBER`")
	for _, name := range []string{"clock", "random"} {
		flags.Lookup(name).DefValue = "" // so that the line is not longer than it needs to be
	}
	command.RegisterFlagCompletionFunc("limit", cobra.FixedCompletions(limitNames(), cobra.ShellCompDirectiveNoSpace))
	command.RegisterFlagCompletionFunc("clock", cobra.FixedCompletions([]string{"on", "fixed", "off"}, cobra.ShellCompDirectiveNoFileComp))
	command.RegisterFlagCompletionFunc("random", cobra.FixedCompletions([]string{"on", "seeded", "off"}, cobra.ShellCompDirectiveNoFileComp))
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

// seedFlag is a number that may have been given.
type seedFlag struct {
	value uint64
	given bool
}

func (f *seedFlag) String() string { return "" }
func (f *seedFlag) Type() string   { return "" }
func (f *seedFlag) Set(text string) error {
	if n, err := fmt.Sscanf(text+"\n", "%d\n", &f.value); n != 1 || err != nil {
		return errors.New("it is a whole number from 0 to 18446744073709551615")
	}
	f.given = true
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
	for _, choice := range []struct{ name, value, words string }{
		{"clock", o.clock, "on, fixed or off"}, {"random", o.random, "on, seeded or off"},
	} {
		if choice.value == "" || choice.value == "on" {
			continue
		}
		if err := limits.ParseLimit(choice.name + "=" + choice.value); err != nil {
			return limits, &usageError{err: fmt.Errorf("--%s takes %s", choice.name, choice.words)}
		}
	}
	if o.grace < 0 {
		return limits, &usageError{err: errors.New("--grace takes a time such as 2s")}
	}
	limits.ReadOnly = limits.ReadOnly || o.readOnly
	limits.Deterministic = limits.Deterministic || o.deterministic
	limits.SeededRandom = limits.SeededRandom || o.seed.given
	usual := defaultLimits
	if o.untrusted {
		usual = untrustedLimits
	}
	return limits.Or(file).Or(usual), nil
}
