package compare

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"boxer.dev/vfs"
)

// Kinds of changes, in docker diff's letters.
const (
	Added   = "A"
	Changed = "C"
	Deleted = "D"
)

// File is a path at which the boxes differ.
type File struct {
	Change string `json:"change"` // Added, Changed or Deleted
	Path   string `json:"path"`   // absolute

	// Of a file that changed, what did: contents, kind, mode, owner, target (of a symbolic link), time.
	What []string `json:"what,omitempty"`
	From *Entry   `json:"from,omitempty"` // nil: it is new
	To   *Entry   `json:"to,omitempty"`   // nil: it is gone
}

// Entry is what a path stands for.
type Entry struct {
	Kind   string    `json:"kind"` // file, directory, symlink, or what else the box has
	Mode   string    `json:"mode"` // permissions, set-id and sticky bits, in octal
	UID    uint32    `json:"uid"`
	GID    uint32    `json:"gid"`
	Size   int64     `json:"size"` // in bytes, of files
	Time   time.Time `json:"time"`
	Target string    `json:"target,omitempty"` // of symbolic links
}

// fileDiff finds the files in which two trees differ.
type fileDiff struct {
	from, to  *vfs.FS
	options   Options
	newDirs   map[string]bool // of the second tree, where the first has something else or nothing
	found     []File
	timesOnly int
}

