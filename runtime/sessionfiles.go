package runtime

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"syscall"

	"boxer.dev/vfs"
)

// Contents are a regular file's bytes, or what a directory has.
type Contents struct {
	Data    []byte
	Dir     bool
	Entries []Entry // of a directory, in order of their names
}

// Entry is a name in a directory.
type Entry struct {
	Name string
	Mode fs.FileMode
	Size int64 // bytes of a regular file
}

// Errors of a session's files, within an *fs.PathError.
var (
	ErrNotRegular = errors.New("it is no regular file")
	ErrTooLarge   = errors.New("it is larger than was asked for")
)

// maxEntries bounds what ReadFile gives of a directory.
const maxEntries = 100_000

// Read gives a regular file of the session of at most max bytes, or a directory's entries. Devices have no end, and a file need not
// have the contents that its size speaks of: neither is read. Errors are *fs.PathErrors, as those of the other calls. Like those it
// may be called at any time; an execution that is going on uses the same files.
func (s *Session) Read(name string, max int) (*Contents, error) {
	return readContents(s.sandbox.tree, name, max)
}

// Write makes a regular file with the directories that are missing on the way, or replaces one.
func (s *Session) Write(name string, data []byte) error {
	tree := s.sandbox.tree
	if stat, err := tree.Stat(name); err == nil && !stat.Mode.IsRegular() {
		return &fs.PathError{Op: "write", Path: name, Err: ErrNotRegular}
	}
	if err := tree.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	return tree.WriteFile(name, data, 0o644)
}

// Remove removes a file, or a directory with what is in it.
func (s *Session) Remove(name string) error {
	if _, err := s.sandbox.tree.Lstat(name); err != nil {
		return err
	}
	return s.sandbox.tree.RemoveAll(name)
}

func readContents(tree *vfs.FS, name string, max int) (*Contents, error) {
	stat, err := tree.Stat(name)
	if err != nil {
		return nil, err
	}
	if stat.IsDir() {
		entries, err := readEntries(tree, name)
		return &Contents{Dir: true, Entries: entries}, err
	}
	f, err := tree.Open(name, vfs.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if stat, err = f.Stat(); err == nil && !stat.Mode.IsRegular() {
		err = &fs.PathError{Op: "read", Path: name, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(max)+1))
	if err == nil && len(data) > max {
		err = &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
	}
	if err != nil {
		return nil, err
	}
	return &Contents{Data: data}, nil
}

func readEntries(tree *vfs.FS, name string) ([]Entry, error) {
	found, err := tree.ReadDir(name)
	if err != nil {
		return nil, err
	}
	if len(found) > maxEntries {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: syscall.EFBIG}
	}
	entries := make([]Entry, 0, len(found))
	for _, entry := range found {
		e := Entry{Name: entry.Name(), Mode: entry.Type()}
		if e.Mode.IsRegular() {
			if stat, err := tree.Lstat(path.Join(name, e.Name)); err == nil {
				e.Size = stat.Size
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}
