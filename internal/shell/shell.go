package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"boxer.dev/internal/coreutils"
	"boxer.dev/vfs"
)

// Options says what a shell sees. FS is required; every other field's zero value works.
type Options struct {
	FS   *vfs.FS
	Args []string // the shell's own argv: "sh", "-c", "make it"; nil: read commands from Stdin
	Env  []string // "NAME=value"; nothing is added from the host
	Dir  string   // working directory, absolute; "" is "/"

	Stdin          io.Reader // nil: empty
	Stdout, Stderr io.Writer // nil: discarded
	Terminal       bool      // Stdin is a terminal: without a script the shell is interactive

	Now      func() time.Time // nil: time.Now
	Random   io.Reader        // seeds RANDOM; nil: crypto/rand
	Umask    fs.FileMode      // zero means 022, see [coreutils.NoUmask]
	UID, GID uint32

	// Exec runs a command that is neither a function nor a builtin. Nil: only coreutils are found.
	Exec coreutils.ExecFunc
	// NotFound is told the name of each command that was not found, with the hint for it ("" if there is none).
	NotFound func(name, hint string)
}

// ExecRequest is a command that the shell starts.
type ExecRequest = coreutils.ExecRequest

// session is one running shell with its subshells.
type session struct {
	Options
	name       string // how messages call the shell: "sh"
	bash       bool
	runner     *interp.Runner
	functions  nameSet
	pumps      pumps
	random     *randomSource
	randomMu   sync.Mutex
	goroutines int                     // of the process when the session began
	end        context.CancelCauseFunc // ends every subshell at once
}

type nameSet struct {
	mu    sync.Mutex
	names map[string]bool
}

func (s *nameSet) add(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[name] = true
}

func (s *nameSet) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[name]
}

// Run runs a shell and returns its exit status. An error is a failure of boxer or the end of ctx, never one of
// the script: those are reported on Stderr.
func Run(ctx context.Context, o Options) (status int, err error) {
	s := newSession(o)
	a, err := parseArgs(s.Args)
	if err != nil {
		fmt.Fprintf(s.Stderr, "%s: %v\n", s.name, err)
		return 2, nil
	}
	defer func() {
		// The interpreter panics on some input of its own; that ends this shell, not boxer.
		if p := recover(); p != nil {
			status, err = 2, fmt.Errorf("running the shell: %v\n%s", p, debug.Stack())
		}
	}()
	ctx, s.end = context.WithCancelCause(ctx)
	defer s.end(nil)
	stdin, closeStdin, err := s.standardInput()
	if err != nil {
		return 0, fmt.Errorf("running the shell: %w", err)
	}
	defer closeStdin()
	defer s.pumps.closeAll()
	if err := s.start(stdin, a); err != nil {
		fmt.Fprintf(s.Stderr, "%s: %v\n", s.name, err)
		return 2, nil
	}
	return s.run(ctx, a, stdin)
}

func newSession(o Options) *session {
	s := &session{Options: o, name: "sh", goroutines: numGoroutine()}
	if s.Dir == "" {
		s.Dir = "/"
	}
	if s.Stdout == nil {
		s.Stdout = io.Discard
	}
	if s.Stderr == nil {
		s.Stderr = io.Discard
	}
	s.Stdout, s.Stderr = synchronized(s.Stdout, s.Stderr)
	if s.Now == nil {
		s.Now = time.Now
	}
	if len(s.Args) > 0 {
		s.name = s.Args[0][strings.LastIndexByte(s.Args[0], '/')+1:]
	}
	s.bash = s.name == "bash"
	s.random = newRandomSource(s.Random)
	return s
}

// start makes the interpreter. See the package comment for why it is made in this way.
func (s *session) start(stdin *os.File, a arguments) error {
	decoy := environ{}
	decoy.set("TMPDIR", decoyTemp, false)
	real := newEnviron(&s.Options, a.name)
	for k, v := range real {
		if k != "TMPDIR" {
			decoy[k] = v
		}
	}
	r, err := interp.New(
		interp.Env(decoy),
		func(r *interp.Runner) error { r.Dir = s.Dir; return nil }, // interp.Dir would stat the host
		interp.StdIO(stdin, s.Stdout, s.Stderr),
		interp.CallHandler(s.call),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return s.exec }),
		interp.OpenHandler(s.open),
		interp.ReadDirHandler2(s.readDir),
		interp.StatHandler(s.stat),
		interp.AccessHandler(s.access),
		interp.Params(a.options...),
		func(r *interp.Runner) error { r.Params = a.params; return nil },
	)
	if err != nil {
		return err
	}
	r.Reset() // fixes where the interpreter looks for its fifos
	r.Env = real
	r.Reset()
	s.runner = r
	return nil
}

