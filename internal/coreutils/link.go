package coreutils

import (
	"io/fs"
	"path"
	"strings"
)

func lnMain(c *call) int {
	opts, operands, status, done := c.parse("s|symbolic f|force n|no-dereference i|interactive t|target-directory:" +
		" T|no-target-directory v|verbose r|relative L|logical P|physical b")
	if done {
		return status
	}
	o := flags(opts)
	l := &linker{call: c, o: o}
	if len(operands) == 1 && !set(o, "t") {
		operands = append(operands, ".")
	}
	if !set(o, "t") && len(operands) == 2 && set(o, "n") {
		// With -n a symlink to a directory is a file to be replaced.
		if st, err := c.lstat(operands[1]); err == nil && st.Mode&fs.ModeSymlink != 0 {
			o["T"] = ""
		}
	}
	sources, target, into, ok := c.destination(operands, o)
	if !ok {
		return max(c.status, 1)
	}
	for _, src := range sources {
		dst := target
		if into {
			dst = join(target, base(src))
		}
		l.link(src, dst)
	}
	return c.status
}

type linker struct {
	*call
	o map[string]string
}

func (l *linker) link(src, dst string) {
	symbolic := set(l.o, "s")
	kind := "hard"
	if symbolic {
		kind = "symbolic"
	}
	if err := l.make(src, dst, symbolic); err != nil {
		if symbolic || l.exists(src) {
			l.failed(err, "failed to create %s link %s", kind, quote(dst))
		} else {
			l.failed(err, "failed to access %s", quote(src))
		}
		return
	}
	if set(l.o, "v") {
		arrow := "=>"
		if symbolic {
			arrow = "->"
		}
		l.printf("%s %s %s\n", quote(dst), arrow, quote(src))
	}
}

func (l *linker) make(src, dst string, symbolic bool) error {
	if st, err := l.lstat(dst); err == nil && set(l.o, "f") {
		from, serr := l.Env.stat(src)
		if !symbolic && serr == nil && sameFile(from, st) {
			return nil
		}
		if st.IsDir() {
			return &fs.PathError{Op: "link", Path: dst, Err: errIsDir}
		}
		if !symbolic && serr != nil {
			return serr
		}
		if err := l.FS.Remove(l.abs(dst)); err != nil {
			return err
		}
	}
	if !symbolic {
		if st, err := l.Env.stat(src); err == nil && st.IsDir() {
			return &fs.PathError{Op: "link", Path: src, Err: errPerm}
		}
		from := l.abs(src)
		if set(l.o, "L") {
			if p, err := l.realpath(src, 0); err == nil {
				from = p
			}
		}
		return l.FS.Link(from, l.abs(dst))
	}
	if set(l.o, "r") {
		src = l.relative(src, dst)
	}
	if err := l.FS.Symlink(src, l.abs(dst)); err != nil {
		return err
	}
	return l.own(l.abs(dst))
}

// relative rewrites src so that it leads there from dst's directory.
func (l *linker) relative(src, dst string) string {
	to, err1 := l.realpath(src, 2)
	from, err2 := l.realpath(path.Dir(l.abs(dst)), 2)
	if err1 != nil || err2 != nil {
		return src
	}
	return relativePath(from, to)
}

// relativePath returns to, an absolute clean path, as seen from the directory from.
func relativePath(from, to string) string {
	f, t := splitPath(from), splitPath(to)
	for len(f) > 0 && len(t) > 0 && f[0] == t[0] {
		f, t = f[1:], t[1:]
	}
	parts := make([]string, 0, len(f)+len(t))
	for range f {
		parts = append(parts, "..")
	}
	if parts = append(parts, t...); len(parts) == 0 {
		return "."
	}
	return strings.Join(parts, "/")
}

func readlinkMain(c *call) int {
	opts, operands, status, done := c.parse("f|canonicalize e|canonicalize-existing m|canonicalize-missing n|no-newline" +
		" q|quiet s|silent v|verbose z|zero")
	if done {
		return status
	}
	if len(operands) == 0 {
		return c.missingOperand(nil)
	}
	o := flags(opts)
	end := "\n"
	switch {
	case set(o, "z"):
		end = "\x00"
	case set(o, "n") && len(operands) == 1:
		end = ""
	}
	for _, name := range operands {
		target, err := c.readlink(name, o)
		switch {
		case err == nil:
			c.print(target + end)
		case set(o, "v"):
			c.failed(err, "%s", name)
		default:
			c.status = 1
		}
	}
	return c.status
}

func (c *call) readlink(name string, o map[string]string) (string, error) {
	switch {
	case set(o, "m"):
		return c.realpath(name, 2)
	case set(o, "e"):
		return c.realpath(name, 0)
	case set(o, "f"):
		return c.realpath(name, 1)
	}
	return c.FS.Readlink(c.abs(name))
}

func realpathMain(c *call) int {
	opts, operands, status, done := c.parse("e|canonicalize-existing m|canonicalize-missing s|no-symlinks|strip" +
		" L|logical P|physical q|quiet z|zero relative-to: relative-base:")
	if done {
		return status
	}
	if len(operands) == 0 {
		return c.missingOperand(nil)
	}
	o := flags(opts)
	for _, name := range operands {
		resolved, err := c.canonical(name, o)
		if err == nil && set(o, "relative-to") {
			var from string
			if from, err = c.canonical(o["relative-to"], o); err == nil {
				resolved = relativePath(from, resolved)
			}
		}
		if err != nil {
			if c.status = 1; !set(o, "q") {
				c.failed(err, "%s", name)
			}
			continue
		}
		if set(o, "z") {
			c.print(resolved + "\x00")
		} else {
			c.print(resolved + "\n")
		}
	}
	return c.status
}

func (c *call) canonical(name string, o map[string]string) (string, error) {
	switch {
	case name == "":
		return "", fs.ErrNotExist
	case set(o, "s"):
		return path.Clean(c.abs(name)), nil
	case set(o, "m"):
		return c.realpath(name, 2)
	case set(o, "e"):
		return c.realpath(name, 0)
	}
	return c.realpath(name, 1)
}

func basenameMain(c *call) int {
	opts, operands, status, done := c.parse("+a|multiple s|suffix: z|zero")
	if done {
		return status
	}
	o := flags(opts)
	if len(operands) == 0 {
		return c.missingOperand(nil)
	}
	suffix, many := o["s"], set(o, "a") || set(o, "s")
	if !many {
		if len(operands) > 2 {
			return c.usageError("extra operand %s", quote(operands[2]))
		}
		if len(operands) == 2 {
			suffix, operands = operands[1], operands[:1]
		}
	}
	for _, name := range operands {
		b := base(name)
		if b != suffix {
			b = strings.TrimSuffix(b, suffix)
		}
		c.print(b + lineEnd(set(o, "z")))
	}
	return 0
}

func dirnameMain(c *call) int {
	opts, operands, status, done := c.parse("z|zero")
	if done {
		return status
	}
	if len(operands) == 0 {
		return c.missingOperand(nil)
	}
	for _, name := range operands {
		c.print(dirname(name) + lineEnd(set(flags(opts), "z")))
	}
	return 0
}

func dirname(name string) string {
	t := trimSlashes(name)
	i := strings.LastIndexByte(t, '/')
	switch {
	case i < 0:
		return "."
	case t == "/":
		return "/"
	}
	return trimSlashes(t[:i+1])
}

func lineEnd(zero bool) string {
	if zero {
		return "\x00"
	}
	return "\n"
}
