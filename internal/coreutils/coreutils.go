// Package coreutils holds the file and text utilities of a box: what a RUN line of a Boxfile, or somebody at a
// prompt, expects to find under /bin. They work on a [vfs.FS] and never on the host.
//
// Behaviour is that of POSIX (IEEE Std 1003.1-2017, XCU chapter 4) with the GNU options that Dockerfiles use;
// messages and exit statuses are GNU's, except that an unknown option always exits with status 2. Output is
// deterministic: directory listings and walks are sorted by name as bytes, the locale is C.UTF-8 and the time
// comes from [Env.Now].
//
// Each utility is a function over *call (one running utility); table.go holds their names. A utility reports an
// error, goes on with its next operand as POSIX wants, and returns its exit status.
package coreutils

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"boxer.dev/vfs"
)

// Env is what one run of a utility sees. FS is required; every other field's zero value works.
type Env struct {
	FS      *vfs.FS
	Args    []string // Args[0] is the name it was called by
	Environ []string // "NAME=value"
	Dir     string   // working directory, absolute; "" is "/"

	Stdin          io.Reader // nil: empty
	Stdout, Stderr io.Writer // nil: discarded

	Now      func() time.Time // nil: time.Now
	Umask    fs.FileMode      // taken from the mode of what is created; zero means 022, see [NoUmask]
	UID, GID uint32           // who runs it: owner of what it creates, answer of id

	// Exec runs another command (env, xargs, find -exec). Nil: only utilities of this package are found.
	Exec ExecFunc
}

// NoUmask, as Env.Umask, takes no permission away.
const NoUmask fs.FileMode = fs.ModeIrregular

// ExecRequest is a command that a utility or the shell starts: a program of the box, a "#!" script or a utility.
type ExecRequest struct {
	Args           []string // Args[0] is looked up
	Env            []string
	Dir            string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Umask          fs.FileMode // as Env.Umask
	UID, GID       uint32
}

// ExecFunc runs a command in the box and returns its exit status. A command that cannot be started is an
// [ErrNotFound] or [ErrNotExecutable] error, about which nothing has been printed yet; any other error
// ends the caller too (boxer's own failure, or the context's end).
type ExecFunc func(ctx context.Context, r ExecRequest) (status int, err error)

// Reasons why a command does not start; exit statuses 127 and 126.
var (
	ErrNotFound      = errors.New("not found")
	ErrNotExecutable = errors.New("permission denied")
)

// Utility runs one utility and returns its exit status.
type Utility func(ctx context.Context, e *Env) int

// Lookup returns the utility of that name ("mkdir", "[").
func Lookup(name string) (Utility, bool) {
	known, _ := utilities()
	u, ok := known[name]
	if !ok {
		return nil, false
	}
	return u.run, true
}

// Names returns the names of all utilities, sorted.
func Names() []string {
	_, names := utilities()
	return slices.Clone(names)
}

// call is one running utility.
type call struct {
	*Env
	ctx    context.Context
	name   string
	usage  string
	stdin  io.Reader
	out    *bufio.Writer
	status int  // of errors reported so far
	broken bool // standard output takes no more
}

func (u utility) run(ctx context.Context, e *Env) int {
	env := *e
	env.applyDefaults()
	c := &call{Env: &env, ctx: ctx, name: u.name, usage: u.usage, stdin: env.Stdin}
	c.out = writers.Get().(*bufio.Writer)
	c.out.Reset(pipeWriter{c, env.Stdout})
	defer func(w *bufio.Writer) {
		w.Reset(nil)
		writers.Put(w)
	}(c.out)
	status := u.main(c)
	if err := c.out.Flush(); err != nil && status == 0 && !c.broken {
		c.errorf("write error: %s", errText(err))
		return 1
	}
	if c.broken && status == 0 {
		return statusPipe
	}
	return status
}

// writers are buffers for standard output: small utilities run in loops.
var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 16<<10) }}

// statusPipe is the status of a command that SIGPIPE ended.
const statusPipe = 128 + 13

func (e *Env) applyDefaults() {
	if e.Dir == "" {
		e.Dir = "/"
	}
	if e.Stdin == nil {
		e.Stdin = strings.NewReader("")
	}
	if e.Stdout == nil {
		e.Stdout = io.Discard
	}
	if e.Stderr == nil {
		e.Stderr = io.Discard
	}
	if e.Now == nil {
		e.Now = time.Now
	}
}

// umask returns the permission bits that Env.Umask means.
func (e *Env) umask() fs.FileMode {
	if e.Umask == 0 {
		return 0o022
	}
	return e.Umask.Perm()
}

// getenv returns the value of an environment variable, "" if unset.
func (e *Env) getenv(name string) string {
	for i := len(e.Environ) - 1; i >= 0; i-- {
		if k, v, _ := strings.Cut(e.Environ[i], "="); k == name {
			return v
		}
	}
	return ""
}

// pipeWriter notes that the reader of a pipe has gone, so that a producer stops quietly.
type pipeWriter struct {
	c *call
	w io.Writer
}

func (p pipeWriter) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	if err != nil && isBrokenPipe(err) {
		p.c.broken = true
	}
	return n, err
}

// stopped reports whether the run was cancelled or nobody reads the output any more.
func (c *call) stopped() bool { return c.broken || c.ctx.Err() != nil }

// sprintf keeps fmt out of the files that only confirm.
func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

func (c *call) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

func (c *call) print(s string) { c.out.WriteString(s) }

// errorf reports "name: message" and makes the status at least 1.
func (c *call) errorf(format string, args ...any) {
	c.out.Flush()
	fmt.Fprintf(c.Stderr, c.name+": "+format+"\n", args...)
	c.status = max(c.status, 1)
}

// failed reports "name: message: reason" for an error of the file system.
func (c *call) failed(err error, format string, args ...any) {
	c.errorf(format+": %s", append(args, errText(err))...)
}

// usageError reports a wrong command line and returns exit status 1, as most of GNU's utilities do.
func (c *call) usageError(format string, args ...any) int {
	c.errorf(format, args...)
	fmt.Fprintf(c.Stderr, "Try '%s --help' for more information.\n", c.name)
	return 1
}

// missingOperand is the usage error of a command line that ends too early.
func (c *call) missingOperand(after []string) int {
	if len(after) == 0 {
		return c.usageError("missing operand")
	}
	return c.usageError("missing operand after %s", quote(after[len(after)-1]))
}
