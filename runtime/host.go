package runtime

import (
	"os"
	"path/filepath"
	"reflect"

	"boxer.dev/vfs"
)

// Source is a directory or file of the host, opened to be mounted. Any number of runs may use it.
type Source struct {
	root *os.Root
	file string // in root; empty: root itself
}

// OpenSource opens a directory or a file. What name leads to by symlinks is opened; no path of a box leads out of that.
func OpenSource(name string) (*Source, error) {
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(real)
	if err != nil {
		return nil, err
	}
	s, dir := &Source{}, real
	if !info.IsDir() {
		dir, s.file = filepath.Split(real)
	}
	if s.root, err = os.OpenRoot(filepath.Clean(dir)); err != nil {
		return nil, err
	}
	return s, nil
}

// Close lets go of it. No run may use it any more.
func (s *Source) Close() error { return s.root.Close() }

func (s *Source) mounted(readOnly bool) vfs.Source {
	if s.file == "" {
		return vfs.HostDir(s.root, readOnly)
	}
	return vfs.HostFile(s.root, s.file, readOnly)
}

// hostSource gives a host directory or file for mounting. What is opened for the run stays open until it ends.
func (s *sandbox) hostSource(name string, opened *Source, readOnly bool) (vfs.Source, error) {
	if opened == nil {
		var err error
		if opened, err = OpenSource(name); err != nil {
			return nil, err
		}
		s.roots = append(s.roots, opened.root)
	}
	return opened.mounted(readOnly), nil
}

// same reports whether two streams are one. Absent ones are not, nor are those of a type that cannot be compared.
func same(a, b any) bool {
	return a != nil && b != nil && reflect.TypeOf(a).Comparable() && a == b
}
