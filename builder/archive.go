package builder

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// Bounds of what one archive may unpack to.
const (
	maxArchiveBytes = 16 << 30
	maxArchiveFiles = 1_000_000
	maxWindow       = 128 << 20 // what xz -9 and zstd --long need
)

// formats are the compressions that ADD undoes, told by a file's first bytes, as docker does; names do not matter.
var formats = []struct {
	magic string
	open  func(io.Reader) (io.Reader, func(), error)
}{
	{"\x1f\x8b", func(r io.Reader) (io.Reader, func(), error) {
		z, err := gzip.NewReader(r)
		return z, func() {}, err
	}},
	{"BZh", func(r io.Reader) (io.Reader, func(), error) {
		return bzip2.NewReader(r), func() {}, nil
	}},
	{"\xfd7zXZ\x00", func(r io.Reader) (io.Reader, func(), error) {
		z, err := xz.NewReader(r, maxWindow)
		return z, func() {}, err
	}},
	{"\x28\xb5\x2f\xfd", func(r io.Reader) (io.Reader, func(), error) {
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}},
}

// decompress undoes whichever compression r has, if any.
func decompress(r io.Reader) (io.Reader, func(), error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	head, err := buffered.Peek(8)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	for _, f := range formats {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return f.open(buffered)
		}
	}
	return buffered, func() {}, nil
}

// inflation compares what an archive is with what it unpacks to, so that a few kilobytes, compressed or holes of sparse
// files, do not fill the disk.
type inflation struct {
	source io.Reader // the archive as it came
	read   int64
	plain  int64 // of the tar, what is skipped of it among it
	made   int64 // of files, holes among it
}

// Read reads from the source.
func (i *inflation) Read(p []byte) (int, error) {
	n, err := i.source.Read(p)
	i.read += int64(n)
	return n, err
}

// tar reads the archive without its compression, of reads the contents of a file of it. Both fail when it becomes more than a box
// could be unpacked to.
func (i *inflation) tar(plain io.Reader) io.Reader   { return inflated{plain, i, &i.plain} }
func (i *inflation) of(contents io.Reader) io.Reader { return inflated{contents, i, &i.made} }

type inflated struct {
	contents io.Reader
	archive  *inflation
	count    *int64
}

func (i inflated) Read(p []byte) (int, error) {
	n, err := i.contents.Read(p)
	*i.count += int64(n)
	if *i.count > boxLimits.Slack && *i.count/boxLimits.Ratio > i.archive.read {
		return 0, fmt.Errorf("it unpacks to over %d times its size", boxLimits.Ratio)
	}
	return n, err
}

// tryUnpack unpacks a source that is an archive into the destination, and tells whether it is one. A compressed file that
// holds no tar is none, nor is a tar without files.
func (c *copying) tryUnpack(ctx context.Context, m match) (unpacked bool, err error) {
	file, err := m.from.open(m.path)
	if err != nil {
		return false, fmt.Errorf("%s: %w", quote(m.path), bare(err))
	}
	defer file.Close()
	// The decoders are other people's, and what they read may be anything.
	defer func() {
		if r := recover(); r != nil {
			unpacked, err = true, fmt.Errorf("unpacking %s: %v", quote(m.path), r)
		}
	}()
	in := &inflation{source: file}
	plain, done, err := decompress(in)
	if err != nil {
		return false, nil
	}
	defer done()
	t := tar.NewReader(in.tar(plain))
	first, err := t.Next()
	if err != nil {
		return false, nil
	}
	if err := c.makeDest(c.dest); err != nil {
		return true, err
	}
	u := unpacking{copying: c, tar: t, name: m.path, in: in}
	if err := u.all(ctx, first); err != nil {
		return true, fmt.Errorf("unpacking %s: %w", quote(m.path), err)
	}
	return true, nil
}

// unpacking is one archive being unpacked. Contents wait in a file until the layer is written: an archive is a stream that
// later entries may change earlier ones in.
type unpacking struct {
	*copying
	tar   *tar.Reader
	name  string
	in    *inflation
	spool *os.File
	size  int64
	files int
}

