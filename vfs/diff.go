package vfs

import (
	"io"
	"slices"
	"strings"
	"syscall"
)

// A Change is an entry of the layer that makes one tree of another.
type Change struct {
	Entry
	tree *FS
	ino  uint64
	open func() (io.ReadCloser, error) // nil: the contents are those of the inode
}

// NewChange makes a change of an entry that no tree shows: see Reserved. open
// gives its contents, of e.Size bytes, if it is a regular file.
func NewChange(e Entry, open func() (io.ReadCloser, error)) Change {
	return Change{Entry: e, open: open}
}

// Open returns the contents of a regular file, as they were when Diff was
// called; other entries have none (EINVAL).
func (c Change) Open() (io.ReadCloser, error) {
	if !c.Mode.IsRegular() || c.Whiteout || c.HardLink != "" || c.open == nil && c.tree == nil {
		return nil, pathError("open", c.Path, syscall.EINVAL)
	}
	if c.open != nil {
		return c.open()
	}
	c.tree.mu.Lock()
	defer c.tree.mu.Unlock()
	return c.tree.openSpot(spot{ino: c.ino}, c.Path, O_RDONLY)
}

// Diff returns what changed from one tree to another, so that a layer of the
// changes over the old tree shows the new one: names, types, modes, owners,
// modification times, contents, symlinks, and which names are links to one
// file. Mounts, access and change times, and files that are open without a name
// are no part of it.
//
// The order is parents first, names of a directory in byte order, and is the
// same for the same trees. Nothing unchanged is among it, except names that are
// linked anew to a file or no longer are: an image's layer cannot link to a file
// of another portably, so such a file is given again.
func Diff(old, new *FS) ([]Change, error) {
	// Forks stay as they are, and so do the contents that changes open.
	d := &differ{old: old.Fork(), new: new.Fork()}
	d.links.chosen, d.links.kept = map[uint64]uint64{}, map[uint64]bool{}
	d.links.first = map[uint64]string{}
	var err error
	if d.links.old, err = linkGroups(d.old); err != nil {
		return nil, err
	}
	if d.links.new, err = linkGroups(d.new); err != nil {
		return nil, err
	}
	if _, err := d.diffDir(".", rootIno, rootIno); err != nil {
		return nil, err
	}
	return d.changes, nil
}

type differ struct {
	old, new *FS
	changes  []Change
	links    linkDiff
}

// diffDir compares the directories at a path; old is 0 if there was none. It
// reports whether something in it, or the directory itself, shows through from
// the old tree.
func (d *differ) diffDir(p string, old, new uint64) (kept bool, err error) {
	if len(p) > MaxPath {
		return false, pathError("diff", p[:MaxPath], syscall.ENAMETOOLONG)
	}
	at := len(d.changes)
	same := false
	if old != 0 {
		if same, err = d.equal(old, new); err != nil {
			return false, err
		}
	}
	if !same {
		if err := d.add(p, new); err != nil {
			return false, err
		}
	}
	olds, news, err := d.entries(old, new)
	if err != nil {
		return false, err
	}
	hidden := 0
	for len(olds) > 0 || len(news) > 0 {
		var was, is *DirEntry
		if len(news) == 0 || len(olds) > 0 && olds[0].Name <= news[0].Name {
			was = &olds[0]
		}
		if len(olds) == 0 || len(news) > 0 && news[0].Name <= olds[0].Name {
			is = &news[0]
		}
		k := false
		if is == nil {
			hidden++
			err = d.addWhiteout(join(p, was.Name))
		} else {
			k, err = d.diffName(join(p, is.Name), was, is)
		}
		if err != nil {
			return false, err
		}
		kept = kept || k
		if was != nil {
			olds = olds[1:]
		}
		if is != nil {
			news = news[1:]
		}
	}
	if old != 0 && !kept && hidden > 0 {
		return false, d.makeOpaque(at, p, new, same)
	}
	return kept || same, nil
}

// entries returns the sorted names of the directories on both sides.
func (d *differ) entries(old, new uint64) (olds, news []DirEntry, err error) {
	if old != 0 {
		if olds, err = d.old.sortedNames(old); err != nil {
			return nil, nil, err
		}
	}
	news, err = d.new.sortedNames(new)
	return olds, news, err
}

func (f *FS) sortedNames(dir uint64) ([]DirEntry, error) {
	ents, err := f.readNames(dir, 0, 0)
	slices.SortFunc(ents, func(a, b DirEntry) int { return strings.Compare(a.Name, b.Name) })
	return ents, err
}

func join(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
}

// diffName compares what a name of the new tree stands for with what it stood
// for, if it did.
func (d *differ) diffName(p string, was, is *DirEntry) (kept bool, err error) {
	if is.Type.IsDir() {
		old := uint64(0)
		if was != nil && was.Type.IsDir() {
			old = was.Ino
		}
		return d.diffDir(p, old, is.Ino)
	}
	if first, ok := d.links.first[is.Ino]; ok {
		return false, d.addEntry(Change{Entry: Entry{Path: p, HardLink: first}})
	}
	if was != nil {
		if kept, err = d.keeps(was, is); kept || err != nil {
			return kept, err
		}
	}
	if len(d.links.new[is.Ino]) > 1 {
		d.links.first[is.Ino] = p
	}
	return false, d.add(p, is.Ino)
}

