package coreutils

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"boxer.dev/vfs"
)

// copier copies files and trees for cp, install, and mv between mounts.
type copier struct {
	*call
	recursive            bool
	follow, followArgs   bool // symlinks: all, or those that are operands
	mode, owner, times   bool // what is preserved
	links                bool // hard links are preserved
	force, interactive   bool
	noClobber, update    bool
	removeFirst, verbose bool
	hardLink, symlink    bool // make links instead of copies
	parents              bool

	seen   map[fileID]string // copies of files with several names
	made   map[fileID]bool   // directories made by this copy, which are not copied in turn
	within []fileID          // source directories on the way, against loops of symlinks
}

const cpOptions = "a|archive r R|recursive p preserve? no-preserve: f|force i|interactive n|no-clobber u|update?" +
	" t|target-directory: T|no-target-directory L|dereference P|no-dereference d H v|verbose l|link s|symbolic-link" +
	" x|one-file-system parents remove-destination strip-trailing-slashes reflink? sparse: Z"

func cpMain(c *call) int {
	opts, operands, status, done := c.parse(cpOptions)
	if done {
		return status
	}
	cp := &copier{call: c, seen: map[fileID]string{}}
	dereference := byte(0)
	for _, o := range opts {
		if o.name == "preserve" || o.name == "no-preserve" {
			if err := cp.preserve(o.value, o.name == "preserve"); err != nil {
				return c.usageError("%v", err)
			}
			continue
		}
		if strings.Contains("LPHad", o.name) {
			dereference = o.name[0]
		}
		cp.option(o.name)
	}
	switch dereference {
	case 'L':
		cp.follow = true
	case 'H':
		cp.followArgs = true
	case 0:
		cp.follow = !cp.recursive && !cp.symlink && !cp.hardLink
	}
	o := flags(opts)
	sources, target, into, ok := c.destination(operands, o)
	if !ok {
		return max(c.status, 1)
	}
	for _, src := range sources {
		if set(o, "strip-trailing-slashes") {
			src = trimSlashes(src)
		}
		cp.operand(src, target, into)
	}
	return c.status
}

func (cp *copier) option(name string) {
	switch name {
	case "a":
		cp.recursive, cp.mode, cp.owner, cp.times, cp.links = true, true, true, true, true
	case "r", "R":
		cp.recursive = true
	case "p":
		cp.mode, cp.owner, cp.times = true, true, true
	case "d":
		cp.links = true
	case "f":
		cp.force = true
	case "i":
		cp.interactive, cp.noClobber = true, false
	case "n":
		cp.noClobber, cp.interactive = true, false
	case "u":
		cp.update = true
	case "v":
		cp.verbose = true
	case "l":
		cp.hardLink = true
	case "s":
		cp.symlink = true
	case "parents":
		cp.parents = true
	case "remove-destination":
		cp.removeFirst = true
	}
}

// preserve handles the list of --preserve and --no-preserve.
func (cp *copier) preserve(list string, on bool) error {
	if list == "" {
		list = "mode,ownership,timestamps"
	}
	for what := range strings.SplitSeq(list, ",") {
		switch what {
		case "mode":
			cp.mode = on
		case "ownership":
			cp.owner = on
		case "timestamps":
			cp.times = on
		case "links":
			cp.links = on
		case "all":
			cp.mode, cp.owner, cp.times, cp.links = on, on, on, on
		case "xattr", "context":
		default:
			return errors.New("invalid argument " + quote(what) + " for '--preserve'")
		}
	}
	return nil
}

