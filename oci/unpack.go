package oci

import (
	"archive/tar"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
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

// unpacker turns a layer's tar into entries of an opened layer.
//
// A tar is a script: entries replace each other, go through symlinks, name files before their directories. What a script
// did would depend on who runs it, so an unpacker accepts only what has one meaning. Regular files are written as they
// come, since their content streams; all else is collected, and written when the tar has ended and whiteouts, opaque
// directories and replaced entries are known.
//
// Where a tar and an opened layer differ in what they can say:
//   - Names are taken from the root, whether they start with "/", "./" or neither. One with ".." is refused.
//   - Whiteouts concern the layers beneath, wherever in the tar they stand. One for a directory of the same layer makes it
//     opaque.
//   - A name beneath a symlink or a file of the same layer is refused.
//   - A hard link has to follow what it links to, or to link to a file of the layers beneath.
//   - Devices and named pipes are left out: a box's /dev is mounted, and none of the host's is ever in a box.
//   - Extended attributes and names of users and groups are left out: boxes know numbers only.
type unpacker struct {
	out    layerSink
	limits Limits
	nodes  map[string]*node
	bytes  int64
}

// layerSink is the part of vfs.LayerWriter that an unpacker uses. The last entry added for a path counts.
type layerSink interface {
	Add(vfs.Entry, io.Reader) error
}

// node is what is known of a path.
type node struct {
	entry    vfs.Entry
	exists   bool // the path is there, not just whited out
	explicit bool // it has an entry, not just children
	linked   bool // it has further names
	borrowed bool // it is of a layer beneath, and has a further name in this one
	parent   bool // it has children
	whiteout bool
	opaque   bool
}

func unpack(r io.Reader, out layerSink, limits Limits) error {
	u := &unpacker{out: out, limits: limits.withDefaults(), nodes: map[string]*node{}}
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
	return u.finish()
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
	if base := path.Base(name); strings.HasPrefix(base, whiteoutPrefix) {
		return u.whiteout(path.Dir(name), base)
	}
	entry, err := entryOf(name, header)
	if err != nil {
		return err
	}
	if header.Typeflag == tar.TypeLink {
		if err := u.link(&entry, header.Linkname); err != nil {
			return err
		}
	}
	if err := u.place(entry); err != nil {
		return err
	}
	if !entry.Mode.IsRegular() || entry.HardLink != "" {
		return nil
	}
	if u.bytes += entry.Size; u.bytes > u.limits.LayerBytes || u.bytes < 0 {
		return fmt.Errorf("%w of %d bytes in a layer's files", ErrTooLarge, u.limits.LayerBytes)
	}
	return u.out.Add(entry, content)
}

// cleanName makes a name in a tar relative to the root and clean.
func cleanName(name string) (string, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("%w: NUL in name", ErrCorrupt)
	}
	components := strings.Split(name, "/")
	for i, component := range components {
		switch {
		case component == "..":
			return "", fmt.Errorf("%w: name leads out of its directory", ErrCorrupt)
		case len(component) > vfs.MaxName:
			return "", fmt.Errorf("%w: name is too long", ErrCorrupt)
		case strings.HasPrefix(component, whiteoutPrefix) && i < len(components)-1 && strings.Trim(strings.Join(components[i+1:], ""), ".") != "":
			return "", fmt.Errorf("%w: whiteout has children", ErrCorrupt)
		}
	}
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if clean == "" || clean == "/" {
		clean = "."
	}
	if len(clean) > vfs.MaxPath {
		return "", fmt.Errorf("%w: name is too long", ErrCorrupt)
	}
	return clean, nil
}

func (u *unpacker) whiteout(dir, base string) error {
	if base == opaqueName {
		parent, err := u.directory(dir)
		if err != nil {
			return err
		}
		parent.opaque = true
		return nil
	}
	if strings.HasPrefix(base, reservedPrefix) {
		return nil
	}
	gone := strings.TrimPrefix(base, whiteoutPrefix)
	if gone == "" || gone == "." || gone == ".." {
		return fmt.Errorf("%w: whiteout of nothing", ErrCorrupt)
	}
	if _, err := u.directory(dir); err != nil {
		return err
	}
	n, err := u.node(path.Join(dir, gone))
	if err != nil {
		return err
	}
	n.whiteout = true
	return nil
}

// entryOf translates a header, but for what a hard link refers to.
func entryOf(name string, header *tar.Header) (vfs.Entry, error) {
	entry := vfs.Entry{Path: name, Mode: fileMode(header.Mode), ModTime: representable(header.ModTime)}
	if !isID(header.Uid) || !isID(header.Gid) {
		return entry, fmt.Errorf("%w: owner %d:%d", ErrCorrupt, header.Uid, header.Gid)
	}
	entry.UID, entry.GID = uint32(header.Uid), uint32(header.Gid)
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse, tar.TypeLink:
		entry.Size = header.Size
		if entry.Size < 0 || entry.Size > vfs.MaxFileSize {
			return entry, fmt.Errorf("file of %d bytes: %w", entry.Size, ErrTooLarge)
		}
	case tar.TypeDir:
		entry.Mode |= fs.ModeDir
	case tar.TypeSymlink:
		entry.Mode = fs.ModeSymlink | fs.ModePerm
		entry.Symlink = header.Linkname
		if entry.Symlink == "" || len(entry.Symlink) > vfs.MaxPath || strings.IndexByte(entry.Symlink, 0) >= 0 {
			return entry, fmt.Errorf("%w: invalid symlink", ErrCorrupt)
		}
	default:
		return entry, fmt.Errorf("%w: unknown type %q", ErrCorrupt, header.Typeflag)
	}
	if name == "." && !entry.Mode.IsDir() {
		return entry, fmt.Errorf("%w: the root is no directory", ErrCorrupt)
	}
	return entry, nil
}

