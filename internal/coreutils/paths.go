package coreutils

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"boxer.dev/vfs"
)

// abs makes a name absolute. It is not cleaned: "a/.." may lead elsewhere than "." when a is a symlink.
func (e *Env) abs(name string) string { return join(e.Dir, name) }

func join(dir, name string) string {
	switch {
	case strings.HasPrefix(name, "/"):
		return name
	case name == "":
		return "" // ENOENT, as POSIX wants for an empty path
	case strings.HasSuffix(dir, "/"):
		return dir + name
	}
	return dir + "/" + name
}

// base is the last component of an operand, trailing slashes ignored.
func base(name string) string {
	trimmed := strings.TrimRight(name, "/")
	if trimmed == "" && name != "" {
		return "/"
	}
	return trimmed[strings.LastIndexByte(trimmed, '/')+1:]
}

func (e *Env) stat(name string) (vfs.Stat, error)  { return e.FS.Stat(e.abs(name)) }
func (e *Env) lstat(name string) (vfs.Stat, error) { return e.FS.Lstat(e.abs(name)) }

// isDir reports whether name is a directory or a symlink to one.
func (e *Env) isDir(name string) bool {
	st, err := e.stat(name)
	return err == nil && st.IsDir()
}

func (e *Env) exists(name string) bool {
	_, err := e.lstat(name)
	return err == nil
}

// readDir lists a directory sorted by name.
func (e *Env) readDir(name string) ([]fs.DirEntry, error) {
	entries, err := e.FS.ReadDir(e.abs(name))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// sameFile reports whether two results of stat are one file.
func sameFile(a, b vfs.Stat) bool { return a.Dev == b.Dev && a.Ino == b.Ino }

type fileID struct{ dev, ino uint64 }

func idOf(st vfs.Stat) fileID { return fileID{st.Dev, st.Ino} }

// open opens an input operand; "-" and /dev/stdin are the standard input of the utility, not of the process
// that the device files belong to.
func (c *call) open(name string) (io.ReadCloser, error) {
	switch name {
	case "-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0":
		return io.NopCloser(cancelReader{c.ctx, c.stdin}), nil
	case "/dev/null":
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	f, err := c.FS.Open(c.abs(name), vfs.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{cancelReader{c.ctx, f}, f}, nil
}

// cancelReader makes an endless input (/dev/zero) end with the run.
type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (r cancelReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }

// stream returns the stream that a name under /dev means for this utility.
func (c *call) stream(name string) (io.Writer, bool) {
	switch name {
	case "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1":
		return c.out, true
	case "/dev/stderr", "/dev/fd/2", "/proc/self/fd/2":
		return c.Stderr, true
	case "/dev/null":
		return io.Discard, true
	}
	return nil, false
}

// create opens an output operand for writing, made with mode 0666 less the umask if it is missing.
func (c *call) create(name string, flag vfs.Flag) (io.WriteCloser, error) {
	if w, ok := c.stream(name); ok {
		return nopWriteCloser{w}, nil
	}
	return c.createFile(name, vfs.O_WRONLY|vfs.O_CREATE|flag, 0o666)
}

// createFile opens a file and gives a new one the owner and umask of the run.
func (e *Env) createFile(name string, flag vfs.Flag, perm fs.FileMode) (*vfs.File, error) {
	p := e.abs(name)
	_, missing := e.FS.Stat(p)
	f, err := e.FS.Open(p, flag, perm&^e.umask())
	if err == nil && missing != nil && (e.UID != 0 || e.GID != 0) {
		err = f.Chown(int(e.UID), int(e.GID))
	}
	return f, err
}

// mkdir makes one directory with exactly that mode, owned by the user of the run.
func (e *Env) mkdir(name string, mode fs.FileMode) error {
	p := e.abs(name)
	if err := e.FS.Mkdir(p, mode); err != nil {
		return err
	}
	return e.own(p)
}

// own gives what was just made at p to the user of the run.
func (e *Env) own(p string) error {
	if e.UID == 0 && e.GID == 0 {
		return nil
	}
	return e.FS.Lchown(p, int(e.UID), int(e.GID))
}

// lchtimes sets the times of name itself, a symlink too.
func (e *Env) lchtimes(name string, atime, mtime time.Time) error {
	return e.FS.Root().ChtimesAt(rootRelative(e.abs(name)), atime, mtime, vfs.AtNoFollow)
}

func rootRelative(p string) string {
	if p = strings.TrimLeft(p, "/"); p == "" {
		return "."
	}
	return p
}

// eachInput calls do with every input operand, standard input if there is none. A file that cannot be
// read is reported; reading goes on with the next.
func (c *call) eachInput(operands []string, do func(name string, r io.Reader) error) {
	if len(operands) == 0 {
		operands = []string{"-"}
	}
	for _, name := range operands {
		if c.stopped() {
			return
		}
		if err := c.input(name, do); err != nil && !c.stopped() {
			c.failed(err, "%s", bareName(name))
		}
	}
}

func (c *call) input(name string, do func(name string, r io.Reader) error) error {
	if name != "-" {
		if st, err := c.stat(name); err == nil && st.IsDir() {
			return &fs.PathError{Op: "read", Path: name, Err: errIsDir}
		}
	}
	r, err := c.open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	return do(name, r)
}

// bareName is how GNU's n_name style shows a file that failed: unquoted when nothing in it is special.
func bareName(name string) string {
	if name == "-" {
		return "-"
	}
	for _, r := range name {
		if !strings.ContainsRune("./_-+,@%:=^", r) && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9') {
			return quote(name)
		}
	}
	if name == "" {
		return "''"
	}
	return name
}

// realpath resolves every symlink of name. The last component may be missing when missing is 1; any may be
// when missing is 2.
func (e *Env) realpath(name string, missing int) (string, error) {
	rest := splitPath(e.abs(name))
	at := "/"
	for followed := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		if part == ".." {
			at = path.Dir(at)
			continue
		}
		next := join(at, part)
		st, err := e.FS.Lstat(next)
		switch {
		case err != nil && isNotExist(err) && (missing == 2 || missing == 1 && len(rest) == 0):
			at = next
			continue
		case err != nil:
			return "", err
		case st.Mode&fs.ModeSymlink == 0:
			if len(rest) > 0 && !st.IsDir() {
				return "", &fs.PathError{Op: "realpath", Path: next, Err: errNotDir}
			}
			at = next
			continue
		}
		if followed++; followed > vfs.MaxSymlinks {
			return "", &fs.PathError{Op: "realpath", Path: name, Err: errLoop}
		}
		target, err := e.FS.Readlink(next)
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(target, "/") {
			at = "/"
		}
		rest = append(splitPath(target), rest...)
	}
	return at, nil
}

func splitPath(p string) []string {
	return slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return s == "" || s == "." })
}

// RealPath resolves every symlink and ".." of name, which must exist.
func (e *Env) RealPath(name string) (string, error) { return e.realpath(name, 0) }
