package vfs

import (
	"syscall"
	"testing"
	"time"
)

// TestReadOnlyTree: nothing of the tree can be changed, in whatever way; what is mounted in it is as it is.
func TestReadOnlyTree(t *testing.T) {
	_, root := hostDir(t, map[string]string{"h": "host"})
	f := New(layerOf(t, []Entry{dir("d"), file("d/f"), file("g")}, map[string]string{"g": "ours"}))
	must(t, f.WriteFile("/made", []byte("before"), 0o644))
	open, err := f.Open("/made", O_RDWR, 0)
	must(t, err)
	defer open.Close()
	mount(t, f, "/mnt/deep", HostDir(root, false))
	before := dump(t, f)
	f.Configure(Config{ReadOnly: true})

	_, opening := f.Open("/g", O_WRONLY, 0)
	_, creating := f.Open("/new", O_RDONLY|O_CREATE, 0o644)
	_, truncating := f.Open("/g", O_RDONLY|O_TRUNC, 0)
	_, writing := open.Write([]byte("x"))
	for what, err := range map[string]error{
		"open": opening, "create": creating, "truncate": truncating, "write": writing, "ftruncate": open.Truncate(0), "fchmod": open.Chmod(0o600),
		"mkdir": f.Mkdir("/dir", 0o755), "symlink": f.Symlink("x", "/link"), "link": f.Link("/g", "/h"), "rename": f.Rename("/g", "/h"),
		"unlink": f.Remove("/g"), "rmdir": f.Remove("/d"), "removeall": f.RemoveAll("/d"), "chmod": f.Chmod("/g", 0o600), "chown": f.Chown("/g", 1, 1),
		"chtimes": f.Chtimes("/g", time.Now(), time.Now()), "unlink what was made": f.Remove("/made"), "beside a mount": f.Mkdir("/mnt/other", 0o755),
		"truncate by name": f.Truncate("/g", 0),
	} {
		if what == "rmdir" { // not empty, whatever else
			wantErrno(t, what, err, syscall.ENOTEMPTY)
			continue
		}
		wantErrno(t, what, err, syscall.EROFS)
	}
	for p, want := range before {
		if got := dump(t, f)[p]; got != want {
			t.Errorf("%s: %s, want %s", p, got, want)
		}
	}
	mustRead(t, f, "/g", "ours")
	must(t, f.WriteFile("/mnt/deep/new", []byte("x"), 0o644))
	f.Configure(Config{})
	must(t, f.WriteFile("/new", nil, 0o644))
}
