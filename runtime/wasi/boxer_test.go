package wasi

import (
	"io/fs"
	"strings"
	"testing"

	"boxer.dev/vfs"
)

func (g *guest) pipe() (r, w uint64) {
	g.Helper()
	out := g.alloc(8)
	g.ok("boxer.pipe", out)
	return uint64(g.u32(out)), uint64(g.u32(out + 4))
}

// modeOf returns st_mode, uid and gid of a path.
func (g *guest) modeOf(name string) (mode, uid, gid uint32) {
	g.Helper()
	ptr, n := g.put(name)
	out := g.alloc(statSize)
	g.ok("boxer.path_stat", root, 0, ptr, n, out)
	if g.filestatAt(out) != g.statPath(root, 0, name) {
		g.Errorf("path_stat and path_filestat_get of %s differ", name)
	}
	return g.u32(out + 64), g.u32(out + 68), g.u32(out + 72)
}

func TestWorkingDirectory(t *testing.T) {
	g := newGuest(t, &Process{Dir: "/some/where"})
	buf, used := g.alloc(16), g.alloc(4)
	g.ok("boxer.cwd_get", buf, 16, used)
	if got := string(g.bytes(buf, int(g.u32(used)))); got != "/some/where" {
		t.Errorf("working directory %q", got)
	}
	g.fails(errnoRange, "boxer.cwd_get", buf, 10, used)
	if g.u32(used) != 11 {
		t.Errorf("needed %d", g.u32(used))
	}
}

func TestModes(t *testing.T) {
	g := newGuest(t, &Process{Umask: 0o022})
	check := func(name string, want uint32) {
		t.Helper()
		if got, _, _ := g.modeOf(name); got != want {
			t.Errorf("mode of %s: %o, want %o", name, got, want)
		}
	}
	g.file(root, "f", "")
	check("f", 0o100644)
	g.path1(0, "path_create_directory", root, "d")
	check("d", 0o040755)
	g.symlink(0, "f", root, "link")
	check("link", 0o120777)

	g.ok("boxer.create_mode", 0o777)
	g.file(root, "x", "")
	check("x", 0o100755)
	g.file(root, "y", "") // the mode was for one file
	check("y", 0o100644)
	g.ok("boxer.create_mode", 0o700)
	g.file(root, "x", "") // exists: the mode is used up all the same
	check("x", 0o100755)
	g.path1(0, "path_create_directory", root, "e")
	check("e", 0o040755)
	g.ok("boxer.create_mode", 0o1777)
	g.path1(0, "path_create_directory", root, "tmp")
	check("tmp", 0o041755)
	g.ok("boxer.create_mode", 0o700)
	g.path1(errnoExist, "path_create_directory", root, "tmp")
	g.file(root, "z", "")
	check("z", 0o100644)

	if old := g.call("boxer.umask", 0o777); old != 0o022 {
		t.Errorf("umask was %o", old)
	}
	g.file(root, "closed", "")
	check("closed", 0o100000)
	if old := g.call("boxer.umask", 0); old != 0o777 {
		t.Errorf("umask was %o", old)
	}
	g.file(root, "opened", "")
	check("opened", 0o100666)
}

func TestChmod(t *testing.T) {
	g := newGuest(t, &Process{})
	g.file(root, "f", "")
	g.symlink(0, "f", root, "link")
	fd := g.open(root, "f", open{rights: rightFdRead})
	g.ok("boxer.fd_chmod", fd, 0o4711)
	if got, _, _ := g.modeOf("f"); got != 0o104711 {
		t.Errorf("mode %o", got)
	}
	name, n := g.put("link")
	g.ok("boxer.path_chmod", root, lookupFollow, name, n, 0o600)
	if got, _, _ := g.modeOf("f"); got != 0o100600 {
		t.Errorf("mode %o", got)
	}
	g.fails(errnoBadf, "boxer.fd_chmod", 99, 0o600)
	g.fails(errnoInval, "boxer.fd_chmod", 0, 0o600)
	out := g.alloc(statSize)
	g.ok("boxer.fd_stat", fd, out)
	if got := g.u32(out + 64); got != 0o100600 {
		t.Errorf("fd_stat: mode %o", got)
	}
}

