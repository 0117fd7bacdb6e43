package server

import (
	"context"

	"boxer.dev/runtime"
	"boxer.dev/runtime/isolate"
)

// Isolated runs in processes that have given up what they do not need.
type Isolated struct{ Pool *isolate.Pool }

// Run runs in a worker of the tenant.
func (i Isolated) Run(ctx context.Context, b *Opened, tenant string, c *runtime.Cmd) error {
	return i.Pool.Run(ctx, isolate.Box{Root: b.Root, Tenant: tenant}, c)
}

// Here runs in this process.
type Here struct{ Engine *runtime.Engine }

// Run runs in an instance that another run may have used before it, made as new.
func (h Here) Run(ctx context.Context, b *Opened, _ string, c *runtime.Cmd) error {
	box, err := b.box(h.Engine)
	if err != nil {
		return err
	}
	return box.Run(ctx, c)
}
