package server

import (
	"context"

	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/runtime/isolate"
)

// Isolated runs in processes that have given up what they do not need.
type Isolated struct{ Pool *isolate.Pool }

// Run runs in a worker of the tenant.
func (i Isolated) Run(ctx context.Context, b *Opened, tenant string, c *runtime.Cmd) error {
	return i.Pool.Run(ctx, b.isolated(tenant), c)
}

// Open opens a session in a worker of the tenant, which may hold others of his.
func (i Isolated) Open(ctx context.Context, b *Opened, tenant string, c *runtime.Cmd) (Session, error) {
	s, err := i.Pool.Session(ctx, b.isolated(tenant), c)
	if err != nil {
		return nil, err
	}
	return isolatedSession{s}, nil
}

func (o *Opened) isolated(tenant string) isolate.Box {
	return isolate.Box{Root: o.Root, Tenant: tenant, Foreign: o.foreign}
}

type isolatedSession struct{ *isolate.Session }

func (s isolatedSession) Fork(ctx context.Context) (Session, error) {
	f, err := s.Session.Fork(ctx)
	if err != nil {
		return nil, err
	}
	return isolatedSession{f}, nil
}

// Forget ends the workers of a box.
func (i Isolated) Forget(root *oci.Rootfs) { i.Pool.Forget(root) }

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

// Open opens a session in this process.
func (h Here) Open(ctx context.Context, b *Opened, _ string, c *runtime.Cmd) (Session, error) {
	box, err := b.box(h.Engine)
	if err != nil {
		return nil, err
	}
	s, err := box.Session(ctx, c)
	if err != nil {
		return nil, err
	}
	return hereSession{s}, nil
}

type hereSession struct{ *runtime.Session }

func (s hereSession) Fork(ctx context.Context) (Session, error) {
	f, err := s.Session.Fork(ctx)
	if err != nil {
		return nil, err
	}
	return hereSession{f}, nil
}
