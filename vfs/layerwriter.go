package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"strings"
	"syscall"
)

// A LayerWriter writes a layer file: contents as they come, the index at the
// end. It needs memory for the index only.
type LayerWriter struct {
	file *os.File
	out  *sparseWriter
	off  uint64
	root *draft
	err  error
}

// draft is an inode of a layer that is being written.
type draft struct {
	record
	up     *draft // of a directory
	names  map[string]draftName
	target string // of a symlink, or the path of a borrowed file
	links  []draftLink
	number uint32
	listed bool
}

type draftLink struct{ dir, ent uint32 }

// draftName is what a name of a directory stands for: an inode, or nothing if
// it is a whiteout alone.
type draftName struct {
	inode    *draft
	whiteout bool
}

// CreateLayer begins a layer file. The file is complete when Close has returned
// without an error; it is up to the caller to write to a temporary name.
func CreateLayer(file string) (*LayerWriter, error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	w := &LayerWriter{file: f, out: newSparseWriter(f), off: headerSize, root: newDraftDir(nil)}
	_, w.err = w.out.Write(make([]byte, headerSize))
	return w, nil
}

func newDraftDir(up *draft) *draft {
	return &draft{
		record: record{mode: fs.ModeDir | 0o755, flags: recordImplied},
		up:     up,
		names:  map[string]draftName{},
	}
}

// Add adds an entry; data holds the contents of a regular file, exactly Size
// bytes, and is not read otherwise. Entries come in any order that a tar may
// have: a later one replaces an earlier one of the same path, directories that
// have no entry yet are made, and keep what lies beneath them if they never get
// one, a whiteout speaks of the layers beneath wherever it stands, and a hard
// link to a path that was not added means a file of the layers beneath. A path
// that leads through a symlink of this layer follows it. Whiteout and Opaque
// together empty a directory without describing it.
//
// After an error the layer is lost: Close reports it again.
func (w *LayerWriter) Add(e Entry, data io.Reader) error {
	if w.err == nil {
		if err := w.add(e, data); err != nil {
			w.err = fmt.Errorf("adding %q: %w", e.Path, err)
		}
	}
	return w.err
}

func (w *LayerWriter) add(e Entry, data io.Reader) error {
	if err := checkEntryPath(e.Path); err != nil {
		return err
	}
	if e.Path == "." {
		return w.addRoot(e)
	}
	dir, err := w.dirAt(path.Dir(e.Path))
	if err != nil {
		return err
	}
	name := path.Base(e.Path)
	switch old := dir.names[name]; {
	case e.Whiteout && e.Opaque:
		return w.addOpaque(dir, name)
	case e.Whiteout:
		dir.whiteOut(name)
	case e.HardLink != "":
		return w.addLink(dir, name, e.HardLink)
	case e.Mode.IsDir():
		if old.inode == nil || !old.inode.mode.IsDir() {
			old.inode = dir.makeDir(name)
		}
		old.inode.describe(e)
		if e.Opaque {
			old.inode.flags |= recordOpaque
		}
	default:
		return w.addFile(dir, name, e, data)
	}
	return nil
}

func (w *LayerWriter) addRoot(e Entry) error {
	if e.Opaque {
		w.root.flags |= recordOpaque
	}
	switch {
	case e.Whiteout && e.Opaque:
	case e.Whiteout || e.HardLink != "" || !e.Mode.IsDir():
		return syscall.EINVAL
	default:
		w.root.describe(e)
	}
	return nil
}

func (w *LayerWriter) addOpaque(dir *draft, name string) error {
	d := dir.names[name].inode
	if d == nil || !d.mode.IsDir() {
		d = dir.makeDir(name)
	}
	d.flags |= recordOpaque
	return nil
}

func (w *LayerWriter) addFile(dir *draft, name string, e Entry, data io.Reader) error {
	d := &draft{}
	d.describe(e)
	switch {
	case e.Mode.IsRegular():
		if e.Size < 0 || e.Size > MaxFileSize || (data == nil && e.Size > 0) {
			return syscall.EINVAL
		}
		d.size, d.data = uint64(e.Size), w.off
		if e.Size > 0 {
			if err := w.copy(data, e.Size); err != nil {
				return err
			}
		}
	case e.Mode&fs.ModeSymlink != 0:
		if e.Symlink == "" || len(e.Symlink) >= MaxPath || strings.IndexByte(e.Symlink, 0) >= 0 {
			return syscall.EINVAL
		}
		d.target = e.Symlink
	default:
		d.size = e.Rdev
	}
	dir.put(name, d)
	return nil
}

