package coreutils

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"boxer.dev/vfs"
)

// extractor writes the members of an archive under a directory and nowhere else: names are made relative first
// (safeName), and every step is relative to an open handle of the directory, which no "..", no absolute name and no
// symlink, be it in the archive or there before, leads out of. Symlinks of the archive that are absolute or hold ".." are
// made last, as GNU tar does, so that no later member is written through them.
type extractor struct {
	*tarCommand
	dir      string // where to
	root     *vfs.File
	links    []delayedLink
	dirs     []delayedDir
	keepMode bool
}

type delayedLink struct {
	name, target string
	h            *tar.Header
}

type delayedDir struct {
	name string
	h    *tar.Header
}

func newExtractor(t *tarCommand, dir string) *extractor {
	x := &extractor{tarCommand: t, dir: dir, keepMode: t.UID == 0}
	if _, ok := t.o["p"]; ok {
		x.keepMode = true
	}
	if _, ok := t.o["no-same-permissions"]; ok {
		x.keepMode = false
	}
	return x
}

// openRoot opens the destination at the first member.
func (x *extractor) openRoot() error {
	if x.root != nil {
		return nil
	}
	dir := x.dir
	if top, ok := x.o["one-top-level"]; ok {
		if top == "" {
			top, _, _ = strings.Cut(base(x.o["f"]), ".tar")
		}
		dir = join(dir, top)
		if err := (dirMaker{c: x.call}).all(dir, fs.ModeDir|0o777&^x.umask()); err != nil {
			return err
		}
	}
	resolved, err := x.realpath(dir, 0)
	if err != nil {
		return err
	}
	x.root, err = x.FS.Open(resolved, vfs.O_RDONLY|vfs.O_DIRECTORY, 0)
	return err
}

func (x *extractor) member(h *tar.Header, r io.Reader) {
	name := x.safeName(h.Name, "member names")
	if name = x.rename(name); name == "" {
		return
	}
	if x.verbose > 0 {
		x.list(h, h.Name, x.verbose > 1)
	}
	if _, ok := x.o["O"]; ok {
		if h.Typeflag == tar.TypeReg {
			x.copyOut(r)
		}
		return
	}
	if err := x.openRoot(); err != nil {
		x.errorf("%s: Cannot open: %s", name, errText(err))
		return
	}
	if err := x.extract(name, h, r); err != nil && !errors.Is(err, errSkip) {
		x.errorf("%s: Cannot open: %s", name, errText(err))
	}
}

var errSkip = errors.New("kept")

func (x *extractor) extract(name string, h *tar.Header, r io.Reader) error {
	name = trimSlashes(name)
	if name != "." {
		if err := x.parents(name); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return x.directory(name, h)
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		if err := x.clear(name); err != nil {
			return err
		}
		return x.file(name, h, r)
	case tar.TypeSymlink:
		if err := x.clear(name); err != nil {
			return err
		}
		if safeTarget(h.Linkname) {
			if err := x.root.SymlinkAt(h.Linkname, name, x.confined()); err != nil {
				return err
			}
			return x.attributes(name, h)
		}
		// An empty file holds the place until the end.
		if err := x.file(name, &tar.Header{Mode: 0}, strings.NewReader("")); err != nil {
			return err
		}
		x.links = append(x.links, delayedLink{name, h.Linkname, h})
		return nil
	case tar.TypeLink:
		return x.hardLink(name, h)
	}
	x.warnOnce("%s: special files are not extracted", name)
	return nil
}

// safeTarget reports whether a symlink stays where it is: relative, without "..".
func safeTarget(target string) bool {
	return !strings.HasPrefix(target, "/") && !slices.Contains(strings.Split(target, "/"), "..")
}

// confined is how every lookup happens: beneath the destination. With -P the names count as they are.
func (x *extractor) confined() vfs.At {
	if x.absolute {
		return 0
	}
	return vfs.AtBeneath
}

// parents makes the directories above name. A symlink among them is followed only beneath the destination.
func (x *extractor) parents(name string) error {
	for i := 1; i < len(name); i++ {
		if name[i] != '/' {
			continue
		}
		dir := name[:i]
		st, err := x.root.StatAt(dir, x.confined())
		switch {
		case err == nil && st.IsDir():
			continue
		case err == nil:
			return &fs.PathError{Op: "mkdir", Path: dir, Err: errNotDir}
		case !isNotExist(err):
			return err
		}
		if err := x.root.MkdirAt(dir, fs.ModeDir|0o777&^x.umask(), x.confined()); err != nil {
			return err
		}
	}
	return nil
}

