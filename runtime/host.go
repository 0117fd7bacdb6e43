package runtime

import (
	"os"
	"path/filepath"
	"reflect"

	"boxer.dev/vfs"
)

// hostSource opens a host directory or file for mounting. It stays open until the run ends.
func (s *sandbox) hostSource(name string, readOnly bool) (vfs.Source, error) {
	// What the caller names may be a symlink; what lies below it is resolved by os.Root.
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(real)
	if err != nil {
		return nil, err
	}
	dir := real
	if !info.IsDir() {
		dir = filepath.Dir(real)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	s.roots = append(s.roots, root)
	if info.IsDir() {
		return vfs.HostDir(root, readOnly), nil
	}
	return vfs.HostFile(root, filepath.Base(real), readOnly), nil
}

// same reports whether two streams are one. Absent ones are not, nor are those of a type that cannot be compared.
func same(a, b any) bool {
	return a != nil && b != nil && reflect.TypeOf(a).Comparable() && a == b
}