// run runs the script that the arguments name.
func (s *session) run(ctx context.Context, a arguments, stdin *os.File) (int, error) {
	switch {
	case a.command != nil:
		return s.script(ctx, strings.NewReader(*a.command), a.name)
	case a.file != "":
		f, err := s.scriptFile(a.file)
		if err != nil {
			fmt.Fprintf(s.Stderr, "%s: 0: cannot open %s: %s\n", s.name, a.file, coreutils.ErrorText(err))
			return 2, nil
		}
		defer f.Close()
		return s.script(ctx, f, a.name)
	case a.interactive || s.Terminal:
		return s.interactive(ctx, stdin)
	}
	return s.streamed(ctx, stdin)
}

func (s *session) scriptFile(name string) (io.ReadCloser, error) {
	p := s.abs(s.Dir, name)
	if st, err := s.FS.Stat(p); err == nil && st.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errIsDir}
	}
	return s.FS.Open(p, vfs.O_RDONLY, 0)
}

// script runs a whole script.
func (s *session) script(ctx context.Context, r io.Reader, name string) (int, error) {
	f, err := s.parse(r, name)
	if err != nil {
		return s.syntaxError(err)
	}
	return s.result(ctx, s.runner.Run(ctx, f))
}

func (s *session) syntaxError(err error) (int, error) {
	if _, ok := errors.AsType[*syntaxError](err); ok {
		fmt.Fprintf(s.Stderr, "%s: %v\n", s.name, err)
		return 2, nil
	}
	return 0, fmt.Errorf("reading the script: %w", err)
}

// result turns what the interpreter returns into an exit status.
func (s *session) result(ctx context.Context, err error) (int, error) {
	if fatal, ok := errors.AsType[*fatalError](context.Cause(ctx)); ok {
		fmt.Fprintf(s.Stderr, "%s: %s\n", s.name, fatal.message)
		return 2, nil
	}
	if ctx.Err() != nil {
		return 130, ctx.Err()
	}
	if status, ok := errors.AsType[interp.ExitStatus](err); ok {
		return int(status), nil
	}
	return 0, err
}

// fatalError ends the shell, its subshells and background commands with a message.
type fatalError struct{ message string }

func (e *fatalError) Error() string { return e.message }

// streamed runs commands as they are read from standard input, so that a command may read what follows it.
func (s *session) streamed(ctx context.Context, stdin *os.File) (int, error) {
	var last error
	for st, err := range s.parser().StmtsSeq(&shallow{r: byteReader{stdin}}) {
		if err == nil {
			err = s.lower(st)
		} else {
			err = parseError(err)
		}
		if err != nil {
			return s.syntaxError(err)
		}
		last = s.runner.Run(ctx, st)
		if s.runner.Exited() {
			return s.result(ctx, last)
		}
		if _, ok := errors.AsType[interp.ExitStatus](last); last != nil && !ok {
			return s.result(ctx, last)
		}
	}
	return s.exit(ctx, last)
}

// exit ends a shell whose statements ran one by one: the EXIT trap runs, the last status stays.
func (s *session) exit(ctx context.Context, last error) (int, error) {
	status, err := s.result(ctx, last)
	if err != nil {
		return status, err
	}
	f, perr := s.parser().Parse(strings.NewReader(fmt.Sprintf("exit %d", status)), s.name)
	if perr != nil {
		return status, perr
	}
	return s.result(ctx, s.runner.Run(ctx, f))
}

// byteReader hands out one byte at a time, leaving the rest of standard input to commands.
type byteReader struct{ r io.Reader }

func (b byteReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return b.r.Read(p[:1])
}

// interactive reads commands at a prompt until exit or the end of input. Errors do not end it.
func (s *session) interactive(ctx context.Context, stdin *os.File) (int, error) {
	s.prompt("PS1")
	parser := s.parser()
	var last error
	for {
		again := false
		for stmts, err := range parser.InteractiveSeq(&shallow{r: byteReader{stdin}}) {
			if err != nil {
				fmt.Fprintf(s.Stderr, "%s: %v\n", s.name, parseError(err))
				last, again = interp.ExitStatus(2), true
				break
			}
			if parser.Incomplete() {
				s.prompt("PS2")
				continue
			}
			for _, st := range stmts {
				var exited bool
				if last, exited = s.interactiveStmt(ctx, st); exited || ctx.Err() != nil {
					return s.result(ctx, last)
				}
			}
			s.prompt("PS1")
		}
		if !again || ctx.Err() != nil {
			break
		}
		parser = s.parser()
		s.prompt("PS1")
	}
	fmt.Fprintln(s.Stderr)
	return s.exit(ctx, last)
}

func (s *session) interactiveStmt(ctx context.Context, st *syntax.Stmt) (last error, exited bool) {
	if err := s.lower(st); err != nil {
		fmt.Fprintf(s.Stderr, "%s: %v\n", s.name, err)
		return interp.ExitStatus(2), false
	}
	err := s.runner.Run(ctx, st)
	return err, s.runner.Exited()
}

func (s *session) prompt(name string) {
	value := s.runner.Vars[name].Str
	if value == "" {
		value = map[string]string{"PS1": "$ ", "PS2": "> "}[name]
	}
	io.WriteString(s.Stderr, value)
}