// clear removes what is in the way of a member.
func (x *extractor) clear(name string) error {
	st, err := x.root.StatAt(name, x.confined()|vfs.AtNoFollow)
	if err != nil {
		if isNotExist(err) {
			return nil
		}
		return err
	}
	if _, ok := x.o["k"]; ok {
		return &fs.PathError{Op: "open", Path: name, Err: errExists}
	}
	if _, ok := x.o["skip-old-files"]; ok {
		return errSkip
	}
	if st.IsDir() {
		return x.root.RmdirAt(name, x.confined())
	}
	return x.root.UnlinkAt(name, x.confined())
}

func (x *extractor) directory(name string, h *tar.Header) error {
	st, err := x.root.StatAt(name, x.confined()|vfs.AtNoFollow)
	if err == nil && isSymlink(st.Mode) && name != "." {
		if err := x.clear(name); err != nil {
			return err
		}
		st, err = x.root.StatAt(name, x.confined()|vfs.AtNoFollow)
	}
	switch {
	case err != nil && isNotExist(err):
		if err := x.root.MkdirAt(name, fs.ModeDir|0o700, x.confined()); err != nil {
			return err
		}
	case err != nil:
		return err
	case !st.IsDir():
		return &fs.PathError{Op: "mkdir", Path: name, Err: errExists}
	case name == ".":
		return nil
	}
	x.dirs = append(x.dirs, delayedDir{name, h})
	return nil
}

func (x *extractor) file(name string, h *tar.Header, r io.Reader) error {
	const flag = vfs.O_WRONLY | vfs.O_CREATE | vfs.O_EXCL | vfs.O_NOFOLLOW
	f, err := x.root.OpenAt(name, flag, 0o600, x.confined())
	if err != nil {
		return err
	}
	err = copyData(f, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return x.attributes(name, h)
}

func (x *extractor) hardLink(name string, h *tar.Header) error {
	target := x.rename(x.safeName(h.Linkname, "hard link targets"))
	if target == "" {
		return nil
	}
	if err := x.clear(name); err != nil {
		return err
	}
	for _, l := range x.links {
		if l.name == trimSlashes(target) { // a hard link to a symlink that is still to be made
			x.links = append(x.links, delayedLink{name, l.target, l.h})
			return x.file(name, &tar.Header{Mode: 0}, strings.NewReader(""))
		}
	}
	return x.root.LinkAt(trimSlashes(target), x.root, name, x.confined()|vfs.AtNoFollow)
}

// attributes gives a file mode, owner (for root) and time.
func (x *extractor) attributes(name string, h *tar.Header) error {
	at := x.confined() | vfs.AtNoFollow
	if err := x.chown(name, h); err != nil {
		return err
	}
	mode := fileMode(uint32(h.Mode) & 0o7777)
	if !x.keepMode {
		mode = mode.Perm() &^ x.umask()
	}
	if h.Typeflag != tar.TypeSymlink {
		if err := x.root.ChmodAt(name, mode, at); err != nil {
			return err
		}
	}
	if _, touch := x.o["m"]; touch || h.ModTime.IsZero() {
		return nil
	}
	return x.root.ChtimesAt(name, laterThanEpoch(h.AccessTime, h.ModTime), h.ModTime, at)
}

func laterThanEpoch(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}

func (x *extractor) chown(name string, h *tar.Header) error {
	uid, gid := int(x.UID), int(x.GID)
	_, no := x.o["no-same-owner"]
	_, o := x.o["o"]
	if x.UID == 0 && !no && !o {
		uid, gid = h.Uid, h.Gid
		if a, ok := accountNamed(x.users(), h.Uname); ok && h.Uname != "" {
			uid = int(a.uid)
		}
		if a, ok := accountNamed(x.groups(), h.Gname); ok && h.Gname != "" {
			gid = int(a.gid)
		}
	}
	return x.root.ChownAt(name, uid, gid, x.confined()|vfs.AtNoFollow)
}

// finish makes the symlinks, then gives directories their attributes, the deepest first.
func (x *extractor) finish() {
	for _, l := range x.links {
		err := x.root.UnlinkAt(l.name, x.confined())
		if err == nil {
			err = x.root.SymlinkAt(l.target, l.name, x.confined())
		}
		if err == nil {
			err = x.attributes(l.name, l.h)
		}
		if err != nil && !isNotExist(err) {
			x.errorf("%s: Cannot create symlink: %s", l.name, errText(err))
		}
	}
	for i := len(x.dirs) - 1; i >= 0; i-- {
		if err := x.attributes(x.dirs[i].name, x.dirs[i].h); err != nil && !isNotExist(err) {
			x.errorf("%s: Cannot change mode: %s", x.dirs[i].name, errText(err))
		}
	}
	if x.root != nil {
		x.root.Close()
	}
}
