package builder

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

// openDirs keeps the directory that was looked into last open, with those above it: os.Root goes through every component of
// a name for every file, and most files lie where the one before did.
type openDirs struct {
	root *os.Root

	lock  sync.Mutex
	stack []openDir // each in the one before
}

type openDir struct {
	name string
	root *os.Root
}

// maxOpenDirs bounds how many descriptors that takes. What lies deeper is reached from the last of them.
const maxOpenDirs = 32

// in calls do with the directory that a name is in, and the name there. A directory that cannot be opened by itself, such as
// one that is reached through a link, is left to the root.
func (d *openDirs) in(name string, do func(dir *os.Root, base string) error) error {
	d.lock.Lock()
	defer d.lock.Unlock()
	dir := path.Dir(name)
	for len(d.stack) > 0 && !isBelow(dir, d.stack[len(d.stack)-1].name) {
		_ = d.pop() // only read through
	}
	at, done := d.root, ""
	if n := len(d.stack); n > 0 {
		at, done = d.stack[n-1].root, d.stack[n-1].name
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(dir, done), "/")
	for rest != "" && rest != "." && len(d.stack) < maxOpenDirs {
		first, others, _ := strings.Cut(rest, "/")
		sub, err := at.OpenRoot(first)
		if err != nil {
			return do(d.root, filepath.FromSlash(name))
		}
		at, done, rest = sub, path.Join(done, first), others
		d.stack = append(d.stack, openDir{done, sub})
	}
	return do(at, filepath.FromSlash(path.Join(rest, path.Base(name))))
}

func isBelow(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, dir+"/")
}

func (d *openDirs) pop() error {
	last := len(d.stack) - 1
	err := d.stack[last].root.Close()
	d.stack = d.stack[:last]
	return err
}

func (d *openDirs) close() error {
	d.lock.Lock()
	defer d.lock.Unlock()
	var errs []error
	for len(d.stack) > 0 {
		errs = append(errs, d.pop())
	}
	return errors.Join(errs...)
}
