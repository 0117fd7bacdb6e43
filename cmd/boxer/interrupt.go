package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"boxer.dev/runtime"
)

// interruptible lets the run be told of an interrupt (Ctrl-C), unless boxer was started to ignore it, as in the background of a
// script, and of SIGTERM.
//
// The first interrupt is the program's: Python raises KeyboardInterrupt, a program that knows nothing of signals ends. The
// second ends the run, unless the box has the terminal, where interrupts are part of the conversation. SIGTERM ends it. With
// --grace, what ends the run waits until the grace is over, or for a second signal.
func interruptible(ctx context.Context, o runOptions, command *runtime.Cmd) (_ context.Context, stop func()) {
	ctx, end := context.WithCancelCause(ctx)
	pass := make(chan runtime.Signal, 1)
	command.Signals = pass
	interrupt := func() {
		select {
		case pass <- runtime.Interrupt:
		default: // the last one has not even been seen
		}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	if !signal.Ignored(os.Interrupt) {
		signal.Notify(signals, os.Interrupt)
	}
	go func() {
		for first := true; ; first = false {
			received, ok := <-signals
			switch {
			case !ok:
				return
			case received == syscall.SIGTERM:
				end(&runtime.KilledError{Reason: "terminated", Status: 128 + 15})
			case o.grace > 0 || !first && !o.tty:
				end(&runtime.KilledError{Reason: "interrupted", Status: runtime.StatusInterrupted})
			default:
				interrupt()
				continue
			}
			if !first {
				interrupt() // which is the end of the grace
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		end(nil)
	}
}
