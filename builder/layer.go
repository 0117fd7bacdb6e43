package builder

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// whiteoutPrefix marks names that mean something else in a layer's tar (OCI image-spec, layer.md).
const whiteoutPrefix = ".wh."

// madeLayer is what an instruction did to a stage's files.
type madeLayer struct {
	v1.Layer
	diffID v1.Hash
	open   openLayers
}

// commit makes what an edit changed into a layer. Where files are as they were there is none.
func (s *stage) commit(ctx context.Context, e *edit) (*madeLayer, error) {
	release, err := s.build.slots.take(ctx)
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	defer release()
	file := s.build.layerFile()
	written, err := s.write(ctx, e, file)
	if err := errors.Join(err, e.close()); err != nil || written == 0 {
		return nil, err
	}
	opened, err := s.build.openLayer(file)
	if err != nil {
		return nil, err
	}
	var below []*vfs.Layer
	if !e.apart {
		if below, err = s.layers(); err != nil {
			return nil, err
		}
	}
	changes, err := vfs.Diff(vfs.New(below...), vfs.New(slices.Concat(below, opened)...))
	if err != nil {
		return nil, fmt.Errorf("comparing files: %w", err)
	}
	return s.pack(changes, opened)
}

// layerFile names the file of a further layer.
func (b *build) layerFile() string {
	return filepath.Join(b.temp, fmt.Sprintf("%d.layer", b.layers.Add(1)))
}

// openLayer opens a layer's file for as long as the build takes.
func (b *build) openLayer(file string) ([]*vfs.Layer, error) {
	opened, err := vfs.OpenLayer(file)
	if err != nil {
		return nil, fmt.Errorf("opening the new layer: %w", err)
	}
	b.closeLater(opened.Close)
	return []*vfs.Layer{opened}, nil
}

// pack makes an image layer of changes, of which opened is the opened form.
func (s *stage) pack(changes []vfs.Change, opened []*vfs.Layer) (*madeLayer, error) {
	layer, err := oci.NewLayer(changes, oci.LayerOptions{Compression: s.build.opts.Compression, Dir: s.build.opts.TempDir})
	if err != nil {
		return nil, fmt.Errorf("packing the layer: %w", err)
	}
	id, err := layer.DiffID()
	if err != nil {
		return nil, fmt.Errorf("packing the layer: %w", err)
	}
	return &madeLayer{Layer: layer, diffID: id, open: func() ([]*vfs.Layer, error) { return opened, nil }}, nil
}

// add puts a layer, if there is one, on top of the stage, with the instruction that made it.
func (s *stage) add(layer *madeLayer, createdBy string) (err error) {
	if layer == nil {
		s.note(createdBy)
		return nil
	}
	if s.step != nil {
		if s.step.Layer, err = layer.Digest(); err != nil {
			return fmt.Errorf("packing the layer: %w", err)
		}
		if s.step.Size, err = layer.Size(); err != nil {
			return fmt.Errorf("packing the layer: %w", err)
		}
	}
	s.ids = append(slices.Clip(s.ids), layer.diffID.String())
	s.seed = s.seed.with("layer", layer.diffID.String())
	s.files = append(slices.Clip(s.files), layer.open)
	s.record(createdBy, layer.Layer)
	return nil
}

// write puts an edit's changes into an opened layer's file and returns how many there are.
func (s *stage) write(ctx context.Context, e *edit, file string) (n int, err error) {
	changes, err := vfs.Diff(e.before, e.tree)
	if err != nil {
		return 0, fmt.Errorf("comparing files: %w", err)
	}
	w, err := vfs.CreateLayer(file)
	if err != nil {
		return 0, fmt.Errorf("writing the new layer: %w", err)
	}
	for _, c := range changes {
		written, err := e.writeChange(w, c)
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return 0, errors.Join(err, w.Abort())
		}
		if written {
			n++
		}
	}
	if n == 0 {
		return 0, w.Abort()
	}
	return n, w.Close()
}

