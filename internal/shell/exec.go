package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mvdan.cc/sh/v3/interp"

	"boxer.dev/internal/coreutils"
)

// exec is the interpreter's exec handler: it runs what is neither a function nor a builtin.
func (s *session) exec(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	hc.Stdout = s.bounded(hc.Stdout)
	if name, ok := strings.CutPrefix(args[0], internalMark); ok {
		return exitStatus(s.internal(ctx, hc, name, args[1:]))
	}
	r := s.request(hc, args)
	stop := s.unblock(ctx, hc)
	defer stop()
	run := s.Exec
	if run == nil {
		run = s.utility
	}
	n, err := run(ctx, r)
	switch {
	case err == nil:
		return exitStatus(n)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, coreutils.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		s.notFound(hc, args[0])
		return interp.ExitStatus(127)
	case errors.Is(err, coreutils.ErrNotExecutable), errors.Is(err, fs.ErrPermission):
		s.errorf(hc, "%s: %s", printable(args[0]), notExecutable(err))
		return interp.ExitStatus(126)
	}
	return err
}

// maxSubstitution bounds what $(…) stands for, in bytes: it is kept in memory.
const maxSubstitution = 16 << 20

// bounded keeps a command from writing without end to where the interpreter collects output to put it in the place of $(…).
func (s *session) bounded(w io.Writer) io.Writer {
	if collected, ok := w.(*strings.Builder); ok {
		return substitution{collected, s}
	}
	return w
}

type substitution struct {
	collected *strings.Builder
	session   *session
}

func (w substitution) Write(p []byte) (int, error) {
	if w.collected.Len()+len(p) > maxSubstitution {
		w.collected.Reset() // it is not to be split into words
		w.session.end(&fatalError{fmt.Sprintf("command substitution: more than %d MiB of output", maxSubstitution>>20)})
		return 0, syscall.ENOMEM
	}
	return w.collected.Write(p)
}

// notExecutable is what the message says: the runtime knows more than "permission denied".
func notExecutable(err error) string {
	if text := err.Error(); text != coreutils.ErrNotExecutable.Error() {
		return text
	}
	return "Permission denied"
}

func (s *session) notFound(hc interp.HandlerContext, name string) {
	hint := Hint(name)
	s.errorf(hc, "%s: not found", printable(name))
	if hint != "" {
		fmt.Fprintf(hc.Stderr, "hint: %s\n", hint)
	}
	if s.NotFound != nil {
		s.NotFound(name, hint)
	}
}

// printable keeps control characters of a script out of messages.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// exitStatus makes the error by which the interpreter is told a status.
func exitStatus(n int) error {
	if n == 0 {
		return nil
	}
	if n &= 0xff; n == 0 {
		n = 1
	}
	return interp.ExitStatus(n)
}

func (s *session) request(hc interp.HandlerContext, args []string) ExecRequest {
	dir := guest(hc.Dir)
	r := ExecRequest{Args: args, Env: exported(hc.Env, dir), Dir: dir, Stdin: hc.Stdin, Stdout: hc.Stdout, Stderr: hc.Stderr,
		Umask: s.umask(hc.Env), UID: s.UID, GID: s.GID}
	if f, ok := s.pumps.file(hc.Stdin); ok {
		r.Stdin = f
	}
	return r
}

// utility runs a command without a runtime: a utility, or the shell itself.
func (s *session) utility(ctx context.Context, r ExecRequest) (int, error) {
	if coreutils.IsShell(r.Args[0]) {
		o := s.Options
		o.Args, o.Env, o.Dir, o.Stdin, o.Stdout, o.Stderr, o.Umask = r.Args, r.Env, r.Dir, r.Stdin, r.Stdout, r.Stderr, r.Umask
		o.Terminal = false
		return Run(ctx, o)
	}
	u, ok := coreutils.LookupCommand(r.Args[0])
	if !ok {
		if _, err := s.FS.Stat(s.abs(r.Dir, r.Args[0])); err == nil && strings.Contains(r.Args[0], "/") {
			return 0, coreutils.ErrNotExecutable
		}
		return 0, coreutils.ErrNotFound
	}
	return u(ctx, s.utilityEnv(r)), nil
}

func (s *session) utilityEnv(r ExecRequest) *coreutils.Env {
	exec := s.Exec
	if exec == nil {
		exec = s.utility
	}
	return &coreutils.Env{FS: s.FS, Args: r.Args, Environ: r.Env, Dir: r.Dir, Stdin: r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr,
		Now: s.Now, Umask: r.Umask, UID: r.UID, GID: r.GID, Exec: exec}
}

