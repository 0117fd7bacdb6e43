package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// ignoreFiles are the names of the file of ignore rules at a context's root, the best first.
var ignoreFiles = []string{".boxignore", ".dockerignore"}

// contextTree is the build context less what the ignore rules leave out. Files are reached through os.Root, which no link and
// no race leads out of.
type contextTree struct {
	root    *os.Root
	name    string // for messages
	epoch   time.Time
	rules   string // name of the file of rules; empty: none
	matcher *patternmatcher.PatternMatcher
	// known are the results for directories: a name's result needs those of the directories above it.
	known map[string]verdict
	lock  sync.Mutex // guards known

	dirs    openDirs     // of root
	digests *fileDigests // nil: none are remembered
}

type verdict struct {
	ignored bool
	info    patternmatcher.MatchInfo
}

func openContext(root *os.Root, epoch time.Time) (*contextTree, error) {
	t := &contextTree{root: root, name: "the build context", epoch: epoch, known: map[string]verdict{}, dirs: openDirs{root: root}}
	for _, name := range ignoreFiles {
		f, err := openRegular(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		defer f.Close()
		patterns, err := ignorefile.ReadAll(f)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		if t.matcher, err = patternmatcher.New(patterns); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		t.rules = name
		return t, nil
	}
	return t, nil
}

func (t *contextTree) rooted() bool   { return false }
func (t *contextTree) String() string { return t.name }

func (t *contextTree) visible(name string) (self, below bool) {
	if t.matcher == nil || name == "." {
		return true, true
	}
	t.lock.Lock()
	ignored := t.judge(name).ignored
	t.lock.Unlock()
	return !ignored, !ignored || t.mayBringBack(name)
}

// matches is whether the rules leave out a name, whatever else they say.
func (t *contextTree) matches(name string) (bool, error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.matcher.MatchesOrParentMatches(strings.TrimPrefix(name, "/"))
}

// judge applies the rules to a name. A rule that fits a directory fits what is in it, until a later one says otherwise.
func (t *contextTree) judge(name string) verdict {
	var above patternmatcher.MatchInfo
	if dir := path.Dir(name); dir != "." {
		v, ok := t.known[dir]
		if !ok {
			v = t.judge(dir)
			t.known[dir] = v
		}
		above = v.info
	}
	ignored, info, err := t.matcher.MatchesUsingParentResults(name, above)
	// Patterns were checked when they were read; one that cannot be applied applies to nothing.
	return verdict{ignored: ignored && err == nil, info: info}
}

// mayBringBack is whether a rule with "!" could fit something beneath an ignored directory: if not, it need not be searched.
func (t *contextTree) mayBringBack(name string) bool {
	parts := strings.Split(name, "/")
	for _, p := range t.matcher.Patterns() {
		if p.Exclusion() && couldFitBeneath(strings.Split(filepath.ToSlash(p.String()), "/"), parts) {
			return true
		}
	}
	return false
}

func couldFitBeneath(pattern, dir []string) bool {
	for i := range min(len(pattern), len(dir)) {
		if strings.Contains(pattern[i], "**") {
			return true
		}
		if ok, err := path.Match(pattern[i], dir[i]); err == nil && !ok {
			return false
		}
	}
	return true
}

func (t *contextTree) lstat(name string) (sourceFile, error) {
	var info fs.FileInfo
	err := t.dirs.in(name, func(dir *os.Root, base string) (err error) {
		info, err = dir.Lstat(base)
		return err
	})
	if err != nil {
		return sourceFile{}, err
	}
	mode := info.Mode()
	if runtime.GOOS == "windows" {
		// Windows knows no permissions; docker build takes all for 0755 there.
		mode = mode&^fs.ModePerm | 0o755
	}
	return sourceFile{attributes: attributes{mode: mode, mtime: t.epoch}, size: info.Size(), id: identify(info), hollow: hollow(info)}, nil
}

func (t *contextTree) readlink(name string) (string, error) {
	target, err := t.root.Readlink(filepath.FromSlash(name))
	if runtime.GOOS == "windows" {
		target = filepath.ToSlash(target)
	}
	return target, err
}

func (t *contextTree) readdir(name string) ([]string, error) {
	dir, err := t.root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1) // ReadDir would look at every file
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// digest is that of a file's data.
func (t *contextTree) digest(ctx context.Context, name string, file sourceFile) (fileDigest, error) {
	if err := file.unpackable(name); err != nil {
		return fileDigest{}, err
	}
	if t.digests == nil {
		return digestFile(ctx, t, name)
	}
	return t.digests.digest(ctx, t, name, file)
}

func (t *contextTree) open(name string) (io.ReadCloser, error) {
	var file *os.File
	err := t.dirs.in(name, func(dir *os.Root, base string) (err error) {
		file, err = openRegular(dir, base)
		return err
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

// openRegular opens a regular file and nothing else: opening a FIFO would wait for a writer for ever.
func openRegular(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
