package wasi

import "testing"

// What programs in the field look for before they use a directory.
func TestRightsOfPreopenedDirectory(t *testing.T) {
	g := newGuest(t, &Process{})
	st := g.fdstat(root)
	const needed = rightPathCreateDirectory | rightPathCreateFile | rightPathLinkSource | rightPathLinkTarget |
		rightPathOpen | rightFdReaddir | rightPathReadlink | rightPathRenameSource | rightPathRenameTarget |
		rightPathSymlink | rightPathRemoveDirectory | rightPathUnlinkFile | rightPathFilestatGet |
		rightPathFilestatSetTimes | rightFdFilestatGet | rightFdFilestatSetTimes
	const inherited = needed | rightFdDatasync | rightFdRead | rightFdSeek | rightFdFdstatSetFlags | rightFdSync |
		rightFdTell | rightFdWrite | rightFdAdvise | rightFdAllocate | rightFdFilestatSetSize | rightPollFdReadwrite
	if lacking := needed &^ st.base; lacking != 0 {
		t.Errorf("base lacks %b", lacking)
	}
	if lacking := inherited &^ st.inheriting; lacking != 0 {
		t.Errorf("inheriting lacks %b", lacking)
	}
	if st.base&rightFdFilestatSetSize != 0 {
		t.Error("a directory has the right to set its size")
	}
	// What it has can be asked for.
	fd := g.open(root, ".", open{rights: st.base, oflags: oflagDirectory})
	if got := g.fdstat(fd); got != st {
		t.Errorf("fdstat of the same directory: %+v, want %+v", got, st)
	}
}

func TestRightsCanOnlyBeGivenUp(t *testing.T) {
	g := newGuest(t, &Process{})
	fd := g.open(root, "f", open{oflags: oflagCreate})
	g.write(fd, "data")
	g.seek(fd, 0, 0)
	st := g.fdstat(fd)
	g.ok("fd_fdstat_set_rights", fd, uint64(st.base), uint64(st.inheriting))
	g.ok("fd_fdstat_set_rights", fd, uint64(st.base&^(rightFdRead|rightFdWrite)), uint64(st.inheriting))
	if got := g.fdstat(fd).base; got != st.base&^(rightFdRead|rightFdWrite) {
		t.Errorf("rights %b", got)
	}
	iovs, n, _ := g.iovec(4)
	out := g.alloc(8)
	g.fails(errnoBadf, "fd_read", fd, iovs, n, out)
	g.fails(errnoBadf, "fd_write", fd, iovs, n, out)
	g.fails(errnoNotcapable, "fd_fdstat_set_rights", fd, uint64(st.base), uint64(st.inheriting))
	g.fails(errnoNotcapable, "fd_fdstat_set_rights", fd, 0, uint64(rightFdRead))

	g.ok("fd_fdstat_set_rights", fd, 0, 0)
	g.fails(errnoNotcapable, "fd_seek", fd, 0, 0, out)
	g.fails(errnoNotcapable, "fd_tell", fd, out)
	g.fails(errnoNotcapable, "fd_sync", fd)
	g.fails(errnoNotcapable, "fd_filestat_get", fd, g.alloc(filestatSize))
	g.fails(errnoNotcapable, "fd_fdstat_set_flags", fd, 0)
	g.ok("fd_close", fd)
}

func TestTruncatingNeedsTheRight(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "f", "data")
		dir := g.open(root, ".", open{oflags: oflagDirectory, none: true})
		st := g.fdstat(dir)
		truncate := open{oflags: oflagTruncate, none: true}
		g.ok("fd_close", g.open(dir, "f", truncate))
		if size := g.statPath(root, 0, "f").size; size != 0 {
			t.Errorf("size %d after truncation without access to the contents", size)
		}
		st.inheriting &^= rightFdFilestatSetSize
		g.ok("fd_fdstat_set_rights", dir, uint64(st.base), uint64(st.inheriting))
		g.ok("fd_close", g.open(dir, "f", truncate))
		st.base &^= rightPathFilestatSetSize
		g.ok("fd_fdstat_set_rights", dir, uint64(st.base), uint64(st.inheriting))
		g.openFails(errnoNotcapable, dir, "f", truncate)
	})
}

func TestRightsArePassedOnAsNarrowed(t *testing.T) {
	g := newGuest(t, &Process{})
	g.file(root, "d", "")
	g.path1(0, "path_unlink_file", root, "d")
	g.directory(root, "d")
	g.file(root, "d/f", "x")
	g.ok("fd_fdstat_set_rights", root, uint64(directoryRights), uint64(inheritedRights&^(rightFdWrite|rightPathUnlinkFile)))

	dir := g.open(root, "d", open{oflags: oflagDirectory, none: true})
	g.openFails(errnoNotcapable, dir, "f", open{})
	g.path1(errnoNotcapable, "path_unlink_file", dir, "f")
	fd := g.open(dir, "f", open{rights: rightFdRead})
	if got := g.fdstat(fd).base & rightFdWrite; got != 0 {
		t.Error("the right to write came back")
	}
}