func (u *unpacking) all(ctx context.Context, first *tar.Header) (err error) {
	if u.spool, err = u.stage.spool(u.edit); err != nil {
		return err
	}
	for h := first; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if u.files++; u.files > maxArchiveFiles {
			return fmt.Errorf("it holds more than %d files", maxArchiveFiles)
		}
		if err := u.entry(h); err != nil {
			return err
		}
		if h, err = u.tar.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// spool makes a file for an edit's contents, which goes when the edit is done.
func (s *stage) spool(e *edit) (*os.File, error) {
	f, err := os.CreateTemp(s.build.temp, "spool-")
	if err != nil {
		return nil, err
	}
	e.cleanup = append(e.cleanup, func() error {
		return errors.Join(f.Close(), os.Remove(filepath.Clean(f.Name())))
	})
	return f, nil
}

func (u *unpacking) entry(h *tar.Header) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	target, err := u.target(h.Name)
	if err != nil {
		return err
	}
	a, err := u.attributesOf(h)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if st, err := u.edit.tree.Lstat(target); err == nil && !st.IsDir() {
			if err := u.edit.tree.Remove(target); err != nil {
				return err
			}
		}
		return u.edit.mkdir(target, a)
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return u.file(target, h, a)
	case tar.TypeSymlink:
		if err := u.edit.tree.RemoveAll(target); err != nil {
			return err
		}
		return u.edit.symlink(h.Linkname, target, a)
	case tar.TypeLink:
		return u.link(h, target)
	}
	u.stage.warn(fmt.Sprintf("%s in %s is %s and was not unpacked", quote(h.Name), quote(u.name), kindOf(h.FileInfo().Mode())))
	return nil
}

// target is where an entry goes. Absolute names are taken from the destination too; one that climbs out of it is refused.
func (u *unpacking) target(name string) (string, error) {
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("%s leads out of the destination", quote(name))
	}
	if clean == "." {
		return u.dest, nil
	}
	dir, err := u.edit.resolve(path.Join(u.dest, path.Dir(clean)))
	if err != nil {
		return "", err
	}
	if err := u.edit.mkdirAll(dir, 0, 0); err != nil {
		return "", err
	}
	return path.Join(dir, path.Base(clean)), nil
}

func (u *unpacking) attributesOf(h *tar.Header) (attributes, error) {
	if h.Uid < 0 || h.Gid < 0 || int64(h.Uid) >= 1<<32-1 || int64(h.Gid) >= 1<<32-1 {
		return attributes{}, fmt.Errorf("%s: bad owner %d:%d", quote(h.Name), h.Uid, h.Gid)
	}
	a := attributes{mode: h.FileInfo().Mode(), uid: uint32(h.Uid), gid: uint32(h.Gid), mtime: h.ModTime.UTC().Truncate(time.Second)}
	return u.attributes(sourceFile{attributes: a}), nil
}

func (u *unpacking) file(target string, h *tar.Header, a attributes) error {
	if h.Size > maxArchiveBytes-u.size {
		return fmt.Errorf("it holds more than %d bytes", int64(maxArchiveBytes))
	}
	start := u.size
	n, err := io.Copy(u.spool, u.in.of(u.tar))
	u.size += n
	if err != nil {
		return fmt.Errorf("%s: %w", quote(h.Name), err)
	}
	if err := u.edit.tree.RemoveAll(target); err != nil {
		return err
	}
	spool := u.spool
	return u.edit.create(target, a, content{size: n, open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(spool, start, n)), nil
	}})
}

// link makes another name for a file that the archive, or the box, has already.
func (u *unpacking) link(h *tar.Header, target string) error {
	to, err := u.target(h.Linkname)
	if err != nil {
		return err
	}
	if to == target {
		return nil
	}
	if err := u.edit.tree.RemoveAll(target); err != nil {
		return err
	}
	if err := u.edit.tree.Link(to, target); err != nil {
		return fmt.Errorf("%s: linking to %s: %w", quote(h.Name), quote(h.Linkname), bareLink(err))
	}
	return nil
}

func bareLink(err error) error {
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return bare(err)
}
