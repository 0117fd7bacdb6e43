package wasi

import (
	"strings"
	"testing"
	"time"

	"boxer.dev/vfs"
)

func TestDirectoryIsNoFile(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		fd := g.open(root, ".", open{rights: rightFdRead | rightFdSeek, oflags: oflagDirectory})
		iovs, n, _ := g.iovec(16)
		out := g.alloc(8)
		g.fails(errnoIsdir, "fd_read", fd, iovs, n, out)
		g.fails(errnoIsdir, "fd_pread", fd, iovs, n, 0, out)
		g.fails(errnoIsdir, "fd_write", fd, iovs, n, out)
		g.fails(errnoIsdir, "fd_pwrite", fd, iovs, n, 0, out)
		for whence := range uint64(3) {
			g.fails(errnoIsdir, "fd_seek", fd, 0, whence, out)
		}
		g.fails(errnoIsdir, "fd_tell", fd, out)
		g.fails(errnoIsdir, "fd_allocate", fd, 0, 1)
		g.fails(errnoIsdir, "fd_filestat_set_size", fd, 0)
		if st := g.fdstat(fd); st.filetype != filetypeDirectory || st.base&rightFdSeek != 0 || st.flags != 0 {
			t.Errorf("fdstat of a directory: %+v", st)
		}
	})
}

func TestStreamIsNoFile(t *testing.T) {
	g := newGuest(t, &Process{})
	iovs, n, _ := g.iovec(16)
	out := g.alloc(8)
	for fd := range uint64(3) {
		g.fails(errnoSpipe, "fd_seek", fd, 0, 0, out)
		g.fails(errnoSpipe, "fd_tell", fd, out)
		g.fails(errnoSpipe, "fd_advise", fd, 0, 0, 0)
		g.fails(errnoSpipe, "fd_allocate", fd, 0, 1)
		g.fails(errnoInval, "fd_filestat_set_size", fd, 1)
		g.fails(errnoNotdir, "fd_readdir", fd, out, 0, 0, out)
		g.ok("fd_sync", fd)
		g.ok("fd_datasync", fd)
	}
	g.fails(errnoSpipe, "fd_pread", 0, iovs, n, 0, out)
	g.fails(errnoSpipe, "fd_pwrite", 1, iovs, n, 0, out)
	g.fails(errnoBadf, "fd_read", 1, iovs, n, out)
	g.fails(errnoBadf, "fd_write", 0, iovs, n, out)
}

func TestSeekAndTell(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		fd := g.open(root, "f", open{oflags: oflagCreate})
		out := g.alloc(8)
		g.write(fd, string(make([]byte, 100)))
		g.ok("fd_tell", fd, out)
		if got := g.u64(out); got != 100 {
			t.Errorf("offset after writing: %d", got)
		}
		for _, c := range []struct {
			offset int64
			whence uint64
			want   uint64
		}{{-50, 1, 50}, {0, 0, 0}, {-1, 2, 99}, {1000, 2, 1100}} {
			if got := g.seek(fd, c.offset, c.whence); got != c.want {
				t.Errorf("seek %d from %d: %d, want %d", c.offset, c.whence, got, c.want)
			}
		}
		putU64(g.bytes(out, 8), 0, 7)
		g.fails(errnoInval, "fd_seek", fd, negative(2000), 1, out)
		g.fails(errnoInval, "fd_seek", fd, 0, 3, out)
		g.fails(errnoInval, "fd_seek", fd, 1<<63, 0, out)
		if got := g.u64(out); got != 7 {
			t.Errorf("a failed seek wrote %d", got)
		}
		g.seek(fd, 0, 0)
		if got := len(g.read(fd, 200)); got != 100 {
			t.Errorf("read %d bytes", got)
		}
		if got := g.seek(fd, 0, 1); got != 100 {
			t.Errorf("offset after reading: %d", got)
		}
	})
}

func negative(n int64) uint64 { return uint64(-n) }