// destination splits operands as cp, mv, ln and install share it: SOURCE... DIRECTORY, -t DIRECTORY SOURCE...,
// or SOURCE DEST. into says that the sources go into target.
func (c *call) destination(operands []string, o map[string]string) (sources []string, target string, into, ok bool) {
	if set(o, "t") {
		if set(o, "T") {
			c.errorf("cannot combine --target-directory (-t) and --no-target-directory (-T)")
			return nil, "", false, false
		}
		if len(operands) == 0 {
			c.usageError("missing file operand")
			return nil, "", false, false
		}
		return operands, o["t"], true, c.checkTarget(o["t"])
	}
	switch n := len(operands); {
	case n == 0:
		c.usageError("missing file operand")
		return nil, "", false, false
	case n == 1:
		c.usageError("missing destination file operand after %s", quote(operands[0]))
		return nil, "", false, false
	case n > 2 && set(o, "T"):
		c.usageError("extra operand %s", quote(operands[2]))
		return nil, "", false, false
	default:
		sources, target = operands[:n-1], operands[n-1]
		into = !set(o, "T") && c.isDir(target)
		return sources, target, into, into || n == 2 || c.checkTarget(target)
	}
}

func (c *call) checkTarget(dir string) bool {
	st, err := c.stat(dir)
	if err == nil && !st.IsDir() {
		err = &fs.PathError{Op: "stat", Path: dir, Err: errNotDir}
	}
	if err != nil {
		c.failed(err, "target %s", quote(dir))
	}
	return err == nil
}

// operand copies one source to where target and into say.
func (cp *copier) operand(src, target string, into bool) {
	dst := target
	switch {
	case cp.parents && into:
		dst = join(target, strings.TrimLeft(src, "/"))
		if i := strings.LastIndexByte(trimSlashes(dst), '/'); i > 0 {
			if err := (dirMaker{c: cp.call}).all(dst[:i], fs.ModeDir|0o777&^cp.umask()); err != nil {
				cp.failed(err, "cannot make directory %s", quote(dst[:i]))
				return
			}
		}
	case into:
		dst = join(target, base(src))
		if b := base(src); b == "." || b == ".." {
			dst = target
		}
	}
	cp.tree(src, dst, true)
}

// tree copies src, whatever it is, to dst.
func (cp *copier) tree(src, dst string, operand bool) bool {
	if cp.ctx.Err() != nil {
		return false
	}
	stat := cp.lstat
	if cp.follow || operand && cp.followArgs {
		stat = cp.Env.stat
	}
	st, err := stat(src)
	if err != nil {
		cp.failed(err, "cannot stat %s", quote(src))
		return false
	}
	if st.IsDir() {
		return cp.dir(src, dst, st, operand)
	}
	if dst != "" && strings.HasSuffix(dst, "/") && !cp.isDir(dst) {
		cp.errorf("cannot create regular file %s: Not a directory", quote(dst))
		return false
	}
	if proceed, ok := cp.mayReplace(src, dst, st); !proceed {
		return ok
	}
	if cp.links && st.Nlink > 1 {
		if first, ok := cp.seen[idOf(st)]; ok {
			return cp.relink(first, dst)
		}
		cp.seen[idOf(st)] = dst
	}
	if cp.verbose {
		cp.printf("%s -> %s\n", quote(src), quote(dst))
	}
	return cp.one(src, dst, st)
}

// one copies a file that is no directory.
func (cp *copier) one(src, dst string, st vfs.Stat) bool {
	var err error
	switch {
	case cp.hardLink:
		err = cp.link(src, dst)
	case cp.symlink:
		err = cp.replace(dst, func() error { return cp.FS.Symlink(src, cp.abs(dst)) })
	case st.Mode&fs.ModeSymlink != 0:
		var target string
		if target, err = cp.FS.Readlink(cp.abs(src)); err == nil {
			err = cp.replace(dst, func() error { return cp.FS.Symlink(target, cp.abs(dst)) })
		}
		if err == nil {
			err = cp.attributes(dst, st)
		}
	default:
		return cp.file(src, dst, st)
	}
	if err != nil {
		cp.failed(err, "cannot create link %s", quote(dst))
	}
	return err == nil
}

func (cp *copier) link(src, dst string) error {
	return cp.replace(dst, func() error { return cp.FS.Link(cp.abs(src), cp.abs(dst)) })
}

