package main

import (
	"context"
	"time"

	"boxer.dev/internal/otlp"
)

// flushTime is how long the end of a server waits for a collector.
const flushTime = 5 * time.Second

// trace sends traces where the environment wants them; close sends what is left.
func (o *serveOptions) trace(ctx context.Context) (close func(), err error) {
	failed := func(err error) { o.Options.Logger.Warn("tracing", "error", err.Error()) }
	provider, err := otlp.Provider(ctx, "boxer", failed)
	if err != nil || provider == nil {
		return func() {}, err
	}
	o.Options.Traces = provider
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			failed(err)
		}
	}, nil
}
