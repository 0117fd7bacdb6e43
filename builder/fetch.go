package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// What ADD fetches. Each address becomes a source tree of its own, so that copying goes on as with any other source.

// fetch fetches what a source of ADD is the address of.
func (c *copying) fetch(ctx context.Context, src string) ([]match, error) {
	ref, isGit, err := parseGitRef(src)
	if err != nil {
		return nil, err
	}
	if isGit {
		return c.fetchRepository(ctx, ref)
	}
	return c.fetchFile(ctx, src)
}

func (c *copying) fetchRepository(ctx context.Context, ref gitRef) ([]match, error) {
	if err := c.remote.reconcile(&ref); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(c.stage.build.temp, "git-")
	if err != nil {
		return nil, err
	}
	c.cleanup = append(c.cleanup, func() error { return os.RemoveAll(dir) })
	root, commit, err := fetchGit(ctx, ref, dir, c.stage.say)
	if err != nil {
		return nil, err
	}
	c.cleanup = append(c.cleanup, root.Close)
	c.stage.say("commit " + commit)
	tree := &contextTree{root: root, name: quote(withoutPassword(ref.remote)), epoch: c.stage.build.epoch, dirs: openDirs{root: root}}
	c.cleanup = append(c.cleanup, tree.dirs.close)
	file, err := tree.lstat(".")
	return []match{{from: tree, path: ".", file: file}}, err
}

// reconcile makes one of what the flags say and what the address says.
func (o remoteOptions) reconcile(ref *gitRef) error {
	if o.keepGitDir != nil {
		if ref.keepGitDir != nil && *ref.keepGitDir != *o.keepGitDir {
			return errors.New("--keep-git-dir and the address contradict each other")
		}
		ref.keepGitDir = o.keepGitDir
	}
	if o.checksum != "" {
		if ref.checksum != "" && ref.checksum != o.checksum {
			return errors.New("--checksum and the address contradict each other")
		}
		if !isHex(o.checksum) {
			return withHint(fmt.Errorf("bad checksum %s", quote(o.checksum)), "that of a repository is the commit's")
		}
		ref.checksum = o.checksum
	}
	return nil
}

func (c *copying) fetchFile(ctx context.Context, address string) ([]match, error) {
	name := webName(address)
	if name == "" {
		if endsAsDirectory(c.what.DestPath) {
			return nil, withHint(fmt.Errorf("%s does not tell the file's name", quote(withoutPassword(address))), "give the destination as a file: ADD %s /dir/name", printable(withoutPassword(address)))
		}
		name = path.Base(c.what.DestPath)
	}
	spool, err := os.CreateTemp(c.stage.build.temp, "download-")
	if err != nil {
		return nil, err
	}
	c.cleanup = append(c.cleanup, spool.Close)
	got, err := download(ctx, address, c.remote.checksum, spool, c.stage.say)
	if err != nil {
		return nil, err
	}
	file := sourceFile{attributes: attributes{mode: 0o600, mtime: got.modified}, size: got.size}
	return []match{{from: spoolTree{name: name, spool: spool, file: file}, base: name, path: name, file: file, plain: !c.remote.unpack}}, nil
}

// say shows a line below the step, as if a command had written it.
func (s *stage) say(line string) {
	if s.step != nil {
		s.build.opts.Progress.Output(s.step, []byte(line+"\n"))
	}
}

// spoolTree is one file that was downloaded.
type spoolTree struct {
	name  string
	spool *os.File
	file  sourceFile
}

func (t spoolTree) visible(string) (bool, bool)      { return true, true }
func (t spoolTree) rooted() bool                     { return true }
func (t spoolTree) String() string                   { return quote(t.name) }
func (t spoolTree) readlink(string) (string, error)  { return "", fs.ErrInvalid }
func (t spoolTree) readdir(string) ([]string, error) { return []string{t.name}, nil }

func (t spoolTree) open(string) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(t.spool, 0, t.file.size)), nil
}

func (t spoolTree) lstat(name string) (sourceFile, error) {
	if strings.Trim(name, "/") == t.name {
		return t.file, nil
	}
	return sourceFile{}, fs.ErrNotExist
}
