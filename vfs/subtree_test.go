package vfs

import (
	"io/fs"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSubtree(t *testing.T) {
	other := New()
	must(t, other.MkdirAll("/a/b", 0o755))
	must(t, other.WriteFile("/a/b/file", []byte("text"), 0o644))
	must(t, other.Symlink("/etc/name", "/a/link"))
	must(t, other.WriteFile("/outside", []byte("x"), 0o644))

	f := New(layerOf(t, []Entry{dir("etc"), file("etc/name")}, map[string]string{"etc/name": "ours"}))
	mount(t, f, "/mnt", Subtree(other, "/a"))
	mount(t, f, "/one", Subtree(other, "/a/b/file"))
	must(t, f.Mount("/ro", Subtree(other, "/a"), MountOptions{ReadOnly: true}))

	mustRead(t, f, "/mnt/b/file", "text")
	mustRead(t, f, "/one", "text")
	mustRead(t, f, "/mnt/b/../../etc/name", "ours")
	mustRead(t, f, "/mnt/link", "ours") // of the box that it is mounted in
	if _, err := f.Stat("/mnt/../outside"); err == nil {
		t.Error("what is outside of the directory shows")
	}
	must(t, f.WriteFile("/mnt/b/new", []byte("new"), 0o644))
	mustRead(t, other, "/a/b/new", "new")
	wantErrno(t, "rename into it", f.Rename("/etc/name", "/mnt/name"), syscall.EXDEV)

	for what, err := range map[string]error{
		"write": f.WriteFile("/ro/b/file", nil, 0o644), "create": f.WriteFile("/ro/x", nil, 0o644), "mkdir": f.Mkdir("/ro/d", 0o755),
		"remove": f.Remove("/ro/b/file"), "chmod": f.Chmod("/ro/b/file", 0), "symlink": f.Symlink("x", "/ro/s"),
		"link": f.Link("/ro/b/file", "/ro/l"), "rename": f.Rename("/ro/b", "/ro/c"), "truncate": f.Truncate("/ro/b/file", 0),
	} {
		wantErrno(t, what+" read-only", err, syscall.EROFS)
	}
	if changes, err := Diff(f.Fork(), f); err != nil || len(changes) != 0 {
		t.Errorf("Diff: %v, %v", paths(changes), err)
	}
	wantErrno(t, "mount of itself", f.Mount("/self", Subtree(f, "/"), MountOptions{}), syscall.ELOOP)
	wantErrno(t, "mount of nothing", f.Mount("/none", Subtree(other, "/none"), MountOptions{}), syscall.ENOENT)
}

func TestMountOwner(t *testing.T) {
	_, root := hostDir(t, map[string]string{"sub/file": "x"})
	f := New()
	must(t, f.Mount("/cache", HostDir(root, false), MountOptions{Owner: &Owner{UID: 1234, GID: 567}}))
	must(t, f.Chown("/cache/sub", 1, 2)) // as if
	got := map[string][2]uint32{}
	must(t, fs.WalkDir(f.IOFS(), ".", func(p string, _ fs.DirEntry, err error) error {
		must(t, err)
		s, err := f.Stat("/" + p)
		must(t, err)
		got[p] = [2]uint32{s.UID, s.GID}
		return nil
	}))
	him := [2]uint32{1234, 567}
	want := map[string][2]uint32{".": {}, "cache": him, "cache/sub": him, "cache/sub/file": him}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