func TestChown(t *testing.T) {
	g := newGuest(t, &Process{})
	g.file(root, "f", "")
	fd := g.open(root, "f", open{})
	name, n := g.put("f")
	const unchanged = 1<<32 - 1
	for _, c := range []struct {
		uid, gid         uint64
		wantUID, wantGID uint32
	}{{1000, 100, 1000, 100}, {unchanged, 5, 1000, 5}, {7, unchanged, 7, 5}, {unchanged, unchanged, 1000, 5}, {1 << 31, 0, 1 << 31, 0}} {
		g.ok("boxer.path_chown", root, 0, name, n, c.uid, c.gid)
		if _, uid, gid := g.modeOf("f"); uid != c.wantUID || gid != c.wantGID {
			t.Errorf("path_chown %d:%d: owner is %d:%d", c.uid, c.gid, uid, gid)
		}
		g.ok("boxer.fd_chown", fd, 1, 1)
		g.ok("boxer.fd_chown", fd, 1000, 5)
	}
}

func TestStatOfStreams(t *testing.T) {
	g := newGuest(t, &Process{Terminal: Terminal{Stdout: true}})
	r, w := g.pipe()
	inodes := map[uint64]bool{}
	for fd, want := range map[uint64]uint32{0: 0o010000, 1: 0o020000, 2: 0o010000, r: 0o010000, w: 0o010000} {
		out := g.alloc(statSize)
		g.ok("boxer.fd_stat", fd, out)
		if got := g.u32(out + 64); got&0o170000 != want {
			t.Errorf("mode of descriptor %d: %o", fd, got)
		}
		inodes[g.u64(out+8)] = true
	}
	if len(inodes) != 4 {
		t.Errorf("%d inodes of three streams and a pipe", len(inodes))
	}
}

func TestIDs(t *testing.T) {
	g := newGuest(t, &Process{UID: 1000, GID: 100})
	out := g.alloc(16)
	g.ok("boxer.ids_get", out)
	if got := [4]uint32{g.u32(out), g.u32(out + 4), g.u32(out + 8), g.u32(out + 12)}; got != [4]uint32{1, 0, 1000, 100} {
		t.Errorf("pid, ppid, uid, gid %v", got)
	}
}

func TestDup(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		fd := g.open(root, "f", open{oflags: oflagCreate, fdflags: fdflagAppend})
		out := g.alloc(4)
		dup := func(fd, least uint64) uint64 {
			t.Helper()
			g.ok("boxer.fd_dup", fd, least, out)
			return uint64(g.u32(out))
		}
		second := dup(fd, 0)
		if second != fd+1 {
			t.Errorf("duplicate is %d", second)
		}
		if got := dup(fd, 20); got != 20 {
			t.Errorf("duplicate is %d, not 20", got)
		}
		if got := dup(fd, 20); got != 21 {
			t.Errorf("duplicate is %d, not 21", got)
		}
		g.write(fd, "abc")
		if at := g.seek(second, 0, 1); at != 3 {
			t.Errorf("offset of the duplicate: %d", at)
		}
		g.ok("fd_fdstat_set_flags", second, 0)
		if got := g.fdstat(fd).flags; got != 0 {
			t.Errorf("flags not shared: %b", got)
		}
		g.ok("fd_close", fd)
		g.seek(second, 0, 0)
		if got := g.read(20, 8); got != "abc" {
			t.Errorf("read %q", got)
		}
		g.fails(errnoInval, "boxer.fd_dup", second, defaultMaxFiles, out)
		g.fails(errnoInval, "boxer.fd_dup", second, 1<<32-1, out)
		g.fails(errnoBadf, "boxer.fd_dup", 99, 0, out)
	})
}

func TestDup2(t *testing.T) {
	g := newGuest(t, &Process{})
	g.file(root, "a", "a")
	g.file(root, "b", "b")
	a, b := g.open(root, "a", open{}), g.open(root, "b", open{})
	g.ok("boxer.fd_dup2", a, b)
	if got := g.read(b, 4); got != "a" {
		t.Errorf("read %q", got)
	}
	g.ok("boxer.fd_dup2", a, a)
	g.ok("boxer.fd_dup2", a, 500)
	g.ok("fd_close", a)
	g.ok("boxer.fd_dup2", 500, a)
	g.fails(errnoBadf, "boxer.fd_dup2", 99, 5)
	g.fails(errnoBadf, "boxer.fd_dup2", 99, 99)
	g.fails(errnoBadf, "boxer.fd_dup2", a, defaultMaxFiles)
	g.fails(errnoBadf, "boxer.fd_dup2", a, 1<<32-1)

	g.ok("boxer.fd_dup2", root, 600)
	g.fails(errnoBadf, "fd_prestat_get", 600, g.alloc(8))
	g.ok("fd_close", g.open(600, "a", open{}))
}