func (w *LayerWriter) copy(data io.Reader, size int64) error {
	n, err := w.out.ReadFrom(io.LimitReader(data, size))
	w.off += uint64(n)
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (w *LayerWriter) addLink(dir *draft, name, to string) error {
	if err := checkEntryPath(to); err != nil {
		return err
	}
	d := w.lookup(to)
	switch {
	case d == nil:
		d = &draft{record: record{flags: recordBorrowed}, target: to}
	case d.mode.IsDir():
		return syscall.EPERM
	case dir.names[name].inode == d:
		return nil
	}
	dir.put(name, d)
	return nil
}

// lookup returns what this layer has at a path, or nil.
func (w *LayerWriter) lookup(p string) *draft {
	d := w.root
	for name := range strings.SplitSeq(p, "/") {
		if d == nil || !d.mode.IsDir() {
			return nil
		}
		d = d.names[name].inode
	}
	return d
}

// dirAt returns the directory at a path, making what is missing and following
// the symlinks that this layer holds.
func (w *LayerWriter) dirAt(p string) (*draft, error) {
	d, rest := w.root, p
	for links := 0; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		switch name {
		case "", ".":
			continue
		case "..":
			if d.up != nil {
				d = d.up
			}
			continue
		}
		next := d.names[name].inode
		switch {
		case next == nil:
			d = d.makeDir(name)
		case next.mode.IsDir():
			d = next
		case next.mode&fs.ModeSymlink != 0:
			if links++; links > MaxSymlinks {
				return nil, syscall.ELOOP
			}
			if next.target[0] == '/' {
				d = w.root
			}
			rest = next.target + "/" + rest
		default:
			return nil, syscall.ENOTDIR
		}
	}
	return d, nil
}

func (d *draft) describe(e Entry) {
	d.mode, d.uid, d.gid, d.mtime = e.Mode, e.UID, e.GID, instantOf(e.ModTime)
	d.flags &^= recordImplied
}

// makeDir makes a directory that nothing has described yet. If the layer took
// the name away before, what lies beneath stays hidden.
func (d *draft) makeDir(name string) *draft {
	c := newDraftDir(d)
	if old := d.names[name]; old.whiteout {
		c.flags |= recordOpaque
	}
	d.put(name, c)
	return c
}

func (d *draft) put(name string, c *draft) {
	d.names[name] = draftName{inode: c, whiteout: d.names[name].whiteout}
}

func (d *draft) whiteOut(name string) {
	old := d.names[name]
	if old.inode != nil && old.inode.mode.IsDir() {
		old.inode.flags |= recordOpaque
	}
	d.names[name] = draftName{inode: old.inode, whiteout: true}
}

// Close writes the index and closes the file. Without an error it is a layer;
// with one it is removed.
func (w *LayerWriter) Close() error {
	if w.file == nil {
		return fs.ErrClosed
	}
	if w.err == nil {
		w.err = w.finish()
	}
	if w.err != nil {
		err := w.err
		return errors.Join(err, w.Abort())
	}
	f := w.file
	w.file, w.root = nil, nil
	return f.Close()
}

// Abort closes and removes the file.
func (w *LayerWriter) Abort() error {
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file, w.root = nil, nil
	if w.err == nil {
		w.err = fs.ErrClosed
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func (w *LayerWriter) finish() error {
	// Records hold 64-bit fields: aligned, none straddles a cache line.
	if pad := -w.off & 63; pad != 0 {
		if _, err := w.out.Write(make([]byte, pad)); err != nil {
			return err
		}
		w.off += pad
	}
	x := indexer{offsets: map[string]uint32{}}
	x.number(w.root)
	if err := x.list(); err != nil {
		return err
	}
	h := x.header(w.off)
	for _, section := range [][]byte{x.encodeRecords(), x.dirents, x.encodeLinks(), x.names} {
		if _, err := w.out.Write(section); err != nil {
			return err
		}
	}
	if err := w.out.finish(); err != nil {
		return err
	}
	_, err := w.file.WriteAt(h.encode(), 0)
	return err
}

// checkCount keeps a count within the 32 bits that the format has for it.
func checkCount(n int) error {
	if uint64(n) > math.MaxUint32 {
		return syscall.EFBIG
	}
	return nil
}
