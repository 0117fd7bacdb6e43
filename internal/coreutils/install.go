package coreutils

import (
	"io/fs"

	"boxer.dev/vfs"
)

func installMain(c *call) int {
	opts, operands, status, done := c.parse("d|directory D m|mode: o|owner: g|group: t|target-directory:" +
		" T|no-target-directory p|preserve-timestamps v|verbose c C|compare s|strip b Z")
	if done {
		return status
	}
	in := &installer{call: c, o: flags(opts), uid: -1, gid: -1, mode: 0o755}
	if !in.attributes() {
		return 1
	}
	if set(in.o, "d") {
		return in.directories(operands)
	}
	if set(in.o, "D") {
		if dir := in.leadingDir(operands); dir != "" {
			if err := (dirMaker{c, set(in.o, "v")}).all(dir, fs.ModeDir|0o755); err != nil {
				c.failed(err, "cannot create directory %s", quote(dir))
				return 1
			}
		}
	}
	sources, target, into, ok := c.destination(operands, in.o)
	if !ok {
		return max(c.status, 1)
	}
	for _, src := range sources {
		dst := target
		if into {
			dst = join(target, base(src))
		}
		in.install(src, dst)
	}
	return c.status
}

type installer struct {
	*call
	o        map[string]string
	mode     fs.FileMode
	uid, gid int
}

// attributes reads -m, -o and -g.
func (in *installer) attributes() bool {
	if set(in.o, "m") {
		change, err := parseMode(in.o["m"])
		if err != nil {
			in.errorf("%v", err)
			return false
		}
		in.mode = change.apply(0, 0)
	}
	if set(in.o, "o") {
		uid, _, err := in.parseOwner(in.o["o"])
		if err != nil {
			in.errorf("%v", err)
			return false
		}
		in.uid = uid
	}
	if set(in.o, "g") {
		gid, err := in.parseGroup(in.o["g"])
		if err != nil {
			in.errorf("%v", err)
			return false
		}
		in.gid = gid
	}
	return true
}

// leadingDir is the directory that -D makes first.
func (in *installer) leadingDir(operands []string) string {
	if set(in.o, "t") {
		return in.o["t"]
	}
	if len(operands) < 2 {
		return ""
	}
	dir := dirname(operands[len(operands)-1])
	if dir == "." {
		return ""
	}
	return dir
}

func (in *installer) directories(dirs []string) int {
	if len(dirs) == 0 {
		return in.missingOperand(nil)
	}
	for _, dir := range dirs {
		err := (dirMaker{in.call, set(in.o, "v")}).all(dir, fs.ModeDir|0o755)
		if err == nil {
			err = in.finish(dir)
		}
		if err != nil {
			in.failed(err, "cannot create directory %s", quote(dir))
		}
	}
	return in.status
}

func (in *installer) install(src, dst string) {
	st, err := in.Env.stat(src)
	switch {
	case err != nil:
		in.failed(err, "cannot stat %s", quote(src))
		return
	case st.IsDir():
		in.errorf("omitting directory %s", quote(src))
		return
	}
	if old, err := in.Env.stat(dst); err == nil && sameFile(old, st) {
		in.errorf("%s and %s are the same file", quote(src), quote(dst))
		return
	}
	cp := &copier{call: in.call, removeFirst: true, times: set(in.o, "p"), verbose: set(in.o, "v"), seen: map[fileID]string{}}
	if cp.verbose {
		in.printf("%s -> %s\n", quote(src), quote(dst))
	}
	if !cp.file(src, dst, vfs.Stat{Mode: 0o600, Atime: st.Atime, Mtime: st.Mtime}) {
		return
	}
	if err := in.finish(dst); err != nil {
		in.failed(err, "setting attributes of %s", quote(dst))
	}
}

func (in *installer) finish(name string) error {
	if in.uid >= 0 || in.gid >= 0 {
		if err := in.FS.Chown(in.abs(name), in.uid, in.gid); err != nil {
			return err
		}
	}
	return in.FS.Chmod(in.abs(name), in.mode)
}