func TestAppend(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		fd := g.open(root, "f", open{oflags: oflagCreate, fdflags: fdflagAppend | fdflagSync})
		if got := g.fdstat(fd).flags; got != fdflagAppend|fdflagSync {
			t.Errorf("flags %b", got)
		}
		g.write(fd, "aa")
		g.seek(fd, 0, 0)
		g.write(fd, "bb")
		if got := g.seek(fd, 0, 1); got != 4 {
			t.Errorf("offset after appending: %d", got)
		}
		g.ok("fd_fdstat_set_flags", fd, 0)
		g.seek(fd, 0, 0)
		g.write(fd, "c")
		g.seek(fd, 0, 0)
		if got := g.read(fd, 9); got != "cabb" {
			t.Errorf("contents %q", got)
		}
		g.fails(errnoInval, "fd_fdstat_set_flags", fd, 1<<5)
	})
}

func TestPositionedTransfers(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		fd := g.open(root, "f", open{oflags: oflagCreate})
		out := g.alloc(4)
		iovs, n := g.ciovec("ab", "", "cd")
		g.ok("fd_pwrite", fd, iovs, n, 1, out)
		if g.u32(out) != 4 || g.stat(fd).size != 5 {
			t.Errorf("wrote %d, size %d", g.u32(out), g.stat(fd).size)
		}
		iovs, n, buffers := g.iovec(1, 0, 2, 9)
		g.ok("fd_pread", fd, iovs, n, 1, out)
		if got := string(g.bytes(buffers[0], 1)) + string(g.bytes(buffers[2], 2)) + string(g.bytes(buffers[3], 1)); got != "abcd" || g.u32(out) != 4 {
			t.Errorf("read %q, %d bytes", got, g.u32(out))
		}
		if got := g.seek(fd, 0, 1); got != 0 {
			t.Errorf("the offset moved to %d", got)
		}
		for _, offset := range []uint64{1 << 62, 1<<63 - 1} {
			g.ok("fd_pread", fd, iovs, n, offset, out)
			if g.u32(out) != 0 {
				t.Errorf("read %d bytes at %d", g.u32(out), offset)
			}
			g.fails(errnoFbig, "fd_pwrite", fd, iovs, n, offset, out)
		}
		g.fails(errnoInval, "fd_pread", fd, iovs, n, 1<<63, out)
		g.fails(errnoInval, "fd_pwrite", fd, iovs, n, 1<<63, out)
	})
}

func TestSizes(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		fd := g.open(root, "f", open{oflags: oflagCreate})
		size := func(want uint64) {
			t.Helper()
			if got := g.stat(fd).size; got != want {
				t.Errorf("size %d, want %d", got, want)
			}
		}
		g.ok("fd_filestat_set_size", fd, 100)
		g.ok("fd_advise", fd, 10, 50, 0)
		size(100)
		g.ok("fd_allocate", fd, 10, 10)
		size(100)
		g.ok("fd_allocate", fd, 90, 20)
		size(110)
		g.ok("fd_filestat_set_size", fd, 3)
		size(3)
		g.fails(errnoInval, "fd_filestat_set_size", fd, 1<<63)
		g.fails(errnoFbig, "fd_filestat_set_size", fd, 1<<62)
		g.fails(errnoInval, "fd_allocate", fd, 0, 0)
		g.fails(errnoInval, "fd_allocate", fd, 1<<63, 1)
		g.fails(errnoInval, "fd_allocate", fd, 0, 1<<63)
		g.fails(errnoFbig, "fd_allocate", fd, 1<<62, 1<<62)
		g.fails(errnoInval, "fd_advise", fd, 0, 0, 6)
		g.fails(errnoInval, "fd_advise", fd, 1<<63, 0, 0)

		readonly := g.open(root, "f", open{rights: rightFdRead})
		g.fails(errnoInval, "fd_filestat_set_size", readonly, 0)
		g.fails(errnoBadf, "fd_allocate", readonly, 0, 100)
	})
}

