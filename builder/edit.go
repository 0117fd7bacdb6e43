package builder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/docker/go-units"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// edit is the change that one instruction makes to a stage's files.
//
// Contents that already lie somewhere else (the context, an archive, another stage) are not written into the tree, which
// lives in memory: a regular file is made without them, and they are fetched when the layer is written. The tree then settles
// all questions of names, links and overwriting, at the cost of an inode a file.
type edit struct {
	before *vfs.FS
	tree   *vfs.FS
	epoch  time.Time
	filled map[uint64]filling // by inode number of tree
	size   int64              // of what is to be filled in
	files  int64              // that were created
	apart  bool               // its layer does not depend on those below

	cleanup []func() error
}

// filling is what a regular file of an edit's tree will hold.
type filling struct {
	content content
	mtime   time.Time
}

// content is a file's data, wherever it lies.
type content struct {
	size int64
	open func() (io.ReadCloser, error)
}

// unfilled marks files whose contents are still to come, so that vfs.Diff never takes one for the file it replaces.
var unfilled = time.Unix(1<<33+12_345, 0)

// attributes are what a file has besides its name and contents.
type attributes struct {
	mode     fs.FileMode
	uid, gid uint32
	mtime    time.Time
}

func (s *stage) edit() (*edit, error) {
	before, err := s.tree()
	if err != nil {
		return nil, err
	}
	return s.editOf(before), nil
}

// editApart is a change to nothing at all: its layer goes on top of the stage's, whatever these are.
func (s *stage) editApart() *edit {
	e := s.editOf(vfs.New())
	e.apart = true
	return e
}

func (s *stage) editOf(before *vfs.FS) *edit {
	e := &edit{before: before, epoch: s.build.epoch, filled: map[uint64]filling{}}
	e.tree = e.before.Fork()
	e.tree.Configure(vfs.Config{Now: func() time.Time { return e.epoch }})
	return e
}

func (e *edit) close() error { return closeAll(e.cleanup) }

// resolve follows the symlinks of an absolute path, the last component's too. What does not exist is taken as it is.
func (e *edit) resolve(name string) (string, error) {
	w := linkWalk{tree: boxTree{fs: e.tree}, done: ".", todo: strings.Split(name, "/")}
	err := w.run()
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return "", fmt.Errorf("%s of the box is not a directory", quote(path.Join("/", path.Dir(w.done))))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	return path.Join(append([]string{"/", w.done}, w.todo...)...), nil
}

// mkdirAll makes a directory and what is missing above it, mode 0755.
func (e *edit) mkdirAll(name string, uid, gid uint32) error {
	name, err := e.resolve(name)
	if err != nil {
		return err
	}
	done := "/"
	for part := range strings.SplitSeq(strings.Trim(name, "/"), "/") {
		done = path.Join(done, part)
		st, err := e.tree.Lstat(done)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = e.mkdir(done, attributes{mode: 0o755, uid: uid, gid: gid, mtime: e.epoch})
		case err == nil && !st.IsDir():
			err = fmt.Errorf("%s of the box is not a directory", quote(done))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mkdir makes a directory, or gives one that exists the attributes.
func (e *edit) mkdir(name string, a attributes) error {
	st, err := e.tree.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = e.tree.Mkdir(name, 0o777)
	case err == nil && !st.IsDir():
		err = fmt.Errorf("cannot make a directory of %s: the box has something else of that name", quote(name))
	}
	if err != nil {
		return err
	}
	return e.set(name, a)
}

func (e *edit) set(name string, a attributes) error {
	if err := e.tree.Chmod(name, a.mode&permissions); err != nil {
		return err
	}
	if err := e.tree.Lchown(name, int(a.uid), int(a.gid)); err != nil {
		return err
	}
	return e.tree.Chtimes(name, a.mtime, a.mtime)
}

const permissions = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// clear makes room for a file: what has its name goes, but a directory never gives way to a file.
func (e *edit) clear(name string) error {
	st, err := e.tree.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && st.IsDir() {
		err = fmt.Errorf("cannot replace the directory %s of the box by a file", quote(name))
	}
	if err != nil {
		return err
	}
	return e.tree.Remove(name)
}

// boxLimits are what a box must keep to, so that it can be unpacked.
var boxLimits = oci.DefaultLimits()

// tooMany refuses more files than a box can hold, of which name is one.
func tooMany(files int64, name string) error {
	if files <= boxLimits.Files {
		return nil
	}
	return withHint(fmt.Errorf("with %s there are more than %d files, which is all that a box can hold", quote(name), boxLimits.Files),
		"leave some out by .boxignore, or put them into an archive")
}

// create makes a regular file whose contents come later.
func (e *edit) create(name string, a attributes, c content) error {
	if e.size += c.size; e.size > boxLimits.Bytes {
		return withHint(fmt.Errorf("with %s the files come to more than %s, which is all that a box can hold", quote(name), units.BytesSize(float64(boxLimits.Bytes))),
			"leave large files out by .boxignore, and mount them when the box is run")
	}
	e.files++
	if err := errors.Join(tooMany(e.files, name), e.clear(name)); err != nil {
		return err
	}
	f, err := e.tree.Open(name, vfs.O_WRONLY|vfs.O_CREATE|vfs.O_EXCL|vfs.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Chown(int(a.uid), int(a.gid)); err != nil {
		return err
	}
	if err := f.Chmod(a.mode & permissions); err != nil {
		return err
	}
	if err := f.Chtimes(unfilled, unfilled); err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	e.filled[st.Ino] = filling{content: c, mtime: a.mtime}
	return nil
}

func (e *edit) symlink(target, name string, a attributes) error {
	if err := e.clear(name); err != nil {
		return err
	}
	if err := e.tree.Symlink(target, name); err != nil {
		return err
	}
	return e.tree.Lchown(name, int(a.uid), int(a.gid))
}