// unblock ends reads and writes on the interpreter's pipes when ctx ends.
func (s *session) unblock(ctx context.Context, hc interp.HandlerContext) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		past := time.Unix(1, 0)
		if f, ok := hc.Stdin.(*os.File); ok && io.Reader(f) != s.Stdin {
			f.SetReadDeadline(past)
		}
		if f, ok := hc.Stdout.(*os.File); ok && io.Writer(f) != s.Stdout && io.Writer(f) != s.Stderr {
			f.SetWriteDeadline(past)
		}
	})
}

// internal runs a command that call put in place of a builtin.
func (s *session) internal(ctx context.Context, hc interp.HandlerContext, name string, args []string) int {
	switch name {
	case "status", "_sh_status":
		n, _ := strconv.Atoi(strings.Join(args, ""))
		return n
	case "echo":
		if err := coreutils.Echo(hc.Stdout, args, !s.bash); err != nil {
			return 1
		}
		return 0
	case "pwd":
		if len(args) == 0 || args[0] == "-L" {
			fmt.Fprintln(hc.Stdout, guest(hc.Dir))
			return 0
		}
	case "set":
		for _, line := range variables(hc.Env) {
			fmt.Fprintln(hc.Stdout, line)
		}
		return 0
	case "ulimit":
		return s.ulimit(hc, args)
	case "kill":
		s.errorf(hc, "kill: a box has no other process")
		return 1
	case "_sh_pattern":
		pat := assembled(args)
		if !fits(pat) {
			s.end(&fatalError{"a pattern is too long, or has too many groups"})
			return 1
		}
		fmt.Fprint(hc.Stdout, pat)
		return 0
	case "_sh_random", "_sh_srandom":
		s.randomMu.Lock()
		n := s.random.next()
		s.randomMu.Unlock()
		if name == "_sh_random" {
			n %= 1 << 15
		}
		fmt.Fprintln(hc.Stdout, n&(1<<32-1))
		return 0
	case "_sh_where":
		if len(args) == 0 {
			return 2
		}
		return s.where(hc, args)
	}
	u, ok := coreutils.Lookup(name)
	if !ok {
		s.notFound(hc, name)
		return 127
	}
	args = append([]string{name}, args...)
	if name == "pwd" {
		return u(ctx, s.utilityEnv(s.request(hc, args)))
	}
	// test and printf are in every loop and look at no variable.
	return u(ctx, s.utilityEnv(ExecRequest{Args: args, Dir: guest(hc.Dir), Stdin: hc.Stdin, Stdout: hc.Stdout, Stderr: hc.Stderr,
		UID: s.UID, GID: s.GID}))
}

// ulimit shows that a shell in a box has no limits of its own; a run's limits are set from outside.
func (s *session) ulimit(hc interp.HandlerContext, args []string) int {
	for _, a := range args {
		if a != "unlimited" && !strings.HasPrefix(a, "-") {
			s.errorf(hc, "ulimit: limits are set outside the box")
			return 1
		}
	}
	if len(args) == 0 || args[len(args)-1] != "unlimited" {
		fmt.Fprintln(hc.Stdout, "unlimited")
	}
	return 0
}

// where answers command -v and type for names that are neither functions nor builtins: "NAME" or "typeFLAGS NAME".
func (s *session) where(hc interp.HandlerContext, args []string) int {
	name, mode := args[len(args)-1], ""
	if len(args) > 1 {
		mode = args[0]
	}
	env := s.coreutils()
	env.Dir = guest(hc.Dir)
	env.Environ = exported(hc.Env, env.Dir)
	file, ok := env.LookPath(name)
	if !ok {
		if _, ok = coreutils.LookupCommand(name); ok || coreutils.IsShell(name) {
			file, ok = name, true
			if !strings.Contains(name, "/") {
				file = "/usr/bin/" + name
			}
		}
	}
	switch {
	case !ok && mode == "type":
		s.errorf(hc, "%s: not found", printable(name))
		return 127
	case !ok && !s.bash && mode == "":
		return 127 // as dash's command -v
	case !ok:
		return 1
	case mode == "type":
		fmt.Fprintf(hc.Stdout, "%s is %s\n", name, file)
	case mode == "type-t":
		fmt.Fprintln(hc.Stdout, "file")
	default:
		fmt.Fprintln(hc.Stdout, file)
	}
	return 0
}
