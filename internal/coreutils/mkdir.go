package coreutils

import (
	"io/fs"
	"strings"
)

func mkdirMain(c *call) int {
	opts, dirs, status, done := c.parse("p|parents m|mode: v|verbose Z|context?")
	if done {
		return status
	}
	o := flags(opts)
	mode := fs.ModeDir | 0o777&^c.umask()
	if set(o, "m") {
		change, err := parseMode(o["m"])
		if err != nil {
			c.errorf("%v", err)
			return 1
		}
		mode = change.apply(fs.ModeDir|0o777, c.umask())
	}
	if len(dirs) == 0 {
		return c.missingOperand(nil)
	}
	for _, dir := range dirs {
		m := dirMaker{c, set(o, "v")}
		var err error
		if set(o, "p") {
			err = m.all(dir, mode)
		} else if err = c.mkdir(trimSlashes(dir), mode); err == nil {
			m.report(dir)
		}
		if err != nil {
			c.failed(err, "cannot create directory %s", quote(dir))
		}
	}
	return c.status
}

// dirMaker makes directories with their parents.
type dirMaker struct {
	c       *call
	verbose bool
}

func (m dirMaker) report(dir string) {
	if m.verbose {
		m.c.printf("%s: created directory %s\n", m.c.name, quote(dir))
	}
}

// all makes dir with mode and its missing parents with the default mode, u+wx added (POSIX mkdir -p).
func (m dirMaker) all(dir string, mode fs.FileMode) error {
	dir = trimSlashes(dir)
	if m.c.isDir(dir) {
		return nil
	}
	for i := 1; i < len(dir); i++ {
		if dir[i] != '/' || dir[i-1] == '/' {
			continue
		}
		if err := m.one(dir[:i], fs.ModeDir|0o777&^m.c.umask()|0o300); err != nil {
			return err
		}
	}
	return m.one(dir, mode)
}

func (m dirMaker) one(dir string, mode fs.FileMode) error {
	st, err := m.c.stat(dir)
	if err == nil {
		if !st.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: errExists}
		}
		return nil
	}
	if err := m.c.mkdir(dir, mode); err != nil {
		return err
	}
	m.report(dir)
	return nil
}

// trimSlashes removes trailing slashes but the root's.
func trimSlashes(name string) string {
	if t := strings.TrimRight(name, "/"); t != "" || name == "" {
		return t
	}
	return "/"
}

func rmdirMain(c *call) int {
	opts, dirs, status, done := c.parse("p|parents v|verbose ignore-fail-on-non-empty")
	if done {
		return status
	}
	o := flags(opts)
	if len(dirs) == 0 {
		return c.missingOperand(nil)
	}
	for _, dir := range dirs {
		for dir != "" && dir != "/" && dir != "." {
			if !c.rmdir(dir, set(o, "v"), set(o, "ignore-fail-on-non-empty")) || !set(o, "p") {
				break
			}
			dir = trimSlashes(dir)
			dir = trimSlashes(dir[:strings.LastIndexByte(dir, '/')+1])
		}
	}
	return c.status
}

func (c *call) rmdir(dir string, verbose, quiet bool) bool {
	if verbose {
		c.printf("%s: removing directory, %s\n", c.name, quote(dir))
	}
	st, err := c.lstat(trimSlashes(dir))
	if err == nil && !st.IsDir() {
		err = &fs.PathError{Op: "rmdir", Path: dir, Err: errNotDir}
	}
	if err == nil {
		err = c.FS.Remove(c.abs(trimSlashes(dir)))
	}
	if err != nil && !(quiet && isNotEmpty(err)) {
		c.failed(err, "failed to remove %s", quote(dir))
	}
	return err == nil
}