func (cp *copier) relink(first, dst string) bool {
	if err := cp.link(first, dst); err != nil {
		cp.failed(err, "cannot create hard link %s to %s", quote(dst), quote(first))
		return false
	}
	return true
}

// replace makes dst anew, removing an old file first.
func (cp *copier) replace(dst string, make func() error) error {
	if st, err := cp.lstat(dst); err == nil && !st.IsDir() && (cp.force || cp.recursive || cp.removeFirst) {
		if err := cp.FS.Remove(cp.abs(dst)); err != nil {
			return err
		}
	}
	if err := make(); err != nil {
		return err
	}
	return cp.own(cp.abs(dst))
}

// mayReplace decides about an existing destination: whether to go on, and if not whether that is success.
func (cp *copier) mayReplace(src, dst string, st vfs.Stat) (proceed, ok bool) {
	old, err := cp.lstat(dst)
	if err != nil {
		return true, true
	}
	resolved, rerr := cp.Env.stat(dst)
	if rerr == nil && sameFile(resolved, st) && (old.Mode&fs.ModeSymlink == 0 || st.Mode&fs.ModeSymlink == 0) && !cp.removeFirst {
		if cp.hardLink {
			return false, true
		}
		cp.errorf("%s and %s are the same file", quote(src), quote(dst))
		return false, false
	}
	if old.IsDir() || rerr == nil && resolved.IsDir() && st.Mode&fs.ModeSymlink == 0 {
		cp.errorf("cannot overwrite directory %s with non-directory", quote(dst))
		return false, false
	}
	switch {
	case cp.noClobber:
		return false, true
	case cp.update && rerr == nil && !st.Mtime.After(resolved.Mtime):
		return false, true
	case cp.interactive && !cp.confirm("overwrite %s? ", quote(dst)):
		return false, false
	}
	return true, true
}

// file copies the data and, as asked, the attributes of a file.
func (cp *copier) file(src, dst string, st vfs.Stat) bool {
	in, err := cp.open(src)
	if err != nil {
		cp.failed(err, "cannot open %s for reading", quote(src))
		return false
	}
	defer in.Close()
	if cp.removeFirst && cp.exists(dst) {
		err = cp.FS.Remove(cp.abs(dst))
	}
	var out io.WriteCloser
	if err == nil {
		out, err = cp.openCopy(dst, st)
	}
	if err != nil {
		cp.failed(err, "cannot create regular file %s", quote(dst))
		return false
	}
	err = copyData(out, in)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		cp.failed(err, "error writing %s", quote(dst))
		return false
	}
	if _, stream := cp.stream(dst); !stream {
		err = cp.attributes(dst, st)
	}
	if err != nil {
		cp.failed(err, "preserving attributes of %s", quote(dst))
	}
	return err == nil
}

// copyBuffers spare a buffer for every small file of a tree.
var copyBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

func copyData(w io.Writer, r io.Reader) error {
	buf := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buf)
	_, err := io.CopyBuffer(w, r, buf[:])
	return err
}

func (cp *copier) openCopy(dst string, st vfs.Stat) (io.WriteCloser, error) {
	if w, ok := cp.stream(dst); ok {
		return nopWriteCloser{w}, nil
	}
	const flag = vfs.O_WRONLY | vfs.O_CREATE | vfs.O_TRUNC
	if cp.dangling(dst) {
		return nil, errors.New("not writing through dangling symlink")
	}
	f, err := cp.createFile(dst, flag, st.Mode.Perm())
	if err != nil && cp.force && cp.exists(dst) {
		if err := cp.FS.Remove(cp.abs(dst)); err != nil {
			return nil, err
		}
		return cp.createFile(dst, flag, st.Mode.Perm())
	}
	return f, err
}

func (cp *copier) dangling(name string) bool {
	st, err := cp.lstat(name)
	if err != nil || st.Mode&fs.ModeSymlink == 0 {
		return false
	}
	_, err = cp.Env.stat(name)
	return err != nil
}

