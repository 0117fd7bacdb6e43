package wasi

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boxer.dev/vfs"
)

func TestPathOpenInterestingPaths(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		dir := g.directory(root, "top")
		g.path1(0, "path_create_directory", dir, "a")
		g.path1(0, "path_create_directory", dir, "a/b")
		g.file(dir, "a/b/f", "")

		g.ok("fd_close", g.open(dir, "a/.//b/../../a/b/../b///./f", open{none: true}))
		g.ok("fd_close", g.open(dir, "a/b/", open{none: true}))
		g.ok("fd_close", g.open(dir, "a/b///", open{none: true}))
		g.ok("fd_close", g.open(dir, ".", open{none: true}))
		for name, want := range map[string]errno{
			"/a/b/f":                   errnoPerm,
			"a/b/../../../top/a":       errnoPerm,
			"..":                       errnoPerm,
			"a/b/f\x00":                errnoInval,
			"a/b/f/":                   errnoNotdir,
			"a/b/f///":                 errnoNotdir,
			"a/b/f/x":                  errnoNotdir,
			"a/missing/x":              errnoNoent,
			"missing":                  errnoNoent,
			"":                         errnoNoent,
			strings.Repeat("x", 256):   errnoNametoolong,
			strings.Repeat("x/", 2500): errnoNametoolong,
		} {
			g.openFails(want, dir, name, open{none: true})
		}
	})
}

func TestPathOpenFlags(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "f", "contents")
		g.path1(0, "path_create_directory", root, "d")

		g.openFails(errnoExist, root, "f", open{oflags: oflagCreate | oflagExclusive})
		g.openFails(errnoNotdir, root, "f", open{oflags: oflagDirectory, none: true})
		g.openFails(errnoIsdir, root, "d", open{})
		g.openFails(errnoIsdir, root, "d", open{oflags: oflagDirectory})
		g.openFails(errnoInval, root, "new", open{oflags: oflagCreate | oflagDirectory})
		g.openFails(errnoInval, root, "f", open{oflags: 1 << 4})
		g.openFails(errnoInval, root, "f", open{fdflags: 1 << 5})
		ptr, n := g.put("f")
		g.fails(errnoInval, "path_open", root, 2, ptr, n, 0, 0, 0, 0, g.alloc(4))
		g.ok("fd_close", g.open(root, "d", open{fdflags: fdflagNonblock, none: true}))

		fd := g.open(root, "f", open{oflags: oflagCreate | oflagTruncate})
		if size := g.stat(fd).size; size != 0 {
			t.Errorf("size after O_TRUNC: %d", size)
		}
	})
}

func TestPathOpenOfNoDirectory(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "f", "")
		fd := g.open(root, "f", open{})
		g.openFails(errnoNotdir, fd, "x", open{oflags: oflagCreate})
		g.openFails(errnoNotdir, 0, "x", open{})
		g.openFails(errnoBadf, 77, "x", open{})
	})
}

func TestSymlinksAreFollowedOnRequest(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.symlink(0, "target", root, "link")
		g.openFails(errnoLoop, root, "link", open{none: true})
		if _, e := g.pathOpen(root, "link", open{oflags: oflagDirectory, none: true}); e != errnoNotdir && e != errnoLoop {
			t.Errorf("opening a dangling link as a directory: %v", e)
		}
		g.openFails(errnoNoent, root, "link", open{follow: true, none: true})

		g.path1(0, "path_create_directory", root, "target")
		g.openFails(errnoLoop, root, "link", open{none: true})
		g.ok("fd_close", g.open(root, "link", open{follow: true, oflags: oflagDirectory, none: true}))
		g.path1(0, "path_remove_directory", root, "target")

		g.file(root, "target", "x")
		g.openFails(errnoLoop, root, "link", open{none: true})
		g.openFails(errnoNotdir, root, "link", open{follow: true, oflags: oflagDirectory, none: true})
		g.ok("fd_close", g.open(root, "link", open{follow: true, none: true}))

		if got := g.statPath(root, 0, "link").filetype; got != filetypeSymbolicLink {
			t.Errorf("type of the link: %d", got)
		}
		if got := g.statPath(root, lookupFollow, "link").filetype; got != filetypeRegularFile {
			t.Errorf("type of its target: %d", got)
		}
	})
}

func TestSymlinkLoop(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.symlink(0, "loop", root, "loop")
		g.openFails(errnoLoop, root, "loop", open{none: true})
		g.openFails(errnoLoop, root, "loop", open{follow: true, none: true})
		g.openFails(errnoLoop, root, "loop/x", open{none: true})
	})
}

