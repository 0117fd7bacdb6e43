package oci

import (
	"archive/tar"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"math"
	"path"
	"strings"
	"time"

	"boxer.dev/vfs"
)

// unpacker turns a layer's tar into entries of an opened layer. What entries do to each other, in whatever order they come,
// is vfs.LayerWriter's affair; nothing they say can lead out of the layer.
//
// Where a tar and an opened layer differ in what they can say:
//   - Names are taken from the root, whether they start with "/", "./" or neither. One with ".." is refused.
//   - Devices and named pipes are left out: a box's /dev is mounted, and none of the host's is ever in a box.
//   - Extended attributes and names of users and groups are left out: boxes know numbers only.
type unpacker struct {
	out    layerSink
	budget *budget
	dirs   map[uint64]bool // hashes of those known to be there: paths would take much more memory
	seed   maphash.Seed
}

// layerSink is what an unpacker needs of a vfs.LayerWriter.
type layerSink interface {
	Add(vfs.Entry, io.Reader) error
}

func unpack(r io.Reader, out layerSink, b *budget) error {
	u := &unpacker{out: out, budget: b, dirs: map[uint64]bool{}, seed: maphash.MakeSeed()}
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
	files := int64(1 + strings.Count(entry.Symlink, "/") + len(entry.Symlink)/64)
	for dir := path.Dir(entry.Path); dir != "."; dir = path.Dir(dir) {
		hash := maphash.String(u.seed, dir)
		if u.dirs[hash] {
			break
		}
		u.dirs[hash] = true
		files++
	}
	return u.budget.spend(entry.Size, files)
}

// cleanName makes a name in a tar relative to the root and clean.
func cleanName(name string) (string, error) {
	if len(name) > 2*vfs.MaxPath {
		return "", fmt.Errorf("%w: name of %d bytes", ErrCorrupt, len(name))
	}
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
