package rival

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
)

// runc is what docker and podman start containers with, here without either: on a root that is unpacked already, shared by all
// containers and read-only.
func runc(ctx context.Context, p Places) *Rival {
	r := &Rival{Key: "runc", Name: "runc alone", Settings: "runc run on an unpacked, read-only root, no network, a container for each run"}
	program, err := exec.LookPath("runc")
	if err != nil {
		if program = filepath.Join(p.Dir, "debian", "usr", "sbin", "runc"); !there(program) {
			return r.missing("there is no runc")
		}
	}
	root := filepath.Join(p.Dir, "root")
	if !there(root) {
		return r.missing("no root: `boxer bench --install-rivals` makes one")
	}
	state := filepath.Join(p.Dir, "runc")
	base := []string{program, "--root", filepath.Join(state, "state"), "run"}
	var count atomic.Int64
	// A container is a folder with a configuration, which holds the arguments, and a name of its own.
	start := func(code string, more ...string) (command []string, id string, err error) {
		id = fmt.Sprintf("boxer-bench-%d-%d", os.Getpid(), count.Add(1))
		bundle, err := runcBundle(ctx, program, state, root, code)
		command = append(append(base[:len(base):len(base)], more...), "--bundle", bundle, id)
		return command, id, err
	}
	r.Command = func(code string) []string {
		command, _, err := start(code)
		if err != nil {
			return []string{program, "the bundle cannot be made: " + err.Error()}
		}
		return command
	}
	python := r.Command("import sys; print('Python', sys.version.split()[0])")
	r.Version = answer(ctx, program, "--version") + ", " + answer(ctx, python...)
	if out, err := exec.CommandContext(ctx, python[0], python[1:]...).CombinedOutput(); err != nil {
		return r.missing("runc starts no container: " + firstLine(string(out)))
	}
	r.Container, r.Streams = true, true
	r.Idle = func(ctx context.Context, code string) (*Instance, error) {
		command, id, err := start(code)
		if err != nil {
			return nil, err
		}
		return idleProcess(ctx, command, nil, func() error {
			return exec.Command(program, "--root", filepath.Join(state, "state"), "kill", id, "KILL").Run()
		})
	}
	return r
}

// runcBundle makes a folder with the configuration of a container that runs a program.
func runcBundle(ctx context.Context, program, state, root, code string) (string, error) {
	bundle := filepath.Join(state, "bundles", fmt.Sprintf("%x", sha256.Sum256([]byte(code)))[:16])
	name := filepath.Join(bundle, "config.json")
	if there(name) {
		return bundle, nil
	}
	if err := os.MkdirAll(bundle, 0o755); err != nil {
		return "", err
	}
	spec := exec.CommandContext(ctx, program, "spec")
	spec.Dir = bundle
	if out, err := spec.CombinedOutput(); err != nil {
		return "", fmt.Errorf("runc spec: %w: %s", err, out)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		return "", err
	}
	process, ok := config["process"].(map[string]any)
	if !ok {
		return "", errors.New("runc's own configuration has no process")
	}
	process["terminal"], process["args"] = false, []string{"python3", "-I", "-c", code}
	config["root"] = map[string]any{"path": root, "readonly": true}
	if text, err = json.Marshal(config); err != nil {
		return "", err
	}
	return bundle, os.WriteFile(name, text, 0o644)
}
