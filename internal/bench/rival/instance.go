package rival

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Instance is an interpreter that waits for input.
type Instance struct {
	Processes []int // with their descendants, that are there for this instance alone
	Stop      func() error
}

// Wait starts one more process of the rival's that runs a program which prints a line and waits for input, until it has printed.
func (r *Rival) Wait(ctx context.Context, code string) (*Instance, error) {
	if r.Idle != nil {
		return r.Idle(ctx, code)
	}
	return Wait(ctx, r.Command(code), r.Env)
}

// Wait starts a process that prints a line and waits for input, until it has printed.
func Wait(ctx context.Context, command, env []string) (*Instance, error) {
	return idleProcess(ctx, command, env, nil)
}

func idleProcess(ctx context.Context, command, env []string, kill func() error) (*Instance, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var trouble strings.Builder
	cmd.Stderr = &trouble
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() error {
		stdin.Close()
		if kill != nil {
			_ = kill() // it may have ended, since its input has
		}
		timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Wait() // that it fails for want of input is no fault
		return nil
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("waiting for %s: %w: %s", command[0], err, firstLine(trouble.String())), stop())
	}
	return &Instance{Processes: []int{cmd.Process.Pid}, Stop: stop}, nil
}