func TestPipe(t *testing.T) {
	g := newGuest(t, &Process{})
	r, w := g.pipe()
	iovs, n, _ := g.iovec(8)
	out := g.alloc(8)
	g.fails(errnoAgain, "fd_read", r, iovs, n, out)
	g.write(w, "hello")
	if got := g.read(r, 2) + g.read(r, 9); got != "hello" {
		t.Errorf("read %q", got)
	}
	g.fails(errnoSpipe, "fd_seek", r, 0, 0, out)
	g.fails(errnoSpipe, "fd_pread", r, iovs, n, 0, out)
	g.fails(errnoBadf, "fd_write", r, iovs, n, out)
	g.fails(errnoBadf, "fd_read", w, iovs, n, out)

	g.ok("boxer.fd_dup", w, 0, out)
	second := uint64(g.u32(out))
	g.ok("fd_close", w)
	g.fails(errnoAgain, "fd_read", r, iovs, n, out) // a writer is left
	g.write(second, "end")
	g.ok("fd_close", second)
	if got := g.read(r, 9); got != "end" {
		t.Errorf("read %q", got)
	}
	if got := g.read(r, 9); got != "" {
		t.Errorf("read %q without a writer", got)
	}

	r, w = g.pipe()
	g.ok("fd_close", r)
	g.fails(errnoPipe, "fd_write", w, iovs, n, out)
}

func TestPipeCapacity(t *testing.T) {
	g := newGuest(t, &Process{})
	r, w := g.pipe()
	write := func(n int) (errno, int) {
		iovs, count := g.ciovec(strings.Repeat("x", n))
		out := g.alloc(4)
		return g.call("fd_write", w, iovs, count, out), int(g.u32(out))
	}
	for _, c := range []struct {
		size  int
		errno errno
		wrote int
	}{
		{60_000, 0, 60_000},
		{6_000, 0, 5_536}, // partial: longer than PIPE_BUF
		{1, errnoAgain, 0},
		{6_000, errnoAgain, 0},
	} {
		if e, n := write(c.size); e != c.errno || n != c.wrote {
			t.Errorf("writing %d: %v, %d written; want %v, %d", c.size, e, n, c.errno, c.wrote)
		}
	}
	g.read(r, 100)
	if e, _ := write(101); e != errnoAgain {
		t.Errorf("writing more than there is room for, less than PIPE_BUF: %v", e)
	}
	if e, _ := write(100); e != 0 {
		t.Errorf("filling the pipe: %v", e)
	}
}

func TestStatSeesDeviceNumbers(t *testing.T) {
	tree := vfs.New()
	if err := tree.Mount("/dev", vfs.Devices(vfs.DeviceSet{}), vfs.MountOptions{}); err != nil {
		t.Fatal(err)
	}
	g := newGuest(t, &Process{FS: tree})
	mode, _, _ := g.modeOf("dev/null")
	if mode&0o170000 != 0o020000 {
		t.Errorf("mode of /dev/null: %o", mode)
	}
	fd := g.open(root, "dev/null", open{})
	g.write(fd, "gone")
	if got := g.read(fd, 8); got != "" {
		t.Errorf("read %q from /dev/null", got)
	}
	if st := g.fdstat(fd); st.filetype != filetypeCharacterDevice || st.base&rightFdSeek == 0 {
		t.Errorf("/dev/null passes for a terminal: %+v", st)
	}
}

func TestModeTranslation(t *testing.T) {
	for posix, file := range map[uint32]fs.FileMode{
		0o100644: 0o644,
		0o104755: 0o755 | fs.ModeSetuid,
		0o102755: 0o755 | fs.ModeSetgid,
		0o041777: 0o777 | fs.ModeSticky | fs.ModeDir,
		0o120777: 0o777 | fs.ModeSymlink,
		0o020666: 0o666 | fs.ModeDevice | fs.ModeCharDevice,
		0o060660: 0o660 | fs.ModeDevice,
		0o010600: 0o600 | fs.ModeNamedPipe,
		0o140600: 0o600 | fs.ModeSocket,
	} {
		if got := posixMode(file); got != posix {
			t.Errorf("posixMode(%v) = %o, want %o", file, got, posix)
		}
		if got := fileMode(posix); got != file&^fs.ModeType {
			t.Errorf("fileMode(%o) = %v, want %v", posix, got, file&^fs.ModeType)
		}
	}
}
