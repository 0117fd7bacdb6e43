package rival

import (
	"context"
	"os/exec"
)

// python3 is the host's own Python. It is no sandbox: what it takes is the floor.
func python3(ctx context.Context, p Places) *Rival {
	r := &Rival{
		Key: "python3", Name: "python3 (no sandbox)", Settings: "python3 -I, a process for each run", Streams: true,
	}
	executable := p.Python3
	if executable == "" {
		executable = "python3"
	}
	found, err := exec.LookPath(executable)
	if err != nil {
		return r.missing("there is no " + executable)
	}
	if r.Version = answer(ctx, found, "--version"); r.Version == "" {
		return r.missing(found + " does not tell its version")
	}
	r.Command = func(code string) []string { return []string{found, "-I", "-c", code} }
	return r
}
