package wasi

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type dirent struct {
	next, ino uint64
	filetype  filetype
	name      string
}

// readdir makes one call and returns the complete entries and how much of the
// buffer was used.
func (g *guest) readdir(fd uint64, size int, cookie uint64) (entries []dirent, used int) {
	g.Helper()
	g.next = (g.next + 7) &^ 7
	mark := g.next
	defer func() { g.next = mark }()
	buf, out := g.alloc(size), g.alloc(4)
	g.ok("fd_readdir", fd, buf, uint64(size), cookie, out)
	used = int(g.u32(out))
	if used > size {
		g.Fatalf("used %d of %d", used, size)
	}
	for b := g.bytes(buf, used); len(b) >= direntSize; {
		n := int(getU32(b, 16))
		if len(b) < direntSize+n {
			break
		}
		entries = append(entries, dirent{getU64(b, 0), getU64(b, 8), filetype(b[20]), string(b[direntSize : direntSize+n])})
		b = b[direntSize+n:]
	}
	return entries, used
}

// readAll reads a directory as the C library does: a full buffer means more, and
// a buffer that holds no entry must grow.
func (g *guest) readAll(fd uint64, size int) (names []string) {
	g.Helper()
	cookie := uint64(0)
	for {
		entries, used := g.readdir(fd, size, cookie)
		for _, e := range entries {
			names = append(names, e.name)
			cookie = e.next
		}
		if used < size {
			return names
		}
		if len(entries) == 0 {
			size *= 2
		}
	}
}

func TestReaddir(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		dir := g.directory(root, "d")
		entries, used := g.readdir(dir, 256, 0)
		ino := g.stat(dir).ino
		want := []dirent{{1, ino, filetypeDirectory, "."}, {2, g.stat(root).ino, filetypeDirectory, ".."}}
		if diff := cmp.Diff(want, entries, cmp.AllowUnexported(dirent{})); diff != "" || used != 2*direntSize+3 {
			t.Errorf("empty directory, used %d:\n%s", used, diff)
		}
		g.file(dir, "file", "")
		g.path1(0, "path_create_directory", dir, "dir")
		g.symlink(0, "file", dir, "link")
		types := map[string]filetype{".": filetypeDirectory, "..": filetypeDirectory, "file": filetypeRegularFile,
			"dir": filetypeDirectory, "link": filetypeSymbolicLink}
		entries, _ = g.readdir(dir, 256, 0)
		if len(entries) != len(types) {
			t.Errorf("%d entries", len(entries))
		}
		for i, e := range entries {
			if e.filetype != types[e.name] {
				t.Errorf("type of %s: %d", e.name, e.filetype)
			}
			if i >= 2 && e.ino != g.statPath(dir, 0, e.name).ino {
				t.Errorf("inode of %s: %d, stat says %d", e.name, e.ino, g.statPath(dir, 0, e.name).ino)
			}
			rest, _ := g.readdir(dir, 256, e.next)
			if !slices.Equal(rest, entries[i+1:]) {
				t.Errorf("from the cookie of %s on: %v, want %v", e.name, rest, entries[i+1:])
			}
		}
	})
}

func TestReaddirOfManyFiles(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		dir := g.directory(root, "d")
		want := []string{".", ".."}
		mark := g.next
		for i := range 1000 {
			want = append(want, fmt.Sprintf("file.%d", i))
			g.ok("fd_close", g.open(dir, want[i+2], open{oflags: oflagCreate}))
			g.next = mark
		}
		slices.Sort(want)
		for _, size := range []int{24, 25, 30, 256, 4096, 100_000} {
			got := g.readAll(dir, size)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("with a buffer of %d: %d entries, want %d", size, len(got), len(want))
			}
		}
	})
}

func TestReaddirBuffers(t *testing.T) {
	g := newGuest(t, &Process{})
	g.file(root, "long-name", "")
	for size := range 3*direntSize + 3 + 9 + 2 {
		_, used := g.readdir(root, size, 0)
		if want := min(size, 3*direntSize+3+9); used != want {
			t.Errorf("buffer of %d: used %d, want %d", size, used, want)
		}
	}
}

func TestReaddirHugeCookies(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "f", "")
		for _, cookie := range []uint64{1 << 31, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
			if entries, _ := g.readdir(root, 256, cookie); len(entries) != 0 {
				t.Errorf("cookie %d: %v", cookie, entries)
			}
		}
	})
}

func TestReaddirWhileRemoving(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		dir := g.directory(root, "d")
		for i := range 100 {
			g.file(dir, fmt.Sprint(i), "")
		}
		seen, cookie := 0, uint64(0)
		for {
			entries, used := g.readdir(dir, 100, cookie)
			for _, e := range entries {
				cookie = e.next
				if e.name[0] != '.' {
					seen++
					g.path1(0, "path_unlink_file", dir, e.name)
				}
			}
			if used < 100 {
				break
			}
		}
		if seen != 100 {
			t.Errorf("saw %d of 100 files", seen)
		}
		g.path1(0, "path_remove_directory", root, "d")
	})
}
