package coreutils

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"

	"boxer.dev/vfs"
)

// utilityDirs are where the utilities answer although no file is there.
var utilityDirs = []string{"/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/", "/usr/local/bin/"}

// LookupCommand returns the utility that a command word names: a bare name, or one under /bin or /usr/bin.
func LookupCommand(word string) (Utility, bool) { return Lookup(bare(word)) }

// IsShell reports whether a command word names the shell, which is a package of its own. It reads bash's grammar, of which
// that of the other names' shells is a part.
func IsShell(word string) bool {
	switch bare(word) {
	case "sh", "bash", "dash", "ash":
		return true
	}
	return false
}

// bare is a command word without the directory in which utilities answer.
func bare(word string) string {
	for _, dir := range utilityDirs[:2] {
		if rest, ok := strings.CutPrefix(word, dir); ok {
			return rest
		}
	}
	return word
}

// LookPath finds the file that a command word means, on the PATH of Environ as execvp(3) does. A file that is
// there but not executable counts only when nothing else is found.
func (e *Env) LookPath(word string) (file string, ok bool) {
	if strings.Contains(word, "/") {
		st, err := e.stat(word)
		return word, err == nil && !st.IsDir()
	}
	for dir := range strings.SplitSeq(e.getenv("PATH"), ":") {
		if dir == "" {
			dir = "."
		}
		p := join(dir, word)
		if st, err := e.stat(p); err == nil && st.Mode.IsRegular() && (st.Mode&0o111 != 0 || e.isProgram(p)) {
			return p, true
		}
	}
	return "", false
}

// isProgram reports whether a file is a wasm module: those are programs whatever their mode.
func (e *Env) isProgram(name string) bool {
	f, err := e.FS.Open(e.abs(name), vfs.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == "\x00asm"
}

// execUtility is an [ExecFunc] with nothing but this package.
func (e *Env) execUtility(ctx context.Context, r ExecRequest) (int, error) {
	u, ok := LookupCommand(r.Args[0])
	if !ok {
		if _, err := e.stat(r.Args[0]); err == nil && strings.Contains(r.Args[0], "/") {
			return 0, ErrNotExecutable
		}
		return 0, ErrNotFound
	}
	return u(ctx, &Env{
		FS: e.FS, Args: r.Args, Environ: r.Env, Dir: r.Dir, Stdin: r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr,
		Now: e.Now, Umask: r.Umask, UID: r.UID, GID: r.GID, Exec: e.Exec,
	}), nil
}

// command runs args with the streams of c, stdin in place of its standard input.
func (c *call) command(args []string, stdin io.Reader, change func(*ExecRequest)) int {
	c.out.Flush()
	run := c.Exec
	if run == nil {
		run = c.execUtility
	}
	r := ExecRequest{Args: args, Env: c.Environ, Dir: c.Dir, Stdin: stdin, Stdout: c.Stdout, Stderr: c.Stderr,
		Umask: c.Umask, UID: c.UID, GID: c.GID}
	if change != nil {
		change(&r)
	}
	status, err := run(c.ctx, r)
	switch {
	case err == nil:
		return status
	case errors.Is(err, ErrNotFound), isNotExist(err):
		c.errorf("%s: No such file or directory", quote(args[0]))
		return 127
	case errors.Is(err, ErrNotExecutable), errors.Is(err, fs.ErrPermission):
		c.errorf("%s: Permission denied", quote(args[0]))
		return 126
	case c.ctx.Err() != nil:
		return 130
	}
	c.errorf("%s: %v", quote(args[0]), err)
	return 126
}

func envMain(c *call) int {
	opts, operands, status, done := c.parse("+i|ignore-environment u|unset: 0|null C|chdir: S|split-string: v|debug")
	if done {
		return status
	}
	environ, dir := append([]string(nil), c.Environ...), c.Dir
	for _, o := range opts {
		switch o.name {
		case "i":
			environ = nil
		case "u":
			environ = unsetEnv(environ, o.value)
		case "C":
			if !c.isDir(o.value) {
				c.errorf("cannot change directory to %s: No such file or directory", quote(o.value))
				return 125
			}
			dir = c.abs(o.value)
		case "S":
			operands = append(strings.Fields(o.value), operands...)
		}
	}
	if len(operands) > 0 && operands[0] == "-" {
		environ, operands = nil, operands[1:]
	}
	for len(operands) > 0 && strings.Contains(operands[0], "=") {
		name, _, _ := strings.Cut(operands[0], "=")
		environ = append(unsetEnv(environ, name), operands[0])
		operands = operands[1:]
	}
	if len(operands) == 0 {
		for _, kv := range environ {
			c.print(kv + lineEnd(set(flags(opts), "0")))
		}
		return 0
	}
	return c.command(operands, c.stdin, func(r *ExecRequest) { r.Env, r.Dir = environ, dir })
}

func unsetEnv(environ []string, name string) []string {
	out := environ[:0]
	for _, kv := range environ {
		if k, _, _ := strings.Cut(kv, "="); k != name {
			out = append(out, kv)
		}
	}
	return out
}

func printenvMain(c *call) int {
	opts, operands, status, done := c.parse("0|null")
	if done {
		return status
	}
	end := lineEnd(set(flags(opts), "0"))
	if len(operands) == 0 {
		for _, kv := range c.Environ {
			c.print(kv + end)
		}
		return 0
	}
	for _, name := range operands {
		found := false
		for _, kv := range c.Environ {
			if k, v, _ := strings.Cut(kv, "="); k == name {
				c.print(v + end)
				found = true
			}
		}
		if !found {
			c.status = 1
		}
	}
	return c.status
}

func whichMain(c *call) int {
	opts, operands, status, done := c.parse("a s")
	if done {
		return status
	}
	for _, name := range operands {
		where, ok := c.LookPath(name)
		if !ok {
			_, ok = LookupCommand(name)
			ok = ok || IsShell(name)
			if where = name; !strings.Contains(name, "/") {
				where = "/usr/bin/" + name
			}
		}
		switch {
		case !ok:
			c.status = 1
		case !set(flags(opts), "s"):
			c.print(where + "\n")
		}
	}
	return c.status
}
