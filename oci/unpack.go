package oci

import (
	"archive/tar"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"strings"
	"time"

	"boxer.dev/vfs"
)

// Limits bound what an image or an archive may make this machine do. Zero stands for the default.
type Limits struct {
	LayerBytes   int64 // of the files of a layer, holes included; default 16 GiB
	LayerFiles   int64 // in a layer; default a million
	Ratio        int64 // of a layer's size to its compressed size, beyond its first 256 MiB; default 200
	ArchiveBytes int64 // of an archive that is loaded; default 64 GiB
	ArchiveFiles int64 // in an archive; default 100,000
}

// ratioFree is how much any layer may unpack to, however small it is compressed.
const ratioFree = 256 << 20

func (l Limits) withDefaults() Limits {
	return Limits{
		LayerBytes:   cmp.Or(l.LayerBytes, 16<<30),
		LayerFiles:   cmp.Or(l.LayerFiles, 1_000_000),
		Ratio:        cmp.Or(l.Ratio, 200),
		ArchiveBytes: cmp.Or(l.ArchiveBytes, 64<<30),
		ArchiveFiles: cmp.Or(l.ArchiveFiles, 100_000),
	}
}

// unpacker turns a layer's tar into entries of an opened layer. What entries do to each other, in whatever order they come,
// is vfs.LayerWriter's affair; nothing they say can lead out of the layer.
//
// Where a tar and an opened layer differ in what they can say:
//   - Names are taken from the root, whether they start with "/", "./" or neither. One with ".." is refused.
//   - Devices and named pipes are left out: a box's /dev is mounted, and none of the host's is ever in a box.
//   - Extended attributes and names of users and groups are left out: boxes know numbers only.
type unpacker struct {
	out    layerSink
	limits Limits
	bytes  int64
	files  int64
	dirs   map[string]bool // known to be there
}

// layerSink is what an unpacker needs of a vfs.LayerWriter.
type layerSink interface {
	Add(vfs.Entry, io.Reader) error
}

func unpack(r io.Reader, out layerSink, limits Limits) error {
	u := &unpacker{out: out, limits: limits.withDefaults(), dirs: map[string]bool{".": true}}
	tr := tar.NewReader(r)
	for {
		header, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading tar: %w", err)
		}
		if err := u.add(header, tr); err != nil {
			return fmt.Errorf("entry %q: %w", header.Name, err)
		}
	}
	// A digest covers what follows the end of the archive, too.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return fmt.Errorf("reading tar: %w", err)
	}
	return nil
}

func (u *unpacker) add(header *tar.Header, content io.Reader) error {
	switch header.Typeflag {
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo, tar.TypeXGlobalHeader:
		return nil
	}
	name, err := cleanName(header.Name)
	if err != nil {
		return err
	}
	entry, err := entryOf(name, header)
	if err != nil || entry.Path == "" {
		return err
	}
	if err := u.count(entry); err != nil {
		return err
	}
	return u.out.Add(entry, content)
}

// count charges an entry for itself, for the directories it implies and, since names can lead through a symlink, for those
// that its target may imply.
func (u *unpacker) count(entry vfs.Entry) error {
	u.bytes += entry.Size
	u.files += int64(1 + strings.Count(entry.Symlink, "/"))
	for dir := path.Dir(entry.Path); !u.dirs[dir]; dir = path.Dir(dir) {
		u.dirs[dir] = true
		u.files++
	}
	if u.bytes > u.limits.LayerBytes || u.bytes < 0 {
		return fmt.Errorf("%w of %d bytes in a layer's files", ErrTooLarge, u.limits.LayerBytes)
	}
	if u.files > u.limits.LayerFiles {
		return fmt.Errorf("%w of %d files in a layer", ErrTooLarge, u.limits.LayerFiles)
	}
	return nil
}

// cleanName makes a name in a tar relative to the root and clean.
func cleanName(name string) (string, error) {
	clean := path.Clean("./" + name)
	for component := range strings.SplitSeq(name, "/") {
		if component == ".." {
			return "", fmt.Errorf("%w: name leads out of its directory", ErrCorrupt)
		}
	}
	if strings.Contains("/"+path.Dir(clean), "/"+whiteoutPrefix) {
		return "", fmt.Errorf("%w: whiteout has children", ErrCorrupt)
	}
	return clean, nil
}

// entryOf translates a header. Some say nothing: the entry then has no path.
func entryOf(name string, header *tar.Header) (vfs.Entry, error) {
	if base := path.Base(name); strings.HasPrefix(base, whiteoutPrefix) {
		return whiteoutOf(path.Dir(name), base)
	}
	entry := vfs.Entry{Path: name, Mode: fileMode(header.Mode), ModTime: representable(header.ModTime)}
	if !isID(header.Uid) || !isID(header.Gid) {
		return entry, fmt.Errorf("%w: owner %d:%d", ErrCorrupt, header.Uid, header.Gid)
	}
	entry.UID, entry.GID = uint32(header.Uid), uint32(header.Gid)
	var err error
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		entry.Size = header.Size
	case tar.TypeDir:
		entry.Mode |= fs.ModeDir
	case tar.TypeSymlink:
		entry.Mode, entry.Symlink = fs.ModeSymlink|fs.ModePerm, header.Linkname
	case tar.TypeLink:
		if entry.HardLink, err = cleanName(header.Linkname); err != nil {
			return entry, fmt.Errorf("link to %q: %w", header.Linkname, err)
		}
		if entry.HardLink == "." {
			return entry, fmt.Errorf("%w: link to the root", ErrCorrupt)
		}
	default:
		return entry, fmt.Errorf("%w: unknown type %q", ErrCorrupt, header.Typeflag)
	}
	return entry, nil
}

// whiteoutOf translates the name of a whiteout. Its type and content do not count.
func whiteoutOf(dir, base string) (vfs.Entry, error) {
	if base == opaqueName {
		return vfs.Entry{Path: dir, Whiteout: true, Opaque: true}, nil
	}
	if strings.HasPrefix(base, reservedPrefix) {
		return vfs.Entry{}, nil
	}
	gone := strings.TrimPrefix(base, whiteoutPrefix)
	if gone == "" || gone == "." || gone == ".." {
		return vfs.Entry{}, fmt.Errorf("%w: whiteout of nothing", ErrCorrupt)
	}
	return vfs.Entry{Path: path.Join(dir, gone), Whiteout: true}, nil
}

func isID(id int) bool { return id >= 0 && int64(id) <= math.MaxUint32 }

// representable returns the time if it fits in 64 bits of nanoseconds, else the epoch.
func representable(t time.Time) time.Time {
	if t.Before(time.Unix(0, math.MinInt64)) || t.After(time.Unix(0, math.MaxInt64)) {
		return time.Unix(0, 0)
	}
	return t
}

// boundedReader reads a layer's tar and fails where it grows out of proportion to what was read of its compressed form.
type boundedReader struct {
	tar        io.Reader
	compressed *countingReader
	limits     Limits
	n          int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.tar.Read(p)
	b.n += int64(n)
	if b.n > ratioFree && b.n/b.limits.Ratio > b.compressed.n.Load() {
		return 0, fmt.Errorf("layer unpacks to over %d times its size: %w", b.limits.Ratio, ErrTooLarge)
	}
	// Headers and padding are at most a few blocks for each file.
	if b.n/2 > b.limits.LayerBytes+b.limits.LayerFiles*1024 {
		return 0, fmt.Errorf("layer's tar: %w", ErrTooLarge)
	}
	return n, err
}
