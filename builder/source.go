package builder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/docker/go-units"

	"boxer.dev/vfs"
)

// sourceTree is where COPY and ADD take files from: the context, or the files of another stage or image. Names are relative,
// clean and slash-separated; "." is the root. They are bytes: not every name is UTF-8, which is why this is not an fs.FS.
type sourceTree interface {
	// lstat and the others answer fs.ErrNotExist for what is not there.
	lstat(name string) (sourceFile, error)
	readlink(name string) (string, error)
	readdir(name string) ([]string, error) // sorted
	open(name string) (io.ReadCloser, error)
	// visible tells whether rules leave a name in, and whether, if they do not, something beneath it may still be in.
	visible(name string) (self, below bool)
	// rooted is whether absolute symlinks are relative to the tree's own root.
	rooted() bool
	// what the tree is called in messages.
	String() string
}

// sourceFile is a file of a sourceTree.
type sourceFile struct {
	attributes
	size int64
	id   fileID // of a file of the host, where the system tells
	// hollow is set for a file of the host that takes up much less of the disk than it is long.
	hollow bool
}

func (f sourceFile) isDir() bool { return f.mode.IsDir() }

// unpackable reports a file that no box could hold, before anybody reads what is not there.
func (f sourceFile) unpackable(name string) error {
	if !f.hollow {
		return nil
	}
	return withHint(fmt.Errorf("%s is %s long and nearly all holes: no box with it could be unpacked", quote(name), units.BytesSize(float64(f.size))),
		"leave it out by .boxignore, and mount it when the box is run")
}

// errOutside says that a symlink leads out of the tree it is in.
var errOutside = errors.New("it leads out of the build context")

// follow resolves the symlinks in a name, those of its last component too. In a directory that is copied links stay links;
// only what an instruction names is followed.
func follow(t sourceTree, name string) (string, sourceFile, error) {
	w := linkWalk{tree: t, done: ".", todo: strings.Split(name, "/")}
	if err := w.run(); err != nil {
		return "", sourceFile{}, err
	}
	file, err := t.lstat(w.done)
	return w.done, file, err
}

// linkWalk goes along a path component by component.
type linkWalk struct {
	tree  sourceTree
	done  string   // without links
	todo  []string // components after it
	links int
}

// run goes to the end. After an error done is what could not be had, and todo what is left beneath it.
func (w *linkWalk) run() error {
	for len(w.todo) > 0 {
		part := w.todo[0]
		w.todo = w.todo[1:]
		var err error
		switch part {
		case "", ".":
		case "..":
			err = w.up()
		default:
			err = w.down(path.Join(w.done, part))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *linkWalk) up() error {
	if w.done == "." && !w.tree.rooted() {
		return errOutside
	}
	w.done = path.Dir(w.done)
	return nil
}

func (w *linkWalk) down(next string) error {
	file, err := w.tree.lstat(next)
	if err == nil && file.mode.Type() == fs.ModeSymlink {
		return w.link(next)
	}
	w.done = next
	return err
}

func (w *linkWalk) link(name string) error {
	if w.links++; w.links > vfs.MaxSymlinks {
		return &fs.PathError{Op: "open", Path: name, Err: syscall.ELOOP}
	}
	target, err := w.tree.readlink(name)
	if err != nil {
		return err
	}
	if path.IsAbs(target) {
		if !w.tree.rooted() {
			return errOutside
		}
		w.done = "."
	}
	w.todo = append(strings.Split(target, "/"), w.todo...)
	return nil
}

// present is whether a file is in a tree as far as rules go. A directory that they leave out is there for what they bring back.
func present(t sourceTree, name string, file sourceFile) (bool, error) {
	self, below := t.visible(name)
	if self || !below || !file.isDir() {
		return self, nil
	}
	names, err := t.readdir(name)
	if err != nil {
		return false, err
	}
	for _, base := range names {
		inner := path.Join(name, base)
		file, err := t.lstat(inner)
		if err != nil {
			return false, err
		}
		if ok, err := present(t, inner, file); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// boxTree is the files of another stage or image, as COPY --from sees them.
type boxTree struct {
	fs   *vfs.FS
	name string
}

func (t boxTree) abs(name string) string               { return path.Join("/", name) }
func (t boxTree) visible(string) (bool, bool)          { return true, true }
func (t boxTree) rooted() bool                         { return true }
func (t boxTree) String() string                       { return t.name }
func (t boxTree) readlink(name string) (string, error) { return t.fs.Readlink(t.abs(name)) }

func (t boxTree) open(name string) (io.ReadCloser, error) {
	return t.fs.Open(t.abs(name), vfs.O_RDONLY|vfs.O_NOFOLLOW, 0)
}

func (t boxTree) lstat(name string) (sourceFile, error) {
	st, err := t.fs.Lstat(t.abs(name))
	if err != nil {
		return sourceFile{}, err
	}
	return sourceFile{attributes: attributes{mode: st.Mode, uid: st.UID, gid: st.GID, mtime: st.Mtime}, size: st.Size}, nil
}

func (t boxTree) readdir(name string) ([]string, error) {
	entries, err := t.fs.ReadDir(t.abs(name))
	if err != nil {
		return nil, err
	}
	return sortedNames(entries), nil
}

func sortedNames(entries []fs.DirEntry) []string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.Sort(names)
	return names
}

// memoryTree is one file that a Boxfile itself holds: a here-document.
type memoryTree struct {
	file  string
	data  string
	epoch time.Time
}

func (t memoryTree) visible(string) (bool, bool)      { return true, true }
func (t memoryTree) rooted() bool                     { return true }
func (t memoryTree) String() string                   { return "the Boxfile" }
func (t memoryTree) readlink(string) (string, error)  { return "", fs.ErrInvalid }
func (t memoryTree) readdir(string) ([]string, error) { return []string{t.file}, nil }

func (t memoryTree) open(string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(t.data)), nil
}

func (t memoryTree) lstat(name string) (sourceFile, error) {
	switch name {
	case ".":
		return sourceFile{attributes: attributes{mode: fs.ModeDir | 0o755}, size: 0}, nil
	case t.file:
		return sourceFile{attributes: attributes{mode: 0o644, mtime: t.epoch}, size: int64(len(t.data))}, nil
	}
	return sourceFile{}, fs.ErrNotExist
}
