package runtime

import (
	"context"
	"errors"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// Box is an image ready to run: its tree and what its configuration says about running it.
type Box struct{}

// Load makes a box of an image's opened layers, which must stay open as long as the box is used.
func (e *Engine) Load(root *oci.Rootfs) (*Box, error) { return nil, errors.ErrUnsupported }

// NewBox makes a box of a tree and the configuration that goes with it. The box runs on forks of the tree as it is now.
func (e *Engine) NewBox(fs *vfs.FS, config v1.Config) *Box { return nil }

// Run runs a command to its end.
func (b *Box) Run(ctx context.Context, c *Cmd) error { return errors.ErrUnsupported }
