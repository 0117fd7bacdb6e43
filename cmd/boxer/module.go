package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"boxer.dev/internal/onefile"
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
	s, err := box.Standalone()
	if err != nil {
		return nil, err
	}
	if lost := notHeld(s.Limits); len(lost) > 0 {
		warn(fmt.Errorf("LIMIT %s: other runtimes have limits of their own; the module does not hold these", strings.Join(lost, " ")))
	}
	module, err := onefile.Module(&onefile.Box{
		Tree: s.Tree, Program: s.Module, Image: s.Image, Fixed: s.Fixed, Args: s.Args, Named: s.Named, Env: s.Env, Dir: s.Dir,
		UID: s.UID, GID: s.GID, ReadOnly: s.Limits.ReadOnly, Writable: s.Limits.Writable, Files: s.Limits.Files,
		OpenFiles: s.Limits.OpenFiles, Memory: s.Limits.Memory,
	})
	if errors.Is(err, onefile.ErrNotBuilt) {
		err = withHint(err, onefile.NotBuiltHint)
	}
	return module, err
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
