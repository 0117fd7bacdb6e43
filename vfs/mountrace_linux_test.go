package vfs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestEveryOperationWhileLinksAreSwapped (epsilon #79, librefang #4054; CVE-2026-32282 and CVE-2026-27139 of package os):
// whatever a program does in a mount while somebody else exchanges a directory and a file for symlinks that lead out, as
// fast as the kernel can, nothing outside is changed or seen.
func TestEveryOperationWhileLinksAreSwapped(t *testing.T) {
	for _, swapped := range []string{"directory", "file"} {
		t.Run(swapped, func(t *testing.T) {
			outside, _ := hostDir(t, map[string]string{"f": "outside", "sub/g": "outside", "only-outside": "outside"})
			host, root := hostDir(t, map[string]string{"d/f": "inside", "d/sub/g": "inside"})
			a, b := filepath.Join(host, "d"), filepath.Join(host, "link")
			target := outside
			if swapped == "file" {
				a, b, target = filepath.Join(host, "d", "f"), filepath.Join(host, "d", "link"), filepath.Join(outside, "f")
			}
			must(t, os.Symlink(target, b))
			before := fingerprint(t, outside)
			stop := exchange(t, a, b)
			f := New()
			mount(t, f, "/m", HostDir(root, false))
			var seen sightings
			for i := range 100 {
				seen.operate(f, root, i)
			}
			stop()
			if diff := cmp.Diff(before, fingerprint(t, outside)); diff != "" {
				t.Errorf("outside (-before +after)\n%s", diff)
			}
			for _, s := range seen {
				t.Error(s)
			}
		})
	}
}

// exchange swaps two names until stop is called.
func exchange(t *testing.T, a, b string) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
			}
		}
	}()
	return func() { close(quit); <-done }
}

// fingerprint tells everything of a directory that a program could change, but for times of access.
func fingerprint(t *testing.T, dir string) (list []string) {
	must(t, filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		var s unix.Stat_t
		if err == nil {
			err = unix.Lstat(p, &s)
		}
		b, _ := os.ReadFile(p)
		list = append(list, fmt.Sprintf("%s mode %o owner %d:%d links %d changed %v modified %v %q",
			strings.TrimPrefix(p, dir), s.Mode, s.Uid, s.Gid, s.Nlink, s.Ctim, s.Mtim, b))
		return err
	}))
	return list
}

// sightings are of what lies outside.
type sightings []string

func (s *sightings) contents(what string, b []byte) {
	if strings.Contains(string(b), "outside") {
		*s = append(*s, fmt.Sprintf("%s: %q", what, b))
	}
}

func (s *sightings) names(what string, f *File) {
	ents, _ := f.ReadDirAt(0, 0)
	for _, e := range ents {
		if e.Name == "only-outside" {
			*s = append(*s, what+" lists the other directory")
		}
	}
}

// operate does everything that a program can do with paths, in the mount "/m" of a host directory, and puts back what that
// took away.
func (s *sightings) operate(f *FS, root *os.Root, i int) {
	t1 := time.Unix(int64(i), 0)
	b, _ := f.ReadFile("/m/d/f")
	s.contents("ReadFile", b)
	b, _ = f.ReadFile("/m/d/sub/g")
	s.contents("ReadFile beneath", b)
	if st, err := f.Stat("/m/d/f"); err == nil && st.Size == int64(len("outside")) {
		*s = append(*s, "Stat describes the other file")
	}
	for _, flag := range []Flag{O_WRONLY, O_RDWR | O_CREATE, O_WRONLY | O_TRUNC, O_RDONLY | O_TRUNC, O_WRONLY | O_APPEND, O_RDWR | O_CREATE | O_EXCL} {
		if h, err := f.Open("/m/d/f", flag, 0o644); err == nil {
			h.Chmod(0o600)
			h.Chtimes(t1, t1)
			h.WriteAt([]byte("inside"), 0)
			h.Close()
		}
	}
	f.WriteFile("/m/d/new", []byte("inside"), 0o666)
	f.Mkdir("/m/d/dir", 0o777)
	f.Symlink("x", "/m/d/sym")
	f.Chmod("/m/d/f", 0o646)
	f.Chmod("/m/d/sub", 0o757)
	f.Lchown("/m/d/f", 4242, 4242)
	f.Chown("/m/d/sub/g", 4242, 4242)
	f.Chtimes("/m/d/f", t1, t1)
	f.Chtimes("/m/d/sub", t1, t1)
	f.Truncate("/m/d/f", 3)
	f.Link("/m/d/f", "/m/linked")
	b, _ = f.ReadFile("/m/linked")
	s.contents("Link", b)
	f.Remove("/m/linked")
	f.Rename("/m/d/sub/g", "/m/d/sub/h")
	f.Rename("/m/d/sub/h", "/m/d/sub/g")
	f.Rename("/m/d/f", "/m/moved")
	b, _ = f.ReadFile("/m/moved")
	s.contents("Rename", b)
	f.Rename("/m/moved", "/m/d/f")
	s.handles(f, t1)
	f.Remove("/m/d/dir")
	f.Remove("/m/d/new")
	f.Remove("/m/d/sym")
	f.RemoveAll("/m/d/sub/g")
	root.WriteFile("d/sub/g", []byte("inside"), 0o644)
}

// handles does it relative to open directories.
func (s *sightings) handles(f *FS, t1 time.Time) {
	d, err := f.Open("/m/d", O_RDONLY|O_DIRECTORY, 0)
	if err != nil {
		return
	}
	defer d.Close()
	s.names("an open directory", d)
	for _, at := range []At{0, AtBeneath, AtNoFollow, AtBeneath | AtNoFollow} {
		if h, err := d.OpenAt("f", O_RDWR, 0, at); err == nil {
			b := make([]byte, 20)
			n, _ := h.ReadAt(b, 0)
			s.contents("OpenAt", b[:n])
			h.Close()
		}
		d.ChmodAt("f", 0o622, at)
		d.ChownAt("f", 4343, 4343, at)
		d.ChtimesAt("f", t1, t1, at)
		d.MkdirAt("m", 0o777, at)
		d.RmdirAt("m", at)
		d.SymlinkAt("f", "s", at)
		d.UnlinkAt("s", at)
		d.LinkAt("f", d, "l", at)
		d.RenameAt("l", d, "k", at)
		d.UnlinkAt("k", at)
	}
}

// TestDirectoryOfMountBecomesAFifo: renaming must not wait for somebody to open the other end of what was a directory when
// it was looked up.
func TestDirectoryOfMountBecomesAFifo(t *testing.T) {
	host, root := hostDir(t, map[string]string{"d/f": "f"})
	must(t, unix.Mkfifo(filepath.Join(host, "fifo"), 0o600))
	p := &mountPoint{}
	ext, _, err := HostDir(root, false).attach(p)
	must(t, err)
	d, _, err := ext.lookup("fifo") // as it would be after d, looked up, were exchanged for it
	must(t, err)
	wantErrno(t, "rename", d.rename("f", d, "g"), syscall.ENOTDIR)
	wantErrno(t, "link", ext.link(d.(*hostNode).child("f"), "g"), syscall.ENOTDIR)
}
