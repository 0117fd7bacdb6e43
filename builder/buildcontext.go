package builder

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Context is what a build was pointed at: a directory, a repository, an archive, or nothing but a Boxfile.
type Context struct {
	Root *os.Root // nil: there are no files

	boxfile []byte // if that is all there is
	source  string // for messages
	fetched bool   // Root is a copy that goes with the Context
	closers []func() error
}

// OpenContext opens what `boxer build` takes: a directory; "-", an archive or a Boxfile on standard input; the address of a git
// repository (https://…git#ref:directory and the other forms that ADD takes); or a URL of an archive or a Boxfile. What has
// to be fetched is kept below temp (empty: the host's directory for such files) until Close. tell, if not nil, hears of it.
func OpenContext(ctx context.Context, source string, stdin io.Reader, temp string, tell func(line string)) (*Context, error) {
	c := &Context{source: source}
	if err := c.open(ctx, stdin, temp, tell); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close removes what was fetched.
func (c *Context) Close() error { return closeAll(c.closers) }

func (c *Context) open(ctx context.Context, stdin io.Reader, temp string, tell func(string)) error {
	ref, isGit, err := parseGitRef(contextAddress(c.source))
	switch {
	case err != nil:
		return err
	case c.source == "-" && stdin == nil:
		return errors.New("reading the build context: no standard input")
	case c.source == "-" || isGit || isWeb(c.source):
		c.fetched = true
	default:
		return c.openDirectory()
	}
	dir, err := os.MkdirTemp(temp, "boxer-context-")
	if err != nil {
		return fmt.Errorf("preparing the build context: %w", err)
	}
	c.closers = append(c.closers, func() error { return os.RemoveAll(dir) })
	switch {
	case isGit:
		root, commit, err := fetchGit(ctx, ref, dir, tell)
		if err != nil {
			return err
		}
		if tell != nil {
			tell("commit " + commit)
		}
		c.use(root)
		return nil
	case c.source == "-":
		c.source = "stdin"
		return c.read(stdin, dir)
	}
	return c.download(ctx, dir, tell)
}

// contextAddress completes an address that docker takes without its scheme.
func contextAddress(source string) string {
	if !strings.HasPrefix(source, "github.com/") {
		return source
	}
	if _, err := os.Stat(source); err == nil {
		return source
	}
	address, fragment, found := strings.Cut(source, "#")
	address = "https://" + strings.TrimSuffix(address, ".git") + ".git"
	if found {
		address += "#" + fragment
	}
	return address
}

func (c *Context) openDirectory() error {
	root, err := os.OpenRoot(c.source)
	if err != nil {
		return withHint(fmt.Errorf("opening the build context: %w", err), "give a directory, the address of a repository or an archive, or - for standard input")
	}
	c.use(root)
	return nil
}

func (c *Context) use(root *os.Root) {
	c.Root = root
	c.closers = append(c.closers, root.Close)
}

func (c *Context) download(ctx context.Context, dir string, tell func(string)) error {
	file, err := os.Create(filepath.Join(dir, "download"))
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := download(ctx, c.source, "", file, tell); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return c.read(file, dir)
}

// read takes a stream for an archive, compressed or not, or else for a Boxfile.
func (c *Context) read(r io.Reader, dir string) error {
	in := &inflation{source: r}
	plain, done, err := decompress(in)
	if err != nil {
		return fmt.Errorf("reading the build context from %s: %w", c.source, err)
	}
	defer done()
	buffered := bufio.NewReaderSize(plain, 64<<10)
	head, err := buffered.Peek(tarBlock)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the build context from %s: %w", c.source, err)
	}
	if isTar(head) {
		return c.unpack(buffered, in, filepath.Join(dir, "context"))
	}
	if bytes.IndexByte(head, 0) >= 0 || len(head) == 0 {
		return withHint(fmt.Errorf("reading the build context from %s: it is neither a tar archive nor a Boxfile", c.source),
			"pipe one: tar -cz . | boxer build -")
	}
	if c.boxfile, err = io.ReadAll(io.LimitReader(buffered, maxBoxfile+1)); err != nil {
		return fmt.Errorf("reading %s: %w", c.source, err)
	}
	return nil
}

func (c *Context) unpack(r io.Reader, in *inflation, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	c.use(root)
	if err := unpackInto(root, r, in); err != nil {
		return fmt.Errorf("unpacking the build context from %s: %w", c.source, err)
	}
	return nil
}

// Boxfile finds and parses the build file. An empty name stands for Boxfile, else Dockerfile, at the root of the context; "-"
// for stdin; any other name is a path in a context that was fetched, and on the host otherwise.
func (c *Context) Boxfile(name string, stdin io.Reader) (*Boxfile, error) {
	switch {
	case c.boxfile != nil && name != "":
		return nil, withHint(fmt.Errorf("-f %s: %s is a Boxfile already", quote(name), c.source), "leave -f out")
	case c.boxfile != nil:
		return Parse(c.source, bytes.NewReader(c.boxfile))
	case name == "-" && c.source == "stdin":
		return nil, withHint(errors.New("standard input cannot be both the context and the Boxfile"), "put the Boxfile into the archive")
	case name == "" || name == "-" || !c.fetched:
		return OpenBoxfile(c.Root, name, stdin)
	}
	inside := strings.TrimPrefix(path.Clean("/"+filepath.ToSlash(name)), "/")
	f, err := openRegular(c.Root, filepath.FromSlash(inside))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, withHint(fmt.Errorf("there is no %s in %s", quote(name), c.source), "-f names a file of the context that was fetched")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the Boxfile: %w", err)
	}
	defer f.Close()
	return Parse(name, f)
}