// writeChange adds a change to a layer, unless it makes no difference.
func (e *edit) writeChange(w *vfs.LayerWriter, c vfs.Change) (bool, error) {
	name := "/" + c.Path
	if strings.HasPrefix(path.Base(name), whiteoutPrefix) && !c.Whiteout {
		return false, withHint(fmt.Errorf("%s: image layers reserve names that begin with %s", quote(name), whiteoutPrefix), "rename the file")
	}
	from := content{size: c.Size, open: c.Open}
	entry := c.Entry
	if c.Mode.IsRegular() && !c.Whiteout && c.HardLink == "" {
		st, err := e.tree.Lstat(name)
		if err != nil {
			return false, err
		}
		if fill, ok := e.filled[st.Ino]; ok {
			from, entry.ModTime, entry.Size = fill.content, fill.mtime, fill.content.size
		}
	}
	if !c.Whiteout && entry.ModTime.After(e.epoch) {
		entry.ModTime = e.epoch
	}
	same, err := e.unchanged(entry, from)
	if err != nil || same {
		return false, err
	}
	return true, addEntry(w, entry, from)
}

func addEntry(w *vfs.LayerWriter, entry vfs.Entry, from content) error {
	if !entry.Mode.IsRegular() || entry.Whiteout || entry.HardLink != "" {
		return w.Add(entry, nil)
	}
	r, err := from.open()
	if err != nil {
		return err
	}
	defer r.Close()
	exact := &exactReader{r: r, left: from.size}
	if err := w.Add(entry, exact); err != nil {
		return fmt.Errorf("copying to %s: %w", quote("/"+entry.Path), err)
	}
	return nil
}

// unchanged reports whether an entry says what the tree before the edit had. Times often tell files apart that are equal once
// the times are those of the build.
func (e *edit) unchanged(entry vfs.Entry, from content) (bool, error) {
	if entry.Whiteout || entry.Opaque || entry.HardLink != "" {
		return false, nil
	}
	name := "/" + entry.Path
	old, err := e.before.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if old.Mode != entry.Mode || old.UID != entry.UID || old.GID != entry.GID || !old.Mtime.Equal(entry.ModTime) {
		return false, nil
	}
	switch entry.Mode.Type() {
	case fs.ModeDir:
		return true, nil
	case fs.ModeSymlink:
		target, err := e.before.Readlink(name)
		return target == entry.Symlink, err
	case 0:
		// Another name may still go with this one.
		return old.Size == from.size && old.Nlink == 1 && e.nlink(name) == 1 && e.sameContent(name, from), nil
	}
	return false, nil
}

func (e *edit) nlink(name string) uint32 {
	st, err := e.tree.Lstat(name)
	if err != nil {
		return 0
	}
	return st.Nlink
}

// sameContent compares a file of the tree before with what is to come. Where either cannot be read they differ: the error
// comes up again when the file is written.
func (e *edit) sameContent(name string, from content) bool {
	was, err := e.before.Open(name, vfs.O_RDONLY|vfs.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer was.Close()
	is, err := from.open()
	if err != nil {
		return false
	}
	defer is.Close()
	var a, b [32 << 10]byte
	for {
		n, errA := io.ReadFull(was, a[:])
		m, errB := io.ReadFull(is, b[:])
		if !bytes.Equal(a[:n], b[:m]) {
			return false
		}
		if errA != nil || errB != nil {
			return atEnd(errA) && atEnd(errB)
		}
	}
}

func atEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// exactReader yields exactly as many bytes as were announced, or an error.
type exactReader struct {
	r    io.Reader
	left int64
}

var errChanged = errors.New("it changed while it was read")

func (x *exactReader) Read(p []byte) (int, error) {
	if x.left == 0 {
		if n, err := x.r.Read(make([]byte, 1)); n > 0 {
			return 0, errChanged
		} else if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		return 0, io.EOF
	}
	if int64(len(p)) > x.left {
		p = p[:x.left]
	}
	n, err := x.r.Read(p)
	x.left -= int64(n)
	if errors.Is(err, io.EOF) && x.left > 0 {
		err = errChanged
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