func TestTimes(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "f", "")
		fd := g.open(root, "f", open{})
		before := g.stat(fd)
		when := before.mtim - 100_000
		g.ok("fd_filestat_set_times", fd, 1, when, fstflagMtim)
		if got := g.stat(fd); got.mtim != when || got.atim != before.atim {
			t.Errorf("times %d %d, want %d %d", got.atim, got.mtim, before.atim, when)
		}
		name, n := g.put("f")
		g.ok("path_filestat_set_times", root, 0, name, n, 5_000_000_000, 9, fstflagAtim)
		if got := g.stat(fd); got.mtim != when || got.atim != 5_000_000_000 {
			t.Errorf("times %d %d", got.atim, got.mtim)
		}
		for _, flags := range []uint64{fstflagMtim | fstflagMtimNow, fstflagAtim | fstflagAtimNow, 1 << 4} {
			g.fails(errnoInval, "fd_filestat_set_times", fd, 1, 2, flags)
			g.fails(errnoInval, "path_filestat_set_times", root, 0, name, n, 1, 2, flags)
		}
		if got := g.stat(fd); got.mtim != when {
			t.Errorf("a failed call set the time to %d", got.mtim)
		}
		now := time.Now().Add(-time.Minute).UnixNano()
		g.ok("path_filestat_set_times", root, 0, name, n, 1, 2, fstflagAtimNow|fstflagMtimNow)
		if got := g.stat(fd); int64(got.mtim) < now || int64(got.atim) < now {
			t.Errorf("times after setting them to now: %d %d", got.atim, got.mtim)
		}
	})
}

func TestTimesOfSymlink(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "f", "")
		g.symlink(0, "f", root, "link")
		file, link := g.statPath(root, 0, "f"), g.statPath(root, 0, "link")
		name, n := g.put("link")
		g.ok("path_filestat_set_times", root, 0, name, n, 0, link.mtim-200_000, fstflagMtim)
		if got := g.statPath(root, 0, "link").mtim; got != link.mtim-200_000 {
			t.Errorf("time of the link: %d", got)
		}
		if got := g.statPath(root, 0, "f").mtim; got != file.mtim {
			t.Errorf("the target's time changed to %d", got)
		}
		g.ok("path_filestat_set_times", root, lookupFollow, name, n, 0, 7_000_000_000, fstflagMtim)
		if got := g.statPath(root, 0, "f").mtim; got != 7_000_000_000 {
			t.Errorf("time set through the link: %d", got)
		}
	})
}

func TestInodesTellFilesApart(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "a", "")
		g.file(root, "b", "")
		a, b := g.statPath(root, 0, "a"), g.stat(g.open(root, "b", open{}))
		if a.dev != b.dev || a.ino == b.ino {
			t.Errorf("dev %d ino %d, dev %d ino %d", a.dev, a.ino, b.dev, b.ino)
		}
	})
}

func TestPreopens(t *testing.T) {
	g := newGuest(t, &Process{Preopens: []Preopen{{Name: "/"}, {Name: "data", Path: "/"}}})
	out := g.alloc(8)
	g.ok("fd_prestat_get", 4, out)
	if g.u32(out) != 0 || g.u32(out+4) != 4 {
		t.Errorf("prestat %x", g.u64(out))
	}
	name := g.alloc(8)
	g.fails(errnoNametoolong, "fd_prestat_dir_name", 4, name, 3)
	g.fails(errnoNametoolong, "fd_prestat_dir_name", 4, name, 0)
	g.ok("fd_prestat_dir_name", 4, name, 8)
	if got := string(g.bytes(name, 8)); got != "data\x00\x00\x00\x00" {
		t.Errorf("name %q", got)
	}
	dir := g.open(4, ".", open{oflags: oflagDirectory, none: true})
	for _, fd := range []uint64{0, dir, dir + 1} {
		g.fails(errnoBadf, "fd_prestat_get", fd, out)
		g.fails(errnoBadf, "fd_prestat_dir_name", fd, name, 8)
	}
	g.ok("fd_close", 4)
	g.fails(errnoBadf, "fd_prestat_get", 4, out)
	g.ok("fd_close", g.open(dir, ".", open{none: true}))
}

