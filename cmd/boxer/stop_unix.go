//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"

	"boxer.dev/runtime/isolate"
)

// stopTogether passes on what a terminal's Ctrl-Z means, until the function that it returns is called: workers are in a session
// of their own. Signals that end this process end them, too.
func stopTogether(pool *isolate.Pool) (end func()) {
	stops := make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGTSTP)
	go func() {
		for range stops {
			pool.Signal(syscall.SIGSTOP)
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			pool.Signal(syscall.SIGCONT)
		}
	}()
	return func() {
		signal.Stop(stops)
		close(stops)
	}
}