func TestSymlinkTrailingSlash(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.symlink(errnoNoent, "source", root, "link/")
		g.path1(0, "path_create_directory", root, "d")
		g.symlink(errnoExist, "source", root, "d/")
		g.symlink(errnoExist, "source", root, "d")
		g.file(root, "f", "")
		g.symlink(errnoExist, "source", root, "f")
		g.symlink(errnoNotdir, "source", root, "f/")
		g.symlink(0, "f", root, "to-file")
		g.symlink(errnoNotdir, "source", root, "to-file/")
		g.symlink(0, "d", root, "to-directory")
		g.symlink(errnoExist, "source", root, "to-directory/")
		g.symlink(0, "nowhere", root, "dangling")
		g.symlink(errnoExist, "source", root, "dangling/")
		g.symlink(errnoNoent, "", root, "empty")
	})
}

// jail is a program with one pre-opened directory that is not its "/".
func jail(t *testing.T, g *guest, name, where string) *guest {
	t.Helper()
	return newGuest(t, &Process{FS: g.FS, Preopens: []Preopen{{Name: name, Path: where}}})
}

// Named after the holes of other runtimes: wazero #2321, wasmer CVE-2024-38358,
// GHSA-vqjp-4c8c-hfgg.
func TestSymlinkLeadsOutOfDirectory(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "secret", "secret")
		dir := g.directory(root, "d")
		g.path1(0, "path_create_directory", dir, "sub")
		g.symlink(errnoPerm, "/secret", dir, "absolute")
		g.symlink(0, "/secret", root, "d/absolute") // allowed through the root
		g.symlink(0, "../secret", dir, "up")
		g.symlink(0, "..", dir, "parent")
		g.symlink(0, "../up", dir, "sub/twice")

		in := jail(t, g, "d", "/d")
		sub := in.open(root, "sub", open{oflags: oflagDirectory, none: true})
		for name, dir := range map[string]uint64{
			"absolute": root, "up": root, "up/": root, "parent/secret": root, "parent/": root, "parent": root, "sub/twice": root,
			"sub/../up": root, "twice": sub, "twice/": sub,
		} {
			in.openFails(errnoPerm, dir, name, open{follow: true})
			if _, e := in.pathOpen(dir, name, open{follow: true, oflags: oflagCreate | oflagTruncate}); e == 0 {
				t.Errorf("writing through %s succeeded", name)
			}
			in.link(errnoPerm, lookupFollow, dir, name, root, "stolen")
		}
		in.symlink(errnoPerm, "/secret", root, "another")
		if got := g.statPath(root, 0, "secret").size; got != 6 {
			t.Errorf("size of the file outside is %d now", got)
		}
	})
}

// TestSymlinkBelowSlash: whichever directory a path is relative to, a symlink
// leads where it does for a path from "/", which a program could give as well.
func TestSymlinkBelowSlash(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "f", "top")
		dir := g.directory(g.directory(root, "a"), "b")
		g.file(dir, "f", "near")
		g.symlink(0, "/f", root, "a/b/absolute")
		g.symlink(0, "/a", root, "a/b/a")
		g.symlink(0, "../../f", dir, "up")
		g.symlink(0, "../../../../f", dir, "overtop")
		g.symlink(0, "..", dir, "parent")
		for name, want := range map[string]string{
			"f": "near", "absolute": "top", "up": "top", "overtop": "top", "a/b/f": "near", "a/../f": "top",
			"parent/b/f": "near", "parent/../f": "top", "a/b/a/b/up": "top",
		} {
			if got := g.read(g.open(dir, name, open{follow: true}), 8); got != want {
				t.Errorf("%s holds %q, want %q", name, got, want)
			}
			if got := g.statPath(dir, lookupFollow, name).size; got != uint64(len(want)) {
				t.Errorf("%s has size %d, want %d", name, got, len(want))
			}
		}
		above := g.open(dir, "parent", open{follow: true, oflags: oflagDirectory, none: true})
		g.path1(0, "path_create_directory", above, "new")
		g.rename(0, dir, "parent/new", dir, "a/renamed")
		g.ok("fd_close", g.open(root, "a/renamed", open{none: true}))

		for _, name := range []string{"..", "../b/f", "parent/../../f", "a/../../f", "./.././b", "missing/../.."} {
			if _, e := g.pathOpen(dir, name, open{none: true}); e != errnoPerm && e != errnoNoent {
				t.Errorf("opening %s, which says to leave the directory: %v", name, e)
			}
		}
		g.openFails(errnoPerm, above, "../f", open{none: true})
		g.openFails(errnoPerm, dir, "/f", open{})
	})
}