func TestMissingPreopen(t *testing.T) {
	for _, p := range []Preopen{{Name: "missing"}, {Name: "x", Path: "/file"}} {
		tree := vfs.New()
		if err := tree.WriteFile("/file", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := NewContext(t.Context(), &Process{FS: tree, Preopens: []Preopen{{Name: "/"}, p}})
		if e := errnoOf(err); e != errnoNoent && e != errnoNotdir || !strings.Contains(err.Error(), p.Name) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// RUSTSEC-2025-0046, wasi-testsuite #85.
func TestRenumberOntoItselfInvalidPreopened(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "f", "x")
		a, b := g.open(root, "f", open{}), g.open(root, "f", open{rights: rightFdRead})
		g.ok("fd_renumber", a, a)
		before := g.fdstat(a)
		g.ok("fd_renumber", a, b)
		g.fails(errnoBadf, "fd_close", a)
		if got := g.fdstat(b); got != before {
			t.Errorf("fdstat %+v, was %+v", got, before)
		}
		g.fails(errnoBadf, "fd_renumber", b, a)
		g.fails(errnoBadf, "fd_renumber", a, b)
		g.fails(errnoBadf, "fd_renumber", b, 1<<32-1)
		g.fails(errnoBadf, "fd_renumber", 1<<32-1, b)

		dir := g.open(root, ".", open{oflags: oflagDirectory, none: true})
		ino := g.stat(dir).ino
		g.ok("fd_renumber", dir, root)
		g.fails(errnoBadf, "fd_fdstat_get", dir, g.alloc(24))
		if got := g.stat(root).ino; got != ino {
			t.Errorf("inode %d, want %d", got, ino)
		}
		g.fails(errnoBadf, "fd_prestat_get", root, g.alloc(8))
		g.ok("fd_close", root)
		g.fails(errnoBadf, "fd_close", root)
	})
}

func TestRenumberStandardStreams(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		for fd := range uint64(3) {
			to := g.open(root, "f", open{oflags: oflagCreate, none: true})
			g.ok("fd_renumber", fd, to)
			g.fdstat(to)
			g.fails(errnoBadf, "fd_fdstat_get", fd, g.alloc(24))
			g.path1(0, "path_unlink_file", root, "f")
		}
	})
}

func TestDescriptorsAreLowestFree(t *testing.T) {
	g := newGuest(t, &Process{})
	g.file(root, "f", "")
	opened := func(want uint64) {
		t.Helper()
		if got := g.open(root, "f", open{}); got != want {
			t.Errorf("descriptor %d, want %d", got, want)
		}
	}
	opened(4)
	opened(5)
	opened(6)
	g.ok("fd_close", 5)
	g.ok("fd_close", 0)
	opened(0)
	opened(5)
	opened(7)
}

func TestOpenFilesAreBounded(t *testing.T) {
	g := newGuest(t, &Process{MaxFiles: 10})
	g.file(root, "f", "")
	for range 6 {
		g.open(root, "f", open{})
	}
	g.openFails(errnoMfile, root, "f", open{})
	g.openFails(errnoMfile, root, "new", open{oflags: oflagCreate})
	g.fails(errnoMfile, "boxer.fd_dup", 4, 0, g.alloc(4))
	g.fails(errnoMfile, "boxer.pipe", g.alloc(8))
	g.ok("fd_close", 5)
	g.fails(errnoMfile, "boxer.pipe", g.alloc(8)) // which needs two
	name, n := g.put("new")
	g.fails(errnoNoent, "path_filestat_get", root, 0, name, n, g.alloc(filestatSize))
	// Who says nothing means 1024.
	g = newGuest(t, &Process{})
	g.file(root, "f", "")
	for range 1024 - 4 {
		g.open(root, "f", open{})
	}
	g.openFails(errnoMfile, root, "f", open{})
}

func TestReadonlyAndWriteonly(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "f", "")
		r := g.open(root, "f", open{rights: rightFdRead})
		w := g.open(root, "f", open{rights: rightFdWrite})
		if got := g.fdstat(r).base & (rightFdRead | writeRights); got != rightFdRead {
			t.Errorf("rights of a file open for reading: %b", got)
		}
		if got := g.fdstat(w).base & (rightFdRead | writeRights); got != writeRights {
			t.Errorf("rights of a file open for writing: %b", got)
		}
		iovs, n := g.ciovec("x")
		out := g.alloc(4)
		g.fails(errnoBadf, "fd_write", r, iovs, n, out)
		g.fails(errnoBadf, "fd_read", w, iovs, n, out)
		g.write(w, "x")
		if got := g.read(r, 9); got != "x" {
			t.Errorf("read %q", got) // written bytes are seen at once
		}
	})
}
