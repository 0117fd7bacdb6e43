package coreutils

import (
	"io/fs"
	"strings"

	"boxer.dev/vfs"
)

func chmodMain(c *call) int {
	mode, args := splitModeOperand(c.Args[1:])
	c.Args = append([]string{c.Args[0]}, args...)
	opts, operands, status, done := c.parse("R|recursive v|verbose c|changes f|silent quiet reference: preserve-root no-preserve-root")
	if done {
		return status
	}
	o := flags(opts)
	var change modeChange
	switch {
	case set(o, "reference"):
		st, err := c.stat(o["reference"])
		if err != nil {
			c.failed(err, "failed to get attributes of %s", quote(o["reference"]))
			return 1
		}
		change = modeChange{octal: true, bits: unixBits(st.Mode)}
	default:
		if mode == "" {
			if len(operands) == 0 {
				return c.missingOperand(nil)
			}
			mode, operands = operands[0], operands[1:]
		}
		var err error
		if change, err = parseMode(mode); err != nil {
			c.errorf("%v", err)
			return 1
		}
	}
	if len(operands) == 0 {
		return c.missingOperand([]string{mode})
	}
	w := attributeWalk{c, set(o, "R"), set(o, "f") || set(o, "quiet")}
	for _, name := range operands {
		w.visit(name, true, func(name string, st vfs.Stat) error {
			if st.Mode&fs.ModeSymlink != 0 {
				return nil
			}
			next := change.apply(st.Mode, c.umask())
			if set(o, "v") || set(o, "c") && next != st.Mode {
				c.reportMode(name, st.Mode, next)
			}
			return c.FS.Chmod(c.abs(name), next&^fs.ModeType)
		})
	}
	return c.status
}

// splitModeOperand finds a mode such as "-x" or "-rw", which looks like options.
func splitModeOperand(args []string) (mode string, rest []string) {
	for i, a := range args {
		if a == "--" {
			break
		}
		if len(a) > 1 && a[0] == '-' && strings.Trim(a[1:], "rwxXstugo,+-=") == "" && a[1] != '-' {
			return a, append(append(rest, args[:i]...), args[i+1:]...)
		}
	}
	return "", args
}

func (c *call) reportMode(name string, old, next fs.FileMode) {
	if old == next {
		c.printf("mode of %s retained as %04o (%s)\n", quote(name), unixBits(old), modeString(old)[1:])
		return
	}
	c.printf("mode of %s changed from %04o (%s) to %04o (%s)\n", quote(name),
		unixBits(old), modeString(old)[1:], unixBits(next), modeString(next)[1:])
}

// attributeWalk changes attributes of operands and, recursively, of what is in them.
type attributeWalk struct {
	*call
	recursive, quiet bool
}

// visit calls change for name. An operand that is a symlink stands for its target; symlinks met on
// the way are given as they are.
func (w attributeWalk) visit(name string, operand bool, change func(string, vfs.Stat) error) {
	if w.ctx.Err() != nil {
		return
	}
	stat := w.lstat
	if operand {
		stat = w.Env.stat
	}
	st, err := stat(name)
	if err != nil {
		w.status = 1
		if !w.quiet {
			w.failed(err, "cannot access %s", quote(name))
		}
		return
	}
	if err := change(name, st); err != nil {
		w.status = 1
		if !w.quiet {
			w.failed(err, "changing attributes of %s", quote(name))
		}
	}
	if !w.recursive || !st.IsDir() {
		return
	}
	entries, err := w.readDir(name)
	if err != nil {
		w.failed(err, "cannot read directory %s", quote(name))
		return
	}
	for _, e := range entries {
		w.visit(join(name, e.Name()), false, change)
	}
}

func chownMain(c *call) int {
	return c.changeOwner(func(s string) (int, int, error) { return c.parseOwner(s) })
}

func chgrpMain(c *call) int {
	return c.changeOwner(func(s string) (int, int, error) {
		gid, err := c.parseGroup(s)
		return -1, gid, err
	})
}

func (c *call) changeOwner(parse func(string) (uid, gid int, err error)) int {
	opts, operands, status, done := c.parse("R|recursive v|verbose c|changes f|silent quiet h|no-dereference dereference" +
		" H L P reference: from: preserve-root no-preserve-root")
	if done {
		return status
	}
	o := flags(opts)
	uid, gid := -1, -1
	if set(o, "reference") {
		st, err := c.stat(o["reference"])
		if err != nil {
			c.failed(err, "failed to get attributes of %s", quote(o["reference"]))
			return 1
		}
		uid, gid = int(st.UID), int(st.GID)
	} else {
		if len(operands) == 0 {
			return c.missingOperand(nil)
		}
		var err error
		if uid, gid, err = parse(operands[0]); err != nil {
			c.errorf("%v", err)
			return 1
		}
		if operands = operands[1:]; len(operands) == 0 {
			return c.missingOperand(c.Args[1:])
		}
	}
	w := attributeWalk{c, set(o, "R"), set(o, "f") || set(o, "quiet")}
	for _, name := range operands {
		w.visit(name, !set(o, "h") && !set(o, "P"), func(name string, st vfs.Stat) error {
			if set(o, "v") {
				c.printf("changed ownership of %s\n", quote(name))
			}
			return c.FS.Lchown(c.chownTarget(name, st), uid, gid)
		})
	}
	return c.status
}

// chownTarget resolves an operand that stands for its target; st tells by not being a symlink.
func (c *call) chownTarget(name string, st vfs.Stat) string {
	if st.Mode&fs.ModeSymlink == 0 {
		if p, err := c.realpath(name, 0); err == nil {
			return p
		}
	}
	return c.abs(name)
}