// compare takes the changes that would make a layer, and looks at each: a layer gives some files again that have not changed,
// and hides a whole directory by one entry.
func (d *fileDiff) compare() error {
	changes, err := vfs.Diff(d.from, d.to)
	if err != nil {
		return fmt.Errorf("comparing files: %w", err)
	}
	for _, change := range changes {
		name := path.Join("/", change.Path)
		if change.Whiteout {
			err = d.gone(name)
		} else {
			err = d.given(name, change.Opaque)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// given looks at what the second tree has at a path. Of an opaque directory nothing that was in it shows through.
func (d *fileDiff) given(name string, opaque bool) error {
	before, err := d.before(name)
	if err != nil {
		return err
	}
	after, err := d.to.Lstat(name)
	if err != nil {
		return err
	}
	if after.IsDir() && (before == nil || !before.IsDir()) {
		d.newDirs[name] = true
	}
	if err := d.file(name, before, after); err != nil || before == nil || !before.IsDir() {
		return err
	}
	if opaque || !after.IsDir() {
		return d.hidden(name, after.IsDir())
	}
	return nil
}

// before is what the first tree has at a path, nil if nothing. Paths are those of directories in a tree, and must not lead
// through what is a symbolic link in the other.
func (d *fileDiff) before(name string) (*vfs.Stat, error) {
	if name != "/" && d.newDirs[path.Dir(name)] {
		return nil, nil
	}
	return stat(d.from, name)
}

// hidden tells what a directory of the first tree had that the second has not. There it need not be a directory.
func (d *fileDiff) hidden(dir string, stays bool) error {
	entries, err := d.from.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		inside := path.Join(dir, entry.Name())
		var left *vfs.Stat
		if stays {
			if left, err = stat(d.to, inside); err != nil {
				return err
			}
		}
		switch {
		case left == nil:
			err = d.gone(inside)
		case left.IsDir() && entry.IsDir():
			err = d.hidden(inside, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stat gives nil for what is not there.
func stat(tree *vfs.FS, name string) (*vfs.Stat, error) {
	st, err := tree.Lstat(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return nil, err
	}
	return &st, nil
}

// gone tells a file, and if it was a directory everything in it, as deleted.
func (d *fileDiff) gone(name string) error {
	st, err := d.from.Lstat(name)
	if err != nil {
		return err
	}
	before, err := entryOf(d.from, name, st)
	if err != nil {
		return err
	}
	d.tell(File{Change: Deleted, Path: name, From: before})
	if !st.IsDir() {
		return nil
	}
	entries, err := d.from.ReadDir(name)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := d.gone(path.Join(name, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// file tells a file that is new, or in what it differs from what was there.
func (d *fileDiff) file(name string, before *vfs.Stat, st vfs.Stat) error {
	after, err := entryOf(d.to, name, st)
	if err != nil {
		return err
	}
	if before == nil {
		d.tell(File{Change: Added, Path: name, To: after})
		return nil
	}
	was, err := entryOf(d.from, name, *before)
	if err != nil {
		return err
	}
	what, err := d.what(name, was, after)
	if err != nil {
		return err
	}
	if len(what) > 0 {
		d.tell(File{Change: Changed, Path: name, What: what, From: was, To: after})
	}
	return nil
}

func (d *fileDiff) what(name string, before, after *Entry) (what []string, err error) {
	contents := before.Kind == after.Kind && before.Size != after.Size
	if before.Kind == regular && after.Kind == regular && !contents {
		same, err := d.sameContents(name)
		if err != nil {
			return nil, err
		}
		contents = !same
	}
	for _, aspect := range []struct {
		name   string
		differ bool
	}{
		{"kind", before.Kind != after.Kind},
		{"contents", contents},
		{"target", before.Kind == after.Kind && before.Target != after.Target},
		{"mode", before.Mode != after.Mode},
		{"owner", before.UID != after.UID || before.GID != after.GID},
		{"time", !before.Time.Equal(after.Time)},
	} {
		if aspect.differ {
			what = append(what, aspect.name)
		}
	}
	return what, nil
}

func (d *fileDiff) sameContents(name string) (bool, error) {
	a, err := d.from.Open(name, vfs.O_RDONLY|vfs.O_NOFOLLOW, 0)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, err := d.to.Open(name, vfs.O_RDONLY|vfs.O_NOFOLLOW, 0)
	if err != nil {
		return false, err
	}
	defer b.Close()
	return sameBytes(a, b)
}

func sameBytes(a, b io.Reader) (bool, error) {
	const piece = 64 << 10
	x, y := make([]byte, piece), make([]byte, piece)
	for {
		n, err := io.ReadFull(a, x)
		m, err2 := io.ReadFull(b, y)
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		for _, err := range []error{err, err2} {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return false, err
			}
		}
		if err != nil {
			return true, nil
		}
	}
}

// tell keeps a difference if it was asked for.
func (d *fileDiff) tell(f File) {
	asked := func(p string) bool {
		p = path.Clean(p)
		return p == "/" || f.Path == p || strings.HasPrefix(f.Path, p+"/")
	}
	if len(d.options.Paths) > 0 && !slices.ContainsFunc(d.options.Paths, asked) {
		return
	}
	if !d.options.Times && len(f.What) == 1 && f.What[0] == "time" {
		if f.To.Kind != directory {
			d.timesOnly++
		}
		return
	}
	d.found = append(d.found, f)
}

func (d *fileDiff) sorted() []File {
	slices.SortFunc(d.found, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return d.found
}

// Kinds of entries.
const (
	regular   = "file"
	directory = "directory"
	symlink   = "symlink"
)

func entryOf(tree *vfs.FS, name string, st vfs.Stat) (*Entry, error) {
	e := &Entry{Kind: kindOf(st.Mode), Mode: octal(st.Mode), UID: st.UID, GID: st.GID, Time: st.Mtime.UTC()}
	switch e.Kind {
	case regular:
		e.Size = st.Size
	case symlink:
		target, err := tree.Readlink(name)
		e.Target = target
		return e, err
	}
	return e, nil
}

func kindOf(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return regular
	case fs.ModeDir:
		return directory
	case fs.ModeSymlink:
		return symlink
	}
	return mode.Type().String()
}

// octal gives a mode as chmod(1) takes it.
func octal(mode fs.FileMode) string {
	bits := uint32(mode.Perm())
	for i, bit := range []fs.FileMode{fs.ModeSticky, fs.ModeSetgid, fs.ModeSetuid} {
		if mode&bit != 0 {
			bits |= 0o1000 << i
		}
	}
	return fmt.Sprintf("%04o", bits)
}