// makeOpaque replaces the whiteouts in a directory of which nothing old is left
// by one mark on the directory.
func (d *differ) makeOpaque(at int, p string, ino uint64, same bool) error {
	changes := slices.Clone(d.changes[at:])
	d.changes = d.changes[:at]
	if same {
		if err := d.add(p, ino); err != nil {
			return err
		}
	} else {
		d.changes, changes = append(d.changes, changes[0]), changes[1:]
	}
	d.changes[at].Opaque = true
	for _, c := range changes {
		if !c.Whiteout {
			c.Opaque = false
			d.changes = append(d.changes, c)
		}
	}
	return nil
}

func (d *differ) addWhiteout(p string) error {
	return d.addEntry(Change{Entry: Entry{Path: p, Whiteout: true}})
}

// add gives a file of the new tree in full.
func (d *differ) add(p string, ino uint64) error {
	n, err := d.new.view(ino)
	if err != nil {
		return pathError("diff", p, err)
	}
	e := Entry{
		Path: p, Mode: n.mode, UID: n.uid, GID: n.gid, ModTime: n.mtime.time(),
		Symlink: n.target, Rdev: n.rdev,
	}
	if n.data != nil {
		e.Size = n.data.size
	}
	return d.addEntry(Change{Entry: e, tree: d.new, ino: ino})
}

func (d *differ) addEntry(c Change) error {
	if len(c.Path) > MaxPath {
		return pathError("diff", c.Path[:MaxPath], syscall.ENAMETOOLONG)
	}
	d.changes = append(d.changes, c)
	return nil
}

// equal reports whether a file of the old tree and one of the new are the same
// but for their names and what is in a directory.
func (d *differ) equal(old, new uint64) (bool, error) {
	if old == new && d.old.lower == d.new.lower && d.old.upper(old) == d.new.upper(new) {
		return true, nil
	}
	a, err := d.old.view(old)
	if err != nil {
		return false, err
	}
	b, err := d.new.view(new)
	if err != nil {
		return false, err
	}
	if a.mode != b.mode || a.uid != b.uid || a.gid != b.gid || a.mtime != b.mtime ||
		a.rdev != b.rdev || a.target != b.target {
		return false, nil
	}
	return a.data == nil || a.data.equal(b.data), nil
}

// view returns an inode to read, without making the tree hold it.
func (f *FS) view(ino uint64) (*inode, error) {
	if n := f.upper(ino); n != nil {
		return n, nil
	}
	return f.fromLayer(ino)
}

// linkDiff decides which names that share a file must be given again.
type linkDiff struct {
	old, new map[uint64][]string // paths of the inodes with several
	chosen   map[uint64]uint64   // by inode of the old tree: the new one that keeps its names
	kept     map[uint64]bool     // by inode of the new tree
	first    map[uint64]string   // path by which an inode with several was given
}

// keeps reports whether a file that is no directory shows through from the old
// tree. The names of an old file that are not given again stay linked to each
// other; so they must be all the names of one new file, and only of one.
func (d *differ) keeps(was, is *DirEntry) (bool, error) {
	if was.Type != is.Type {
		return false, nil
	}
	olds, news := d.links.old[was.Ino], d.links.new[is.Ino]
	if len(olds) <= 1 && len(news) <= 1 {
		return d.equal(was.Ino, is.Ino)
	}
	if kept, ok := d.links.kept[is.Ino]; ok {
		return kept, nil
	}
	kept, err := d.equal(was.Ino, is.Ino)
	if err != nil {
		return false, err
	}
	for _, p := range news {
		kept = kept && (len(news) <= 1 || slices.Contains(olds, p))
	}
	if _, taken := d.links.chosen[was.Ino]; taken {
		kept = false
	}
	if kept {
		d.links.chosen[was.Ino] = is.Ino
	}
	d.links.kept[is.Ino] = kept
	return kept, nil
}

// linkGroups returns the paths of every file that has several.
func linkGroups(f *FS) (map[uint64][]string, error) {
	groups := map[uint64][]string{}
	if !f.mayHaveLinks() {
		return groups, nil
	}
	err := f.eachPath(".", rootIno, func(p string, e *DirEntry) error {
		nlink, err := f.nlinkOf(e.Ino)
		if nlink > 1 {
			groups[e.Ino] = append(groups[e.Ino], p)
		}
		return err
	})
	return groups, err
}

// mayHaveLinks reports whether any file can have several names, cheaply.
func (f *FS) mayHaveLinks() bool {
	for _, l := range f.lower.layers {
		if l.links > 0 || l.borrowed > 0 {
			return true
		}
	}
	linked := false
	f.inodes.all(func(_ uint64, n *inode) bool {
		linked = n.nlink > 1
		return !linked
	})
	return linked
}

func (f *FS) nlinkOf(ino uint64) (uint32, error) {
	if n := f.upper(ino); n != nil {
		return n.nlink, nil
	}
	return f.lower.nlink(ino)
}

// eachPath calls do for everything beneath a directory that is none itself.
func (f *FS) eachPath(p string, dir uint64, do func(p string, e *DirEntry) error) error {
	if len(p) > MaxPath {
		return pathError("diff", p[:MaxPath], syscall.ENAMETOOLONG)
	}
	ents, err := f.readNames(dir, 0, 0)
	if err != nil {
		return pathError("diff", p, err)
	}
	for i := range ents {
		e := &ents[i]
		if e.Type.IsDir() {
			err = f.eachPath(join(p, e.Name), e.Ino, do)
		} else {
			err = do(join(p, e.Name), e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