// TestSlashByAnotherName: "/" is "/" however the program came to it, and what
// only looks like it is not.
func TestSlashByAnotherName(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "f", "")
		g.path1(0, "path_create_directory", root, "a")
		g.path1(0, "path_create_directory", root, "a/b")
		g.symlink(0, "a/b", root, "link")
		g.symlink(0, "/", root, "a/slash")
		directory := open{follow: true, oflags: oflagDirectory, none: true}
		for _, name := range []string{".", "a/..", "link/../..", "a/slash", "a/slash/.."} {
			slash := g.open(root, name, directory)
			g.ok("fd_close", g.open(slash, "../f", open{}))
			g.symlink(0, "/f", slash, "made")
			g.path1(0, "path_unlink_file", slash, "made")
		}
		a := g.open(root, "link/..", directory)
		g.ok("fd_close", g.open(a, "b", open{none: true}))
		g.openFails(errnoPerm, a, "../f", open{})
		g.symlink(errnoPerm, "/f", a, "made")
	})
}

// TestSymlinkLeadsOutOfMount: links of a guest's making in a mounted host
// directory lead to the box's own files of that name, never to the host's, from
// whatever descriptor they are followed.
func TestSymlinkLeadsOutOfMount(t *testing.T) {
	parent := t.TempDir()
	secret, shared := filepath.Join(parent, "secret"), filepath.Join(parent, "shared")
	if err := os.WriteFile(secret, []byte("of the host"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	host, err := os.OpenRoot(shared)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	tree := vfs.New()
	if err := tree.Mount("/data", vfs.HostDir(host, false), vfs.MountOptions{}); err != nil {
		t.Fatal(err)
	}
	g := newGuest(t, &Process{FS: tree})
	g.file(root, "secret", "of the box")
	data := g.open(root, "data", open{oflags: oflagDirectory, none: true})
	sub := g.directory(data, "sub")
	g.symlink(0, filepath.ToSlash(secret), root, "data/sub/absolute")
	g.symlink(0, "../../secret", sub, "up")
	g.symlink(0, "../..", sub, "top")

	if _, e := g.pathOpen(sub, "absolute", open{follow: true}); e != errnoNoent && e != errnoPerm {
		t.Errorf("opening the host's path: %v", e)
	}
	g.openFails(errnoNoent, sub, "absolute", open{follow: true, oflags: oflagCreate})
	for _, name := range []string{"up", "top/secret"} {
		if got := g.read(g.open(sub, name, open{follow: true}), 16); got != "of the box" {
			t.Errorf("%s holds %q", name, got)
		}
		g.write(g.open(sub, name, open{follow: true, oflags: oflagTruncate}), "rewritten")
		g.write(g.open(sub, name, open{follow: true, oflags: oflagTruncate}), "of the box")
	}
	if got, err := os.ReadFile(secret); string(got) != "of the host" {
		t.Errorf("the host's file holds %q, %v", got, err)
	}
	jailed := jail(t, g, "data", "/data")
	for _, name := range []string{"sub/absolute", "sub/up", "sub/top", "sub/top/secret"} {
		jailed.openFails(errnoPerm, root, name, open{follow: true, none: true})
	}
}

func TestReadlink(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.symlink(0, "target", root, "link")
		ptr, n := g.put("link")
		buf, used := g.alloc(10), g.alloc(4)
		g.ok("path_readlink", root, ptr, n, buf, 10, used)
		if got := string(g.bytes(buf, 10)); got != "target\x00\x00\x00\x00" || g.u32(used) != 6 {
			t.Errorf("buffer %q, used %d", got, g.u32(used))
		}
		g.ok("path_readlink", root, ptr, n, buf, 4, used)
		if g.u32(used) != 4 {
			t.Errorf("used %d of a short buffer of 4", g.u32(used))
		}
		g.file(root, "f", "")
		ptr, n = g.put("f")
		g.fails(errnoInval, "path_readlink", root, ptr, n, buf, 10, used)
	})
}

func TestRename(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		mkdir := func(name string) { t.Helper(); g.path1(0, "path_create_directory", root, name) }
		rmdir := func(name string) { t.Helper(); g.path1(0, "path_remove_directory", root, name) }

		mkdir("a")
		g.rename(0, root, "a", root, "b")
		g.openFails(errnoNoent, root, "a", open{oflags: oflagDirectory, none: true})
		g.ok("fd_close", g.open(root, "b", open{oflags: oflagDirectory, none: true}))

		mkdir("empty")
		g.rename(0, root, "b", root, "empty")
		mkdir("full")
		g.file(root, "full/f", "")
		g.rename(errnoNotempty, root, "empty", root, "full")
		g.rename(errnoNotdir, root, "empty", root, "full/f")
		rmdir("empty")

		g.file(root, "x", "x")
		g.rename(0, root, "x", root, "y")
		g.openFails(errnoNoent, root, "x", open{none: true})
		g.file(root, "z", "z")
		g.rename(0, root, "y", root, "z")
		if got := g.read(g.open(root, "z", open{}), 8); got != "x" {
			t.Errorf("contents after renaming over it: %q", got)
		}
		mkdir("d")
		g.rename(errnoIsdir, root, "z", root, "d")
		g.rename(errnoInval, root, "d", root, "d/into")
		g.rename(0, root, "z", root, "z")

		g.rename(0, root, "d/", root, "e")
		g.rename(0, root, "e", root, "d/")
		g.rename(0, root, "d/", root, "e/")
		g.rename(errnoNotdir, root, "z/", root, "w")
		g.rename(errnoNoent, root, "missing", root, "w")
		g.rename(errnoPerm, root, "/z", root, "w")
	})
}

