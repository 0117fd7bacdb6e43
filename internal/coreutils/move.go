package coreutils

import (
	"io/fs"
	"strings"
)

func mvMain(c *call) int {
	opts, operands, status, done := c.parse("f|force i|interactive n|no-clobber u|update? t|target-directory:" +
		" T|no-target-directory v|verbose strip-trailing-slashes Z")
	if done {
		return status
	}
	o := flags(opts)
	m := &mover{call: c, verbose: set(o, "v"), update: set(o, "u")}
	for _, opt := range opts {
		switch opt.name {
		case "f", "i", "n":
			m.interactive, m.noClobber = opt.name == "i", opt.name == "n"
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
		m.move(src, dst)
	}
	return c.status
}

type mover struct {
	*call
	interactive, noClobber bool
	update, verbose        bool
}

func (m *mover) move(src, dst string) {
	st, err := m.lstat(src)
	if err != nil {
		m.failed(err, "cannot stat %s", quote(src))
		return
	}
	if strings.HasSuffix(dst, "/") && !st.IsDir() && !m.isDir(dst) {
		m.errorf("cannot move %s to %s: Not a directory", quote(src), quote(dst))
		return
	}
	old, err := m.lstat(dst)
	if err == nil {
		switch {
		case sameFile(old, st):
			m.errorf("%s and %s are the same file", quote(src), quote(dst))
			return
		case m.noClobber, m.update && !st.Mtime.After(old.Mtime):
			return
		case old.IsDir() && !st.IsDir():
			m.errorf("cannot overwrite directory %s with non-directory", quote(dst))
			return
		case !old.IsDir() && st.IsDir():
			m.errorf("cannot overwrite non-directory %s with directory %s", quote(dst), quote(src))
			return
		case m.interactive && !m.confirm("overwrite %s? ", quote(dst)):
			m.status = 1
			return
		}
	}
	cp := &copier{call: m.call, recursive: true, mode: true, owner: true, times: true, links: true,
		removeFirst: true, seen: map[fileID]string{}}
	if st.IsDir() && cp.inside(dst, st) {
		m.errorf("cannot move %s to a subdirectory of itself, %s", quote(src), quote(dst))
		return
	}
	m.rename(cp, src, dst)
}

// rename moves, copying where a rename cannot cross from one mount to another.
func (m *mover) rename(cp *copier, src, dst string) {
	err := m.FS.Rename(m.abs(trimSlashes(src)), m.abs(trimSlashes(dst)))
	if err != nil && isCrossDevice(err) {
		if !cp.tree(src, dst, true) {
			return
		}
		err = m.FS.RemoveAll(m.abs(src))
	}
	if err != nil {
		m.failed(err, "cannot move %s to %s", quote(src), quote(dst))
		return
	}
	if m.verbose {
		m.printf("renamed %s -> %s\n", quote(src), quote(dst))
	}
}

func rmMain(c *call) int {
	opts, operands, status, done := c.parse("r R|recursive f|force d|dir i I v|verbose interactive? one-file-system" +
		" preserve-root? no-preserve-root")
	if done {
		return status
	}
	r := &remover{call: c}
	for _, o := range opts {
		switch o.name {
		case "r", "R":
			r.recursive = true
		case "f":
			r.force, r.ask = true, false
		case "i":
			r.force, r.ask = false, true
		case "interactive":
			r.ask = o.value == "" || o.value == "always"
		case "d":
			r.dirs = true
		case "v":
			r.verbose = true
		}
	}
	if len(operands) == 0 && !r.force {
		return c.missingOperand(nil)
	}
	for _, name := range operands {
		r.operand(name)
	}
	return c.status
}

type remover struct {
	*call
	recursive, force, dirs bool
	ask, verbose           bool
}

func (r *remover) operand(name string) {
	if b := base(name); b == "." || b == ".." {
		r.errorf("refusing to remove '.' or '..' directory: skipping %s", quote(name))
		return
	}
	if p, err := r.realpath(name, 2); r.recursive && err == nil && p == "/" {
		r.errorf("it is dangerous to operate recursively on '/'")
		return
	}
	st, err := r.lstat(name)
	if link, lerr := r.lstat(trimSlashes(name)); lerr == nil && link.Mode&fs.ModeSymlink != 0 && strings.HasSuffix(name, "/") {
		// A trailing slash names what the link leads to, which rm does not remove.
		err = &fs.PathError{Op: "rm", Path: name, Err: errNotDir}
		r.failed(err, "cannot remove %s", quote(name))
		return
	}
	if err != nil {
		if !r.force || !isMissing(err) {
			r.failed(err, "cannot remove %s", quote(name))
		}
		return
	}
	r.remove(name, st.Mode)
}

func (r *remover) remove(name string, mode fs.FileMode) bool {
	if r.ctx.Err() != nil {
		return false
	}
	if mode.IsDir() {
		return r.removeDir(name)
	}
	if r.ask && !r.confirm("remove file %s? ", quote(name)) {
		return false
	}
	if err := r.FS.Remove(r.abs(name)); err != nil {
		r.failed(err, "cannot remove %s", quote(name))
		return false
	}
	if r.verbose {
		r.printf("removed %s\n", quote(name))
	}
	return true
}

func (r *remover) removeDir(name string) bool {
	if !r.recursive && !r.dirs {
		r.errorf("cannot remove %s: Is a directory", quote(name))
		return false
	}
	if r.recursive && !r.ask && !r.verbose {
		if r.FS.RemoveAll(r.abs(trimSlashes(name))) == nil {
			return true
		}
		// What could not be removed is found, and named, by walking.
	}
	if r.recursive && !r.removeChildren(name) {
		return false
	}
	if r.ask && !r.confirm("remove directory %s? ", quote(name)) {
		return false
	}
	if err := r.FS.Remove(r.abs(trimSlashes(name))); err != nil {
		r.failed(err, "cannot remove %s", quote(name))
		return false
	}
	if r.verbose {
		r.printf("removed directory %s\n", quote(name))
	}
	return true
}

func (r *remover) removeChildren(name string) bool {
	entries, err := r.readDir(name)
	if err != nil {
		r.failed(err, "cannot remove %s", quote(name))
		return false
	}
	ok := true
	for _, e := range entries {
		ok = r.remove(join(name, e.Name()), e.Type()) && ok
	}
	return ok
}
