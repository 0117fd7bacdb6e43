package rival

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// docker is a daemon and its client; podman answers to the same commands, without one.
func docker(ctx context.Context, p Places) *Rival {
	r := &Rival{Key: "docker", Name: "docker", Settings: "docker run --rm --network none, a container for each run"}
	return r.containers(ctx, p, "{{.Server.Version}}", "no docker daemon answers")
}

func podman(ctx context.Context, p Places) *Rival {
	r := &Rival{Key: "podman", Name: "podman", Settings: "podman run --rm --network none, a container for each run"}
	return r.containers(ctx, p, "{{.Client.Version}}", "podman does not tell its version")
}

// imported is what an image is called that is made of Root.
const imported = "boxer-bench-python:latest"

// containers completes docker or podman, with the image that the user named or one of the root that Install made.
func (r *Rival) containers(ctx context.Context, p Places, version, silent string) *Rival {
	program, err := exec.LookPath(r.Key)
	if err != nil {
		return r.missing("there is no " + r.Key)
	}
	if r.Version = answer(ctx, program, "version", "--format", version); r.Version == "" {
		return r.missing(silent)
	}
	image := p.Image
	if image == "" {
		if image, err = importRoot(ctx, program, p.Root()); err != nil {
			return r.missing(err.Error())
		}
	}
	python := answer(ctx, program, "run", "--rm", "--network", "none", image, "python3", "--version")
	if python == "" {
		return r.missing("image " + image + " has no python3")
	}
	r.Version, r.Container, r.Streams = r.Version+", "+python, true, true
	base := []string{program, "run", "--rm", "-i", "--network", "none", image, "python3", "-I", "-c"}
	r.Command = func(code string) []string { return append(base[:len(base):len(base)], code) }
	r.Build = &Build{Command: []string{program, "build", "-q"}, Env: []string{"DOCKER_BUILDKIT=" + buildKit(ctx, program)}, Remove: []string{program, "image", "rm", "-f"}}
	r.Idle = func(ctx context.Context, code string) (*Instance, error) {
		return idleContainer(ctx, program, image, code)
	}
	return r
}

// buildKit says whether a client can have images built by BuildKit, which is the faster builder: clients before 23 have all
// that takes, later ones need a component.
func buildKit(ctx context.Context, program string) string {
	var major int
	_, err := fmt.Sscan(strings.ReplaceAll(answer(ctx, program, "version", "--format", "{{.Client.Version}}"), ".", " "), &major)
	if err == nil && major >= 23 && answer(ctx, program, "buildx", "version") == "" {
		return "0"
	}
	return "1"
}

// importRoot gives the name of an image made of a root. A daemon that has it is not asked again.
func importRoot(ctx context.Context, program, root string) (string, error) {
	if answer(ctx, program, "image", "inspect", "--format", "{{.Id}}", imported) != "" {
		return imported, nil
	}
	if !there(root) {
		return "", errors.New("no image: name one by --image, or make one by --install-rivals")
	}
	if out, err := exec.CommandContext(ctx, program, "import", root, imported).CombinedOutput(); err != nil {
		return "", fmt.Errorf("importing %s: %w: %s", root, err, firstLine(string(out)))
	}
	return imported, nil
}

// idleContainer starts a container that waits for input. What belongs to it are its processes and the one that watches over them.
func idleContainer(ctx context.Context, program, image, code string) (*Instance, error) {
	id := answer(ctx, program, "run", "-d", "-i", "--network", "none", image, "python3", "-I", "-c", code)
	if id == "" {
		return nil, fmt.Errorf("%s starts no container", program)
	}
	stop := func() error { return exec.Command(program, "rm", "-f", id).Run() }
	pid, err := strconv.Atoi(answer(ctx, program, "inspect", "--format", "{{.State.Pid}}", id))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not tell a container's process", program), stop())
	}
	// That it has got as far as waiting shows in what it has printed.
	for answer(ctx, program, "logs", id) == "" {
		if ctx.Err() != nil || answer(ctx, program, "inspect", "--format", "{{.State.Running}}", id) != "true" {
			return nil, errors.Join(errors.New("the container ended"), stop())
		}
	}
	processes := []int{pid}
	if parent, ok := keeper(pid); ok {
		processes = append(processes, parent)
	}
	return &Instance{Processes: processes, Stop: stop}, nil
}

// keeper is the process that watches over a container: containerd's shim, or conmon.
func keeper(pid int) (parent int, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // state and parent stand behind the name, see proc(5)
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0, false
	}
	if parent, err = strconv.Atoi(fields[1]); err != nil {
		return 0, false
	}
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", parent))
	executable, _, _ := strings.Cut(string(command), "\x00")
	name := filepath.Base(executable)
	return parent, err == nil && (strings.Contains(name, "shim") || name == "conmon")
}
