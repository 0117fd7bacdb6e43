package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"boxer.dev/internal/hint"
	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// Taking says how files are taken out of a box. The zero value copies as docker cp does.
type Taking struct {
	Follow bool // a symbolic link that is named is followed
	Owners bool // files get the owners that they have in the box, where the process may do that
}

// Take copies a file or a directory of a tree to a path of the host, by docker cp's rules: into a directory that is there, else
// under that name. Of a name that ends with "/." the contents of the directory are copied. Files has the rest: nothing leads
// out of the destination, whatever the box's names and links say.
func Take(tree *vfs.FS, name, dest string, o Taking) error {
	s, err := find(tree, name, o.Follow)
	if err != nil {
		return err
	}
	if info, err := os.Stat(dest); err == nil && s.Mode.IsRegular() && !info.IsDir() && !info.Mode().IsRegular() {
		return intoPlace(dest, s.contentTo) // a device or a pipe stays what it is
	}
	dir, as, err := s.destination(dest)
	if err != nil {
		return err
	}
	changes, err := s.entries(as)
	if err != nil {
		return err
	}
	return writeFiles(dir, changes, o.Owners && os.Geteuid() == 0)
}

// TakeTar is Take to a tar archive, in which the name is the last part of the path.
func TakeTar(w io.Writer, tree *vfs.FS, name string, o Taking) error {
	s, err := find(tree, name, o.Follow)
	if err != nil {
		return err
	}
	as := path.Base(s.name)
	if s.contents {
		as = "."
	}
	changes, err := s.entries(as)
	if err != nil {
		return err
	}
	return oci.WriteChanges(w, changes)
}

// selection is what of a tree is taken.
type selection struct {
	vfs.Stat
	tree     *vfs.FS
	name     string // clean, absolute
	contents bool   // of a directory
	links    map[uint64]string
}

func find(tree *vfs.FS, name string, follow bool) (*selection, error) {
	s := &selection{tree: tree, name: path.Join("/", name), links: map[uint64]string{}}
	s.contents = strings.HasSuffix(name, "/.") || s.name == "/"
	wantsDir := s.contents || strings.HasSuffix(name, "/")
	stat := tree.Lstat
	if follow || wantsDir {
		stat = tree.Stat
	}
	var err error
	if s.Stat, err = stat(s.name); err != nil {
		return nil, fmt.Errorf("%q: %w", s.name, cause(err))
	}
	if wantsDir && !s.IsDir() {
		return nil, fmt.Errorf("%q is no directory", s.name)
	}
	return s, nil
}

// cause leaves out the name that an error is about.
func cause(err error) error {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// destination finds the directory of the host to copy to, and the name there.
func (s *selection) destination(dest string) (dir, as string, err error) {
	info, err := os.Stat(dest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !s.IsDir() && os.IsPathSeparator(dest[len(dest)-1]) {
			return "", "", fmt.Errorf("%s: there is no such directory", dest)
		}
		return s.beside(dest)
	case err != nil:
		return "", "", err
	case info.IsDir() && s.contents:
		return dest, ".", nil
	case info.IsDir():
		return dest, path.Base(s.name), nil
	case s.IsDir():
		return "", "", hint.To(fmt.Errorf("%s is a file, and %q a directory", dest, s.name), "name a directory, or what is not there yet")
	}
	if dest, err = filepath.EvalSymlinks(dest); err != nil {
		return "", "", err
	}
	return s.beside(dest)
}

// beside splits the name of what is to be made. The directory around it has to be there.
func (s *selection) beside(dest string) (dir, as string, err error) {
	dest = filepath.Clean(dest)
	dir, as = filepath.Split(dest)
	if dir == "" {
		dir = "."
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", "", hint.To(fmt.Errorf("%s: there is no such directory", filepath.Clean(dir)), "create it first")
	}
	return dir, as, nil
}

func (s *selection) contentTo(w io.Writer) error {
	content, err := s.tree.Open(s.name, vfs.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer content.Close()
	_, err = io.Copy(w, content)
	return err
}

// entries lists what is taken, parents first, under another name.
func (s *selection) entries(as string) (changes []vfs.Change, err error) {
	err = s.add(&changes, s.name, as, s.Stat)
	return changes, err
}

func (s *selection) add(changes *[]vfs.Change, name, as string, st vfs.Stat) error {
	e := vfs.Entry{Path: as, Mode: st.Mode, UID: st.UID, GID: st.GID, ModTime: st.Mtime}
	switch st.Mode.Type() {
	case 0:
		e.Size = st.Size
		if first, ok := s.links[st.Ino]; ok {
			e = vfs.Entry{Path: as, HardLink: first}
		} else if st.Nlink > 1 {
			s.links[st.Ino] = as
		}
	case fs.ModeSymlink:
		target, err := s.tree.Readlink(name)
		if err != nil {
			return err
		}
		e.Symlink = target
	}
	*changes = append(*changes, vfs.NewChange(e, func() (io.ReadCloser, error) { return s.tree.Open(name, vfs.O_RDONLY, 0) }))
	if !st.IsDir() {
		return nil
	}
	entries, err := s.tree.ReadDir(name)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		inside := path.Join(name, entry.Name())
		st, err := s.tree.Lstat(inside)
		if err != nil {
			return err
		}
		if err := s.add(changes, inside, path.Join(as, entry.Name()), st); err != nil {
			return err
		}
	}
	return nil
}
