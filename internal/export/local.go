package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"boxer.dev/internal/hint"
	"boxer.dev/vfs"
)

// Files writes the files of a tree into the directory dir, which is made if there is none. Files that are there already are
// replaced; directories are added to. A symbolic link, of the tree or in dir, never leads anything out of dir: all is done
// beneath an os.Root, links in the way of a directory are replaced by one.
//
// Times and permissions are those of the tree, owners too where the process may set them (it is root); else all belongs to the
// user. Set-user-id and set-group-id bits are left out: they were meant for the users of a box.
func Files(dir string, tree *vfs.FS) error {
	changes, err := vfs.Diff(vfs.New(), tree)
	if err != nil {
		return fmt.Errorf("listing the box's files: %w", err)
	}
	return writeFiles(dir, changes, os.Geteuid() == 0)
}

// writeFiles writes entries, parents first, into a directory; owners says whether they get those that they have in the box.
func writeFiles(dir string, changes []vfs.Change, owners bool) error {
	root, err := directory(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	l := &local{root: root, owners: owners, made: map[string]bool{}}
	for _, change := range changes {
		if err := l.add(change); err != nil {
			return fmt.Errorf("writing %q: %w", change.Path, err)
		}
	}
	return l.finish()
}

// local is a directory that files are written to.
type local struct {
	root   *os.Root
	owners bool
	made   map[string]bool // names without regard to case
	dirs   []vfs.Entry     // in the order of the tree
	links  []vfs.Entry
}

func (l *local) add(change vfs.Change) error {
	if change.Path == "." {
		return nil
	}
	if _, err := filepath.Localize(change.Path); err != nil {
		return errors.New("this system cannot have a file of that name")
	}
	if change.HardLink != "" {
		l.links = append(l.links, change.Entry)
		return nil
	}
	exists, err := l.clear(change.Path, change.Mode.IsDir())
	if err != nil {
		return err
	}
	l.made[strings.ToLower(change.Path)] = true
	switch change.Mode.Type() {
	case fs.ModeDir:
		l.dirs = append(l.dirs, change.Entry)
		if exists {
			return l.open(change.Path)
		}
		return l.root.Mkdir(change.Path, 0o700) // until it is filled
	case fs.ModeSymlink:
		if err := l.root.Symlink(change.Symlink, change.Path); err != nil {
			return err
		}
		return l.own(change.Entry)
	case 0:
		return l.file(change)
	}
	return fmt.Errorf("it is a %s, which cannot be written to a directory", change.Mode.Type())
}

// open makes a directory that is there one that can be written to until it is filled. Whose it is not may be able to already.
func (l *local) open(dir string) error {
	if err := l.root.Chmod(dir, 0o700); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// clear makes room for an entry. It reports whether there is a directory that can stay.
func (l *local) clear(name string, dir bool) (exists bool, err error) {
	info, err := l.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	switch {
	case err != nil:
		return false, err
	case l.made[strings.ToLower(name)]:
		return false, errors.New("its name differs only in case from another, and this system does not tell them apart")
	case dir && info.IsDir():
		return true, nil
	case info.IsDir():
		return false, hint.To(errors.New("a directory is in its place"), "remove it, or write to another directory")
	}
	return false, l.root.Remove(name)
}

func (l *local) file(change vfs.Change) (err error) {
	content, err := change.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	file, err := l.root.OpenFile(change.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	if err := errors.Join(err, file.Close(), l.own(change.Entry)); err != nil {
		return err
	}
	return l.settle(change.Entry)
}

// own gives a file its owner. Links are not followed.
func (l *local) own(e vfs.Entry) error {
	if !l.owners {
		return nil
	}
	return l.root.Lchown(e.Path, int(e.UID), int(e.GID))
}

// settle gives a file or a directory its permissions and time.
func (l *local) settle(e vfs.Entry) error {
	if err := l.root.Chmod(e.Path, e.Mode.Perm()|e.Mode&fs.ModeSticky); err != nil {
		return err
	}
	return l.root.Chtimes(e.Path, time.Time{}, e.ModTime)
}

// finish makes hard links, and gives directories what writing to them would have changed, or kept from being written.
func (l *local) finish() error {
	for _, e := range l.links {
		if _, err := l.clear(e.Path, false); err != nil {
			return fmt.Errorf("writing %q: %w", e.Path, err)
		}
		if err := l.root.Link(e.HardLink, e.Path); err != nil {
			return err
		}
	}
	for i := len(l.dirs) - 1; i >= 0; i-- {
		if err := errors.Join(l.own(l.dirs[i]), l.settle(l.dirs[i])); err != nil {
			return err
		}
	}
	return nil
}
