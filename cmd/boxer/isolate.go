package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/runtime/isolate"
)

// isolation is the flag --isolate: whether a run is given a process of its own that gives up what it does not need.
type isolation string

const (
	notIsolated      isolation = ""
	isolated         isolation = "on"      // with the walls that this machine has
	isolatedForSure  isolation = "require" // or not at all
	isolationChoices           = "on|require"
)

var _ pflag.Value = (*isolation)(nil)

func (i *isolation) String() string { return string(*i) }
func (i *isolation) Type() string   { return isolationChoices }
func (i *isolation) Set(value string) error {
	switch isolation(value) {
	case isolated, isolatedForSure:
		*i = isolation(value)
		return nil
	}
	return fmt.Errorf("it takes %s", isolationChoices)
}

// bind adds the flag, which is "on" where it has no value.
func (i *isolation) bind(flags *pflag.FlagSet) {
	flags.Var(i, "isolate", "run it in a process that first gives up all it can: `on|require`")
	flags.Lookup("isolate").NoOptDefVal = string(isolated)
}

// execute runs a command of an opened box.
func (a *app) execute(ctx context.Context, root *oci.Rootfs, command *runtime.Cmd, how isolation) error {
	if how != notIsolated {
		return a.executeIsolated(ctx, root, command, how)
	}
	engine, err := newEngine(ctx, runtime.Options{Progress: a.compiling, Warn: a.warn, Alone: a.abandon})
	if err != nil {
		return err
	}
	defer engine.Close()
	box, err := engine.Load(root)
	if err != nil {
		return err
	}
	return box.Run(ctx, command)
}

func (a *app) executeIsolated(ctx context.Context, root *oci.Rootfs, command *runtime.Cmd, how isolation) (err error) {
	dir, err := cacheDir()
	if err != nil {
		return err
	}
	pool := &isolate.Pool{
		CacheDir: dir, Workers: 1, Require: how == isolatedForSure, Memory: command.Limits.Memory + command.Limits.Writable + workerOverhead,
		Progress: a.compiling, Warn: a.warn,
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	defer stopTogether(pool)()
	return pool.Run(ctx, isolate.Box{Root: root}, command)
}