// attributes gives dst what is preserved of st.
func (cp *copier) attributes(dst string, st vfs.Stat) error {
	if cp.owner {
		if err := cp.FS.Lchown(cp.abs(dst), int(st.UID), int(st.GID)); err != nil {
			return err
		}
	}
	if cp.mode && st.Mode&fs.ModeSymlink == 0 {
		if err := cp.FS.Chmod(cp.abs(dst), st.Mode&^fs.ModeType); err != nil {
			return err
		}
	}
	if cp.times {
		return cp.lchtimes(dst, st.Atime, st.Mtime)
	}
	return nil
}

func (cp *copier) dir(src, dst string, st vfs.Stat, operand bool) bool {
	if !cp.recursive {
		cp.errorf("-r not specified; omitting directory %s", quote(src))
		return false
	}
	if slices.Contains(cp.within, idOf(st)) {
		cp.errorf("cannot copy cyclic symbolic link %s", quote(src))
		return false
	}
	made, ok := cp.makeDir(src, dst, st, operand)
	if !ok {
		return false
	}
	cp.within = append(cp.within, idOf(st))
	ok = cp.children(src, dst)
	cp.within = cp.within[:len(cp.within)-1]
	if made && !cp.mode {
		if err := cp.FS.Chmod(cp.abs(dst), st.Mode.Perm()&^cp.umask()); err != nil {
			cp.failed(err, "setting permissions for %s", quote(dst))
		}
	}
	if err := cp.attributes(dst, st); err != nil {
		cp.failed(err, "preserving attributes of %s", quote(dst))
		return false
	}
	return ok
}

// makeDir makes the copy of a directory unless it is there.
func (cp *copier) makeDir(src, dst string, st vfs.Stat, operand bool) (made, ok bool) {
	old, err := cp.Env.stat(dst)
	switch {
	case cp.made[idOf(st)] || err == nil && sameFile(old, st) || operand && cp.inside(dst, st):
		cp.errorf("cannot copy a directory, %s, into itself, %s", quote(src), quote(dst))
		return false, false
	case err == nil && !old.IsDir():
		cp.errorf("cannot overwrite non-directory %s with directory %s", quote(dst), quote(src))
		return false, false
	case err == nil:
		return false, true
	}
	if err := cp.mkdir(trimSlashes(dst), fs.ModeDir|st.Mode.Perm()&^cp.umask()|0o700); err != nil {
		cp.failed(err, "cannot create directory %s", quote(dst))
		return false, false
	}
	if now, err := cp.lstat(trimSlashes(dst)); err == nil {
		if cp.made == nil {
			cp.made = map[fileID]bool{}
		}
		cp.made[idOf(now)] = true
	}
	if cp.verbose {
		cp.printf("%s -> %s\n", quote(src), quote(dst))
	}
	return true, true
}

func (cp *copier) children(src, dst string) bool {
	entries, err := cp.readDir(src)
	if err != nil {
		cp.failed(err, "cannot access %s", quote(src))
		return false
	}
	ok := true
	for _, e := range entries {
		ok = cp.tree(join(src, e.Name()), join(dst, e.Name()), false) && ok
	}
	return ok
}

// inside reports whether dst lies in the directory that st describes.
func (cp *copier) inside(dst string, st vfs.Stat) bool {
	p, err := cp.realpath(dst, 2)
	for err == nil && p != "/" {
		p = p[:max(1, strings.LastIndexByte(p, '/'))]
		if up, err := cp.FS.Stat(p); err == nil && sameFile(up, st) {
			return true
		}
	}
	return false
}

// confirm asks on standard error; an answer that starts with y is a yes.
func (c *call) confirm(format string, args ...any) bool {
	c.out.Flush()
	c.Env.Stderr.Write([]byte(c.name + ": " + sprintf(format, args...)))
	if _, ok := c.stdin.(*bufio.Reader); !ok {
		c.stdin = bufio.NewReader(c.stdin)
	}
	line, _ := c.stdin.(*bufio.Reader).ReadString('\n')
	return strings.HasPrefix(line, "y") || strings.HasPrefix(line, "Y")
}
