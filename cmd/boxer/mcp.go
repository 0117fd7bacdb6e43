package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"boxer.dev/server"
)

func mcpCommand(a *app) *cobra.Command {
	var o serveOptions
	command := &cobra.Command{
		Use:   "mcp [OPTIONS]",
		Short: "Lend a language model tools to run Python with",
		Long: `Lend a language model tools to run Python with, by the Model Context Protocol on standard input and
output. Clients (desktop applications, editors, agents) start this command by themselves: register
it with them as a server of type stdio. Code has the limits of boxer run --untrusted unless flags
say otherwise, and nothing of this machine.

boxer serve has the same tools at /mcp, over HTTP. docs/mcp.md shows how to register either.`,
		Example: `  boxer mcp --memory 512M --timeout 2m
  {"mcpServers": {"boxer": {"command": "boxer", "args": ["mcp"]}}}`,
		Args: arguments(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error { return a.mcp(command.Context(), o) },
	}
	o.bindRunner(command.Flags())
	command.Flags().Lookup("running").Usage = "run so `MANY` at the same time (default 2)"
	o.bindLimits(command.Flags())
	groupFlags(command, []flagGroup{
		{"What it runs", "box isolate"},
		{"What a run may use", "memory timeout cpu fuel output-limit writable files open-files limit"},
		{"How much at a time", "running sessions session-memory session-idle"},
		{"Operating it", "log"},
	})
	return command
}

// mcp answers the client that has started this process, until it closes standard input.
func (a *app) mcp(ctx context.Context, o serveOptions) (err error) {
	if o.Running == 0 {
		o.Running = 2 // there is one client, and many may be started on a desktop
	}
	if err := o.completeRunner(); err != nil {
		return err
	}
	if o.Options.Logger, err = a.logger(o.log); err != nil {
		return err
	}
	if _, person := descriptor(a.stdin); person {
		fmt.Fprintln(a.stderr, "boxer: waiting for a client's messages on standard input; docs/mcp.md says how to register this command")
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal ends the process
	closeRunner, err := a.runner(ctx, &o)
	if err != nil {
		return err
	}
	s := server.New(o.Options)
	defer func() { err = errors.Join(err, s.Close(), closeRunner()) }()
	return s.ServeMCP(ctx, a.stdin, a.stdout)
}