func TestLink(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		dir := g.directory(root, "d")
		g.file(root, "f", "x")
		g.link(0, 0, root, "f", dir, "same")
		a, b := g.statPath(root, 0, "f"), g.statPath(dir, 0, "same")
		if a != b || a.nlink != 2 {
			t.Errorf("two names of one file: %+v, %+v", a, b)
		}
		fa, fb := g.open(root, "f", open{}), g.open(dir, "same", open{})
		if g.fdstat(fa) != g.fdstat(fb) {
			t.Errorf("their descriptors differ: %+v, %+v", g.fdstat(fa), g.fdstat(fb))
		}
		g.link(errnoExist, 0, root, "f", dir, "same")
		g.link(errnoExist, 0, root, "f", root, "f")
		g.link(errnoExist, 0, root, "f", root, "d")
		g.link(errnoPerm, 0, root, "d", root, "link")
		g.link(errnoNoent, 0, root, "f", root, "link/")
		g.link(errnoNotdir, 0, root, "f/", root, "link")

		g.symlink(0, "nowhere", root, "dangling")
		g.link(0, 0, root, "dangling", root, "link")
		if got := g.statPath(root, 0, "link").filetype; got != filetypeSymbolicLink {
			t.Errorf("type of a link to a symlink: %d", got)
		}
		g.link(errnoExist, 0, root, "f", root, "dangling")
		g.link(errnoNoent, lookupFollow, root, "dangling", root, "other")
		g.symlink(0, "f", root, "good")
		g.link(0, lookupFollow, root, "good", root, "other")
		if got := g.statPath(root, 0, "other").ino; got != a.ino {
			t.Errorf("following linked inode %d, not %d", got, a.ino)
		}
	})
}

func TestRemoveDirectory(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.path1(0, "path_create_directory", root, "d")
		g.path1(errnoExist, "path_create_directory", root, "d")
		g.path1(0, "path_remove_directory", root, "d/")
		g.path1(errnoNoent, "path_remove_directory", root, "d")

		g.path1(0, "path_create_directory", root, "d/")
		g.path1(0, "path_create_directory", root, "d/e")
		g.path1(errnoNotempty, "path_remove_directory", root, "d")
		g.file(root, "f", "")
		g.path1(errnoNotdir, "path_remove_directory", root, "f")
		g.path1(errnoNotdir, "path_remove_directory", root, "f/")
		g.symlink(0, "d/e", root, "link")
		g.path1(errnoNotdir, "path_remove_directory", root, "link")
	})
}

func TestUnlinkFile(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.path1(0, "path_create_directory", root, "d")
		g.path1(errnoIsdir, "path_unlink_file", root, "d")
		g.path1(errnoIsdir, "path_unlink_file", root, "d/")
		g.file(root, "f", "")
		g.path1(errnoNotdir, "path_unlink_file", root, "f/")
		g.path1(0, "path_unlink_file", root, "f")
		g.path1(errnoNoent, "path_unlink_file", root, "f")
		g.symlink(0, "d", root, "link")
		g.path1(0, "path_unlink_file", root, "link")
	})
}

func TestUnlinkedFileStaysOpen(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "f", "old")
		fd := g.open(root, "f", open{})
		g.path1(0, "path_unlink_file", root, "f")
		g.file(root, "f", "new")
		if got := g.read(fd, 8); got != "old" {
			t.Errorf("contents of the unlinked file: %q", got)
		}
	})
}

func TestSlashHasNoWayUp(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "f", "")
		g.path1(0, "path_create_directory", root, "d")
		g.symlink(0, "../../f", root, "d/up")
		for _, name := range []string{"../f", "d/../../../f", "d/up"} {
			g.ok("fd_close", g.open(root, name, open{follow: true}))
		}
		g.rename(0, root, "../f", root, "../../g")
		g.openFails(errnoPerm, root, "/g", open{})
	})
	data := vfs.New()
	g := newGuest(t, &Process{Preopens: []Preopen{{Name: "data", Path: "/", FS: data}}})
	g.file(root, "f", "")
	g.openFails(errnoPerm, root, "../f", open{})
	g.symlink(errnoPerm, "/f", root, "link")
}