func isID(id int) bool { return id >= 0 && int64(id) <= math.MaxUint32 }

// representable returns the time if it fits in 64 bits of nanoseconds, else the epoch.
func representable(t time.Time) time.Time {
	if t.Before(time.Unix(0, math.MinInt64)) || t.After(time.Unix(0, math.MaxInt64)) {
		return time.Unix(0, 0)
	}
	return t
}

// link makes entry a further name of what target names.
func (u *unpacker) link(entry *vfs.Entry, target string) error {
	name, err := cleanName(target)
	if err != nil {
		return fmt.Errorf("link to %q: %w", target, err)
	}
	if name == entry.Path || name == "." {
		return fmt.Errorf("%w: link to %q", ErrCorrupt, target)
	}
	n, err := u.node(name)
	if err != nil {
		return err
	}
	if !n.exists {
		n.borrowed = true
		entry.HardLink = name
		return nil
	}
	if n.entry.Mode.IsDir() {
		return fmt.Errorf("%w: link to the directory %q", ErrCorrupt, target)
	}
	if first := n.entry.HardLink; first != "" {
		name, n = first, u.nodes[first]
	}
	if name == entry.Path {
		return fmt.Errorf("%w: link to itself", ErrCorrupt)
	}
	n.linked = true
	entry.HardLink, entry.Mode, entry.Size, entry.Symlink = name, n.entry.Mode, n.entry.Size, n.entry.Symlink
	return nil
}

// place records an entry and makes sure that it contradicts no other.
func (u *unpacker) place(entry vfs.Entry) error {
	if entry.Path != "." {
		parent, err := u.directory(path.Dir(entry.Path))
		if err != nil {
			return err
		}
		parent.parent = true
	}
	n, err := u.node(entry.Path)
	if err != nil {
		return err
	}
	if n.borrowed {
		return fmt.Errorf("%w: comes after a link to it", ErrCorrupt)
	}
	if n.linked {
		return fmt.Errorf("%w: replaces a file that has further names", ErrCorrupt)
	}
	if n.parent && !entry.Mode.IsDir() {
		return fmt.Errorf("%w: replaces a directory that has files", ErrCorrupt)
	}
	n.entry, n.exists, n.explicit = entry, true, true
	return nil
}

// directory makes sure that a path can have children.
func (u *unpacker) directory(name string) (*node, error) {
	n, err := u.node(name)
	if err != nil {
		return nil, err
	}
	if n.exists {
		if !n.entry.Mode.IsDir() {
			return nil, fmt.Errorf("%w: %q is no directory but a %s", ErrCorrupt, name, n.entry.Mode.Type())
		}
		return n, nil
	}
	if n.borrowed {
		return nil, fmt.Errorf("%w: %q is no directory, a link to it came before", ErrCorrupt, name)
	}
	if name != "." {
		parent, err := u.directory(path.Dir(name))
		if err != nil {
			return nil, err
		}
		parent.parent = true
	}
	n.exists = true
	n.entry = vfs.Entry{Path: name, Mode: fs.ModeDir | 0o755}
	return n, nil
}

func (u *unpacker) node(name string) (*node, error) {
	n := u.nodes[name]
	if n == nil {
		if int64(len(u.nodes)) >= u.limits.LayerFiles {
			return nil, fmt.Errorf("%w of %d files in a layer", ErrTooLarge, u.limits.LayerFiles)
		}
		n = &node{}
		u.nodes[name] = n
	}
	return n, nil
}

// finish writes everything but the content of files.
func (u *unpacker) finish() error {
	var links []vfs.Entry
	for _, name := range slices.Sorted(maps.Keys(u.nodes)) {
		n := u.nodes[name]
		entry := n.entry
		switch {
		case !n.exists && n.whiteout:
			entry = vfs.Entry{Path: name, Whiteout: true}
		case !n.exists:
			continue
		case entry.Mode.IsDir():
			entry.Opaque = n.opaque || n.whiteout
			if !n.explicit && !entry.Opaque {
				continue // its attributes are those that the layers beneath give it
			}
		case entry.HardLink != "":
			links = append(links, entry)
			continue
		case entry.Mode.IsRegular():
			continue
		}
		if err := u.out.Add(entry, nil); err != nil {
			return fmt.Errorf("entry %q: %w", name, err)
		}
	}
	for _, entry := range links {
		if err := u.out.Add(entry, nil); err != nil {
			return fmt.Errorf("entry %q: %w", entry.Path, err)
		}
	}
	return nil
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
