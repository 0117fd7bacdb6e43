package shell

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"mvdan.cc/sh/v3/interp"

	"boxer.dev/internal/coreutils"
	"boxer.dev/vfs"
)

const (
	errIsDir  = syscall.EISDIR
	errNotDir = syscall.ENOTDIR
)

// decoyTemp is the temporary directory that the interpreter is told of. It opens every redirection to
// TMPDIR/sh-interp-* on the host, taking it for a fifo of its own; no file of a box is under this name.
var decoyTemp = func() string {
	if filepath.IsAbs(`C:\`) {
		return `C:\` + "\x00"
	}
	return nowhere
}()

// guest turns a path that the interpreter joined with the host's rules into one of the box.
func guest(p string) string { return filepath.ToSlash(p) }

func (s *session) abs(dir, name string) string {
	name = guest(name)
	if strings.HasPrefix(name, "/") || name == "" {
		return name
	}
	return strings.TrimSuffix(guest(dir), "/") + "/" + name
}

// coreutils returns an environment for questions about the box.
func (s *session) coreutils() *coreutils.Env {
	return &coreutils.Env{FS: s.FS, Dir: s.Dir, Now: s.Now, UID: s.UID, GID: s.GID}
}

func (s *session) stat(_ context.Context, name string, follow bool) (fs.FileInfo, error) {
	stat := s.FS.Stat
	if !follow {
		stat = s.FS.Lstat
	}
	st, err := stat(guest(name))
	if err != nil {
		return nil, err
	}
	return st.FileInfo(), nil
}

func (s *session) readDir(_ context.Context, name string) ([]fs.DirEntry, error) {
	entries, err := s.FS.ReadDir(guest(name))
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// access answers as for root, the only user whose permissions a box enforces: all but executing what has no x.
func (s *session) access(_ context.Context, name string, mode interp.AccessMode) error {
	st, err := s.FS.Stat(guest(name))
	if err == nil && mode&interp.AccessExec != 0 && !st.IsDir() && st.Mode&0o111 == 0 {
		err = &fs.PathError{Op: "access", Path: name, Err: syscall.EACCES}
	}
	return err
}

// open opens the file of a redirection, or a script for the source builtin.
func (s *session) open(ctx context.Context, name string, flag int, _ os.FileMode) (io.ReadWriteCloser, error) {
	hc := interp.HandlerCtx(ctx)
	if script, ok := strings.CutPrefix(name, sourceMark); ok {
		return readOnly{strings.NewReader(script)}, nil
	}
	p := s.abs(hc.Dir, name)
	if stream, ok := s.stream(hc, p, flag); ok {
		return stream, nil
	}
	if flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return s.openInput(p, name)
	}
	f, err := s.openOutput(hc, p, flag)
	if err != nil {
		return nil, s.openError(hc, "create", name, err)
	}
	return f, nil
}

func (s *session) openError(hc interp.HandlerContext, verb, name string, err error) error {
	reason := coreutils.ErrorText(err)
	if verb == "create" && reason == "No such file or directory" {
		reason = "Directory nonexistent"
	} else if reason == "No such file or directory" {
		reason = "No such file"
	}
	// The interpreter prints a PathError as "Op Path: Err".
	line := strconv.FormatUint(uint64(max(1, hc.Pos.Line())), 10)
	return &fs.PathError{Op: s.name + ": " + line + ": cannot " + verb, Path: name, Err: reasonError(reason)}
}

type reasonError string

func (e reasonError) Error() string { return string(e) }

func (s *session) openOutput(hc interp.HandlerContext, p string, flag int) (*vfs.File, error) {
	vflag := vfs.O_WRONLY | vfs.O_CREATE
	if flag&os.O_APPEND != 0 {
		vflag |= vfs.O_APPEND
	}
	if flag&os.O_TRUNC != 0 {
		vflag |= vfs.O_TRUNC
	}
	_, missing := s.FS.Stat(p)
	f, err := s.FS.Open(p, vflag, 0o666&^s.umask(hc.Env).Perm())
	if err == nil && missing != nil && (s.UID != 0 || s.GID != 0) {
		err = f.Chown(int(s.UID), int(s.GID))
	}
	return f, err
}

// openInput opens a file to be read. The interpreter wants an *os.File and would fill a pipe at once; a pump
// fills it only when somebody reads the pipe and not the file.
func (s *session) openInput(p, name string) (io.ReadWriteCloser, error) {
	f, err := s.FS.Open(p, vfs.O_RDONLY, 0)
	if err == nil {
		if st, serr := f.Stat(); serr == nil && st.IsDir() {
			f.Close()
			err = &fs.PathError{Op: "read", Path: name, Err: errIsDir}
		}
	}
	if err != nil {
		return nil, s.openError(interp.HandlerContext{}, "open", name, err)
	}
	r, err := s.pumps.add(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("opening a pipe: %w", err)
	}
	return r, nil
}

// stream opens the names under /dev that mean a stream of the command.
func (s *session) stream(hc interp.HandlerContext, p string, flag int) (io.ReadWriteCloser, bool) {
	reading := flag&(os.O_WRONLY|os.O_RDWR) == 0
	switch p {
	case "/dev/null":
		if reading {
			return emptyInput(), true
		}
		return writeOnly{io.Discard}, true
	case "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1":
		return writeOnly{hc.Stdout}, !reading
	case "/dev/stderr", "/dev/fd/2", "/proc/self/fd/2":
		return writeOnly{hc.Stderr}, !reading
	case "/dev/tty":
		return writeOnly{s.Stderr}, !reading && s.Terminal
	}
	return nil, false
}

// emptyInput is a pipe without a writer.
func emptyInput() io.ReadWriteCloser {
	r, w, err := os.Pipe()
	if err != nil {
		return readOnly{strings.NewReader("")}
	}
	w.Close()
	return r
}

type readOnly struct{ io.Reader }

func (readOnly) Write([]byte) (int, error) { return 0, os.ErrInvalid }
func (readOnly) Close() error              { return nil }

type writeOnly struct{ io.Writer }

func (writeOnly) Read([]byte) (int, error) { return 0, os.ErrInvalid }
func (writeOnly) Close() error             { return nil }

// pumps are the pipes that stand for files opened for reading, by their read ends.
type pumps struct {
	mu     sync.Mutex
	byPipe map[*os.File]*pump
}

type pump struct {
	file    *vfs.File
	w       *os.File
	started bool
}

func (p *pumps) add(f *vfs.File) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep()
	if p.byPipe == nil {
		p.byPipe = map[*os.File]*pump{}
	}
	p.byPipe[r] = &pump{file: f, w: w}
	return r, nil
}

// sweep forgets the pipes that the interpreter has closed.
func (p *pumps) sweep() {
	for r, pump := range p.byPipe {
		if _, err := r.Stat(); err != nil {
			pump.close()
			delete(p.byPipe, r)
		}
	}
}

func (p *pump) close() {
	if !p.started {
		p.file.Close()
		p.w.Close()
	}
}

func (p *pumps) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r, pump := range p.byPipe {
		pump.close()
		r.Close()
	}
	p.byPipe = nil
}

// file returns the file that a pipe stands for, if nothing has read from the pipe itself.
func (p *pumps) file(r io.Reader) (*vfs.File, bool) {
	pipe, ok := r.(*os.File)
	if !ok {
		return nil, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pump := p.byPipe[pipe]
	if pump == nil || pump.started {
		return nil, false
	}
	return pump.file, true
}

// start fills the pipe from the file, for a builtin that reads the pipe.
func (p *pumps) start(r io.Reader) {
	pipe, ok := r.(*os.File)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pump := p.byPipe[pipe]
	if pump == nil || pump.started {
		return
	}
	pump.started = true
	go func() {
		io.Copy(pump.w, pump.file) // ends early when the reader closes its end
		pump.w.Close()
		pump.file.Close()
	}()
}

// standardInput returns the shell's input as the *os.File that the interpreter wants.
func (s *session) standardInput() (stdin *os.File, closeAll func(), err error) {
	if f, ok := s.Stdin.(*os.File); ok {
		return f, func() {}, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	if s.Stdin == nil {
		w.Close()
		return r, func() { r.Close() }, nil
	}
	go func() {
		io.Copy(w, s.Stdin)
		w.Close()
	}()
	return r, func() { r.Close() }, nil
}

// synchronized lets the stages of a pipeline write to the same stream at once.
func synchronized(stdout, stderr io.Writer) (io.Writer, io.Writer) {
	var mu sync.Mutex
	return lock(&mu, stdout), lock(&mu, stderr)
}

func lock(mu *sync.Mutex, w io.Writer) io.Writer {
	if _, ok := w.(*os.File); ok {
		return w
	}
	return &lockedWriter{mu, w}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
