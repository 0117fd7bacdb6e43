package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"boxer.dev/internal/repeatable"
	"boxer.dev/vfs"
)

func checkRun(c *instructions.RunCommand) error {
	for _, name := range c.FlagsUsed {
		if name == "mount" || name == "network" && instructions.GetNetwork(c) != instructions.NetworkHost {
			continue // there is no network either way
		}
		return withHint(fmt.Errorf("--%s is not supported", shownRunFlag(c, name)), "%s", runFlagHints[name])
	}
	if len(c.CmdLine) == 0 || strings.TrimSpace(c.CmdLine[0]) == "" {
		return errors.New("no command is given")
	}
	_, _, err := runScript(c)
	return err
}

func shownRunFlag(c *instructions.RunCommand, name string) string {
	if name == "network" {
		return name + "=" + instructions.GetNetwork(c)
	}
	return name
}

var runFlagHints = map[string]string{
	"network":  "RUN has no network, of the host or its own: fetch what you need before the build, and COPY it or mount it",
	"security": "every RUN is confined to the box; leave the flag out",
	"device":   "a box has no devices of the host; leave the flag out",
}

func runRun(ctx context.Context, s *stage, _ *instruction, c *instructions.RunCommand) error {
	lines, script, err := runScript(c)
	if err != nil {
		return err
	}
	args := s.commandLine(instructions.ShellDependantCmdLine{CmdLine: lines, PrependShell: c.PrependShell})
	if s.build.opts.Run == nil {
		return withHint(errors.New("there is nothing to run commands with"), "this build can carry out all instructions but RUN")
	}
	mounts, err := s.mounts(ctx, c)
	if err != nil {
		return err
	}
	if mounts, err = s.offerWheels(ctx, mounts); err != nil {
		return err
	}
	env := s.runEnvironment()
	if script != nil {
		s.seed = s.seed.with("script", script.text)
		mounts = append(mounts, script.mount(s))
	}
	s.seed = s.seed.with("run", slices.Concat(args, env, []string{s.config.User, s.config.WorkingDir})...)
	for _, m := range mounts {
		s.seed = s.seed.with("mount", m.key...)
	}
	return s.change(ctx, s.seed.with("command", args...), "RUN "+s.shownArgs()+strings.Join(args, " "), func() (*madeLayer, error) {
		e, err := s.edit()
		if err != nil {
			return nil, err
		}
		if err := s.execute(ctx, e, args, env, mounts); err != nil {
			return nil, err
		}
		if err := s.checkNoSecrets(e, mounts); err != nil {
			return nil, err
		}
		return s.commit(ctx, e)
	})
}

// runEnvironment is what a command sees: the image's variables, those of ARG, and when it is.
func (s *stage) runEnvironment() environment {
	env := s.env
	for _, key := range proxyArgs {
		if _, set := env.Get(key); set {
			continue
		}
		if v, ok := s.build.opts.Args[key]; ok {
			env = env.with(key, v)
		}
	}
	return s.build.tellOfWheels(env.with(epochArg, strconv.FormatInt(s.build.epoch.Unix(), 10)))
}

// shownArgs are the build arguments as docker's history shows them before a command: "|2 a=1 b=2 ".
func (s *stage) shownArgs() string {
	if len(s.args) == 0 {
		return ""
	}
	shown := make([]string, 0, len(s.args))
	for _, key := range s.args.Keys() {
		value, ok := s.env.Get(key)
		if !ok {
			value, _ = s.args.Get(key)
		}
		shown = append(shown, key+"="+value)
	}
	return fmt.Sprintf("|%d %s ", len(shown), strings.Join(shown, " "))
}

// execute runs a command on an edit's tree, with its mounts in place for as long as it runs.
func (s *stage) execute(ctx context.Context, e *edit, args []string, env environment, mounts []*mount) (err error) {
	clock := repeatable.Clock(s.build.epoch)
	e.tree.Configure(vfs.Config{Now: clock})
	mounted, err := mountAll(ctx, e.tree, mounts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mounted.close()) }()
	dir := s.inWorkdir(".")
	if st, err := e.tree.Stat(dir); errors.Is(err, fs.ErrNotExist) || (err == nil && !st.IsDir()) {
		return fmt.Errorf("the working directory %s is not in the box", quote(dir))
	}
	release, err := s.build.slots.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	tail := &tail{}
	out := &masked{to: &output{build: s.build, step: s.step, tail: tail}}
	given := slices.Clone(env)
	for _, m := range mounts {
		out.hide(m.secret)
		if m.Env != nil {
			given = given.with(*m.Env, string(m.secret))
		}
	}
	status, err := s.build.opts.Run(ctx, RunRequest{
		FS: e.tree, Config: *s.config.DeepCopy(),
		Args: args, Env: given, Dir: dir, User: s.config.User,
		Stdout: out, Stderr: out,
		Now: clock, Random: s.seed.random(),
	})
	if flushing := out.flush(); err == nil {
		err = flushing
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && status == 0 {
		return nil
	}
	failed := &RunError{Args: args, Status: status, Output: tail.String(), Err: err, Attempt: s.attempt(env, mounts)}
	_, silent := s.build.opts.Progress.(noProgress)
	failed.heard = !silent
	if err != nil && status == 0 {
		failed.Status = -1
	}
	return failed
}
