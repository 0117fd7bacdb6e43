package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/onefile"
	"boxer.dev/internal/registry"
	"boxer.dev/oci"
	"boxer.dev/runtime"
	"boxer.dev/runtime/capability"
)

// writeModule writes a box as one module.
func (r *results) writeModule(w io.Writer, root *oci.Rootfs) error {
	module, err := r.module(root)
	if err != nil {
		return err
	}
	_, err = w.Write(module)
	return err
}

// Values of `boxer push --as`.
const (
	asBox  = "box"
	asWasm = "wasm"
)

// pushModule pushes a box as a module for other runtimes.
func (a *app) pushModule(ctx context.Context, o remoteOptions, ref string) error {
	store, img, err := a.stored(ref)
	if err != nil {
		return err
	}
	artifact, err := a.artifact(ctx, store, img)
	if err != nil {
		return fmt.Errorf("making a module of %s: %w", ref, err)
	}
	digest, err := a.transfer(o, "pushing", "pushed", ref, func(client *registry.Client) (v1.Hash, error) {
		return client.Push(ctx, nil, artifact, ref)
	})
	if err != nil {
		return err
	}
	return a.printByDigest(ref, digest)
}

func (a *app) artifact(ctx context.Context, store *oci.Store, img v1.Image) (v1.Image, error) {
	root, err := store.Rootfs(img)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	engine := func() (*runtime.Engine, error) { return a.engine(ctx, nil, a.warn) }
	module, err := standaloneModule(engine, root, a.warn)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	return onefile.Artifact(module, config.Created.Time, config.Author)
}

// standaloneModule makes one WebAssembly module of a box. What of its limits no other runtime holds, warn is told.
func standaloneModule(engine func() (*runtime.Engine, error), root *oci.Rootfs, warn func(error)) ([]byte, error) {
	e, err := engine()
	if err != nil {
		return nil, err
	}
	box, err := e.Load(root)
	if err != nil {
		return nil, err
	}
	var created time.Time
	if root.Config != nil {
		created = root.Config.Created.Time
	}
	s, err := box.Standalone(created)
	if err != nil {
		return nil, err
	}
	limits := s.Requests.Limits
	if lost := notHeld(limits); len(lost) > 0 {
		warn(fmt.Errorf("LIMIT %s: other runtimes have limits of their own; the module does not hold these", strings.Join(lost, " ")))
	}
	if needs := notChecked(s.Requests.Needs); len(needs) > 0 {
		warn(fmt.Errorf("ALLOW %s: whoever runs the module has to know that; it does not check what it is granted", strings.Join(needs, " ")))
	}
	module, err := onefile.Module(&onefile.Box{
		Tree: s.Tree, Program: s.Module, Image: s.Image, Fixed: s.Fixed, Args: s.Args, Named: s.Named, Env: s.Env, Dir: s.Dir,
		UID: s.UID, GID: s.GID, ReadOnly: limits.ReadOnly, Writable: limits.Writable, Files: limits.Files,
		OpenFiles: limits.OpenFiles, Memory: limits.Memory,
	})
	if errors.Is(err, onefile.ErrNotBuilt) {
		err = withHint(err, onefile.NotBuiltHint)
	}
	return module, err
}

// notChecked names what a box cannot do without, in the words of ALLOW.
func notChecked(needs []capability.Need) (words []string) {
	for _, need := range needs {
		if !need.Optional {
			words = append(words, need.String())
		}
	}
	return words
}

// notHeld names the limits of a box that are its runtime's to hold.
func notHeld(l capability.Limits) (names []string) {
	for name, set := range map[string]bool{
		"fuel": l.Fuel > 0, "timeout": l.Timeout > 0, "cpu": l.CPU > 0, "output": l.Output > 0,
		"clock": l.FixedClock, "random": l.SeededRandom,
	} {
		if set {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
