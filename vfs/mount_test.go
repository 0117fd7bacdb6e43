package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hostDir makes a host directory with files and returns it opened.
func hostDir(t testing.TB, files map[string]string) (string, *os.Root) {
	t.Helper()
	dir := t.TempDir()
	for p, body := range files {
		full := filepath.Join(dir, filepath.FromSlash(p))
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		must(t, os.WriteFile(full, []byte(body), 0o644))
	}
	root, err := os.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { root.Close() })
	return dir, root
}

func mount(t testing.TB, f *FS, at string, src Source) {
	t.Helper()
	must(t, f.Mount(at, src, MountOptions{}))
}

func TestMounts(t *testing.T) {
	host, root := hostDir(t, map[string]string{"h": "host", "sub/x": "x", "sub/y": "y"})
	f := New(layerOf(t, []Entry{dir("etc"), file("etc/passwd"), file("etc/other"), dir("src"), file("src/covered"), symlink("link", "/etc")}, nil))
	mount(t, f, "/src", HostDir(root, false))
	mount(t, f, "/link/passwd", HostFile(root, "h", true))
	mount(t, f, "/far/away/dir", HostDir(root, false))
	mount(t, f, "/src/sub/nested", Devices(DeviceSet{}))
	want := []string{
		"./", "etc/", "etc/other", "etc/passwd", "far/", "far/away/", "far/away/dir/", "far/away/dir/h", "far/away/dir/sub/",
		"far/away/dir/sub/x", "far/away/dir/sub/y", "link", "src/", "src/h", "src/sub/", "src/sub/nested/", "src/sub/nested/full",
		"src/sub/nested/null", "src/sub/nested/random", "src/sub/nested/stderr", "src/sub/nested/stdin", "src/sub/nested/stdout",
		"src/sub/nested/tty", "src/sub/nested/urandom", "src/sub/nested/zero", "src/sub/x", "src/sub/y",
	}
	if diff := cmp.Diff(want, names(t, f)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	mustRead(t, f, "/etc/passwd", "host")
	mustRead(t, f, "/src/../src/sub/nested/../../h", "host")
	mustRead(t, f, "/far/away/dir/../../../etc/passwd", "host")
	must(t, f.WriteFile("/src/new", []byte("n"), 0o666))
	if b, err := os.ReadFile(filepath.Join(host, "new")); err != nil || string(b) != "n" {
		t.Errorf("on the host: %q, %v", b, err)
	}

	t.Run("busy", func(t *testing.T) {
		for _, p := range []string{"/src", "/far", "/far/away", "/etc", "/etc/passwd", "/src/sub"} {
			if p != "/etc/passwd" {
				wantErrno(t, "rename "+p, f.Rename(p, "/elsewhere"), syscall.EBUSY)
			}
			wantErrno(t, "remove "+p, f.Remove(p), syscall.EBUSY)
		}
		wantErrno(t, "mount again", f.Mount("/src", HostDir(root, false), MountOptions{}), syscall.EBUSY)
		wantErrno(t, "unmount beneath", f.Unmount("/src"), syscall.EBUSY)
	})
	t.Run("not part of the tree", func(t *testing.T) {
		g := f.Fork()
		want := []string{"./", "etc/", "etc/other", "etc/passwd", "link", "src/", "src/covered"}
		if diff := cmp.Diff(want, names(t, g)); diff != "" {
			t.Errorf("fork (-want +got)\n%s", diff)
		}
		if changes, err := Diff(g, f); err != nil || len(changes) != 0 {
			t.Errorf("Diff: %v, %v", paths(changes), err)
		}
	})
	t.Run("made real by what is made in them", func(t *testing.T) {
		must(t, f.WriteFile("/far/away/file", []byte("real"), 0o644))
		mustRead(t, f.Fork(), "/far/away/file", "real")
		if _, err := f.Fork().Stat("/far/away/dir"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("mounted name in the tree: %v", err)
		}
		mustRead(t, f, "/far/away/dir/h", "host")
	})
	t.Run("unmount", func(t *testing.T) {
		must(t, f.Unmount("/src/sub/nested"))
		must(t, f.Unmount("/src"))
		must(t, f.Unmount("/etc/passwd"))
		mustRead(t, f, "/src/covered", "")
		must(t, f.Unmount("/far/away/dir"))
		must(t, f.RemoveAll("/far"))
		wantErrno(t, "unmount of nothing", f.Unmount("/etc"), syscall.EINVAL)
		if f.mounts != nil {
			t.Error("mount table is not empty")
		}
	})
}

func TestMountOverRoot(t *testing.T) {
	_, root := hostDir(t, map[string]string{"a/b": "deep", "f": "top"})
	f := New(layerOf(t, []Entry{file("inner")}, nil))
	mount(t, f, "/", HostDir(root, false))
	mount(t, f, "/dev", Devices(DeviceSet{}))
	mustRead(t, f, "/a/../../f", "top")
	if _, err := f.Stat("/inner"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the tree shows: %v", err)
	}
	if err := f.WriteFile("/dev/null", []byte("x"), 0); err != nil {
		t.Error(err)
	}
	r := f.Root()
	defer r.Close()
	ents, err := r.ReadDirAt(0, 0)
	must(t, err)
	var got []string
	for _, e := range ents {
		got = append(got, e.Name)
	}
	if diff := cmp.Diff([]string{"a", "f", "dev"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	h, err := r.OpenAt("a", O_RDONLY, 0, AtBeneath)
	must(t, err)
	defer h.Close()
	if s, err := h.StatAt("../f", 0); err != nil || s.Size != 3 {
		t.Errorf("up from a handle: %+v, %v", s, err)
	}
	_, err = h.StatAt("../f", AtBeneath)
	wantErrno(t, "out of a handle", err, syscall.EPERM)
}

// TestTruncatedToRead: opening a file of the host for reading can empty it, and grants no more.
func TestTruncatedToRead(t *testing.T) {
	_, root := hostDir(t, map[string]string{"f": "contents"})
	f := New()
	mount(t, f, "/m", HostDir(root, false))
	h, err := f.Open("/m/f", O_RDONLY|O_TRUNC, 0)
	must(t, err)
	defer h.Close()
	if st, err := h.Stat(); err != nil || st.Size != 0 {
		t.Errorf("size %d, %v", st.Size, err)
	}
	_, err = h.Write([]byte("x"))
	wantErrno(t, "write", err, syscall.EBADF)
	wantErrno(t, "truncate", h.Truncate(1), syscall.EINVAL)
}

// TestReadOnlyMountRefusesEveryChange (RUSTSEC-2026-0188, eryx #71): no path to a
// change of a read-only mount may forget to check.
func TestReadOnlyMountRefusesEveryChange(t *testing.T) {
	host, root := hostDir(t, map[string]string{"f": "fixed", "d/x": "x"})
	_, rw := hostDir(t, map[string]string{"w": "w"})
	must(t, os.Symlink("f", filepath.Join(host, "l")))
	if err := os.Chmod(filepath.Join(host, "f"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := New()
	mount(t, f, "/ro", HostDir(root, true))
	mount(t, f, "/rw", HostDir(rw, false))
	mount(t, f, "/file", HostFile(root, "f", true))
	must(t, f.Mount("/opt", HostDir(root, false), MountOptions{ReadOnly: true}))
	must(t, f.WriteFile("/tree", []byte("t"), 0o644))
	open := func(p string, flag Flag) func() error {
		return func() error {
			h, err := f.Open(p, flag, 0o644)
			if err == nil {
				h.Close()
			}
			return err
		}
	}
	h, err := f.Open("/ro/f", O_RDONLY, 0)
	must(t, err)
	defer h.Close()
	d, err := f.Open("/ro/d", O_RDONLY, 0)
	must(t, err)
	defer d.Close()
	now := time.Now()
	tests := []struct {
		name string
		do   func() error
		want syscall.Errno
	}{
		{"open to write", open("/ro/f", O_WRONLY), syscall.EROFS},
		{"open to read and write", open("/ro/f", O_RDWR), syscall.EROFS},
		{"open to append", open("/ro/f", O_WRONLY|O_APPEND), syscall.EROFS},
		{"open to read and truncate", open("/ro/f", O_RDONLY|O_TRUNC), syscall.EROFS},
		{"open through a symlink", open("/ro/l", O_RDWR), syscall.EROFS},
		{"open by an option", open("/opt/f", O_RDWR), syscall.EROFS},
		{"open a mounted file", open("/file", O_RDWR), syscall.EROFS},
		{"create", open("/ro/new", O_WRONLY|O_CREATE), syscall.EROFS},
		{"create to read", open("/ro/new", O_RDONLY|O_CREATE|O_EXCL), syscall.EROFS},
		{"mkdir", func() error { return f.Mkdir("/ro/new", 0o755) }, syscall.EROFS},
		{"mkdir by handle", func() error { return d.MkdirAt("new", 0o755, 0) }, syscall.EROFS},
		{"symlink", func() error { return f.Symlink("x", "/ro/new") }, syscall.EROFS},
		{"remove", func() error { return f.Remove("/ro/f") }, syscall.EROFS},
		{"remove by handle", func() error { return d.UnlinkAt("x", 0) }, syscall.EROFS},
		{"rmdir", func() error { return f.RemoveAll("/ro/d") }, syscall.EROFS},
		{"rename within", func() error { return f.Rename("/ro/f", "/ro/g") }, syscall.EROFS},
		{"rename out", func() error { return f.Rename("/ro/f", "/rw/f") }, syscall.EXDEV},
		{"rename in", func() error { return f.Rename("/rw/w", "/ro/w") }, syscall.EXDEV},
		{"rename over", func() error { return f.Rename("/rw/w", "/ro/f") }, syscall.EXDEV},
		{"rename into the tree", func() error { return f.Rename("/ro/f", "/f") }, syscall.EXDEV},
		{"rename from the tree", func() error { return f.Rename("/tree", "/ro/tree") }, syscall.EXDEV},
		{"link within", func() error { return f.Link("/ro/f", "/ro/g") }, syscall.EROFS},
		{"link out", func() error { return f.Link("/ro/f", "/rw/g") }, syscall.EXDEV},
		{"link of a mounted file", func() error { return f.Link("/file", "/rw/g") }, syscall.EXDEV},
		{"link into another mount of it", func() error { return f.Link("/ro/f", "/opt/g") }, syscall.EXDEV},
		{"link in", func() error { return f.Link("/rw/w", "/ro/g") }, syscall.EXDEV},
		{"link into the tree", func() error { return f.Link("/ro/f", "/g") }, syscall.EXDEV},
		{"chmod", func() error { return f.Chmod("/ro/f", 0o777) }, syscall.EROFS},
		{"chmod of the file mount", func() error { return f.Chmod("/file", 0o777) }, syscall.EROFS},
		{"chmod of the mount itself", func() error { return f.Chmod("/ro", 0o777) }, syscall.EROFS},
		{"chmod by handle", func() error { return h.Chmod(0o777) }, syscall.EROFS},
		{"chmod of a directory by handle", func() error { return d.Chmod(0o777) }, syscall.EROFS},
		{"chown", func() error { return f.Chown("/ro/f", 1, 1) }, syscall.EROFS},
		{"lchown", func() error { return f.Lchown("/ro/l", 1, 1) }, syscall.EROFS},
		{"chown by handle", func() error { return h.Chown(1, 1) }, syscall.EROFS},
		{"chtimes", func() error { return f.Chtimes("/ro/f", now, now) }, syscall.EROFS},
		{"chtimes by handle", func() error { return h.Chtimes(now, now) }, syscall.EROFS},
		{"chtimes of a directory by handle", func() error { return d.Chtimes(now, now) }, syscall.EROFS},
		{"truncate", func() error { return f.Truncate("/ro/f", 0) }, syscall.EROFS},
		{"truncate by handle", func() error { return h.Truncate(0) }, syscall.EINVAL},
		{"allocate by handle", func() error { return h.Allocate(0, 100) }, syscall.EBADF},
		{"write by handle", func() error { _, err := h.Write([]byte("x")); return err }, syscall.EBADF},
		{"write at by handle", func() error { _, err := h.WriteAt([]byte("x"), 0); return err }, syscall.EBADF},
	}
	before := hostNames(t, host)
	for _, tt := range tests {
		wantErrno(t, tt.name, tt.do(), tt.want)
	}
	if diff := cmp.Diff(before, hostNames(t, host)); diff != "" {
		t.Errorf("the host changed (-before +after)\n%s", diff)
	}
	if info, err := os.Stat(filepath.Join(host, "f")); err != nil || info.Mode() != 0o644 && os.PathSeparator == '/' {
		t.Errorf("mode on the host: %v, %v", info.Mode(), err)
	}
	mustRead(t, f, "/ro/f", "fixed")
}

func hostNames(t testing.TB, dir string) []string {
	t.Helper()
	var list []string
	must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil && info.Mode().IsRegular() {
				p += info.ModTime().String()
			}
		}
		list = append(list, p)
		return err
	}))
	return list
}

// TestGuestSymlinkDoesNotLeaveTheMount (wazero #2321, wasmer CVE-2024-38358,
// GHSA-vqjp-4c8c-hfgg, librefang #4054): symlinks made in a mount, by guest or
// host, lead to places in the box and never to the host's.
func TestGuestSymlinkDoesNotLeaveTheMount(t *testing.T) {
	outside, _ := hostDir(t, map[string]string{"secret": "of the host", "d/secret": "of the host"})
	_, root := hostDir(t, map[string]string{"in": "in", "sub/y": "y"})
	f := New(layerOf(t, []Entry{dir("etc"), file("etc/hostname")}, map[string]string{"etc/hostname": "box"}))
	mount(t, f, "/m", HostDir(root, false))
	mustLink := func(target, name string) {
		t.Helper()
		must(t, f.Symlink(target, name))
	}
	up := strings.Repeat("../", 30)
	mustLink(filepath.ToSlash(outside), "/m/abs")
	mustLink(up+strings.TrimPrefix(filepath.ToSlash(outside), "/"), "/m/rel")
	mustLink(filepath.ToSlash(outside)+"/secret", "/m/file")
	mustLink("/etc/hostname", "/m/box")
	mustLink("../etc/hostname", "/m/boxrel")
	mustLink("sub/../../m/sub/../in", "/m/round")
	for _, p := range []string{
		"/m/abs/secret", "/m/rel/secret", "/m/file", "/m/abs/", "/m/abs/d/", "/m/rel/d/secret", "/m/rel", "/m/file/",
		"/m/" + up + outside + "/secret",
	} {
		if b, err := f.ReadFile(p); err == nil {
			t.Errorf("ReadFile(%q) = %q", p, b)
		}
		if s, err := f.Stat(p); err == nil {
			t.Errorf("Stat(%q) = %+v", p, s)
		}
		if ents, err := f.ReadDir(p); err == nil {
			t.Errorf("ReadDir(%q) = %v", p, ents)
		}
	}
	for _, p := range []string{"/m/abs/new", "/m/rel/new", "/m/file", "/m/abs/d/new"} {
		if err := f.WriteFile(p, []byte("escaped"), 0o644); err == nil && !strings.HasPrefix(p, "/m/file") {
			t.Errorf("WriteFile(%q) worked", p)
		}
		f.Mkdir(p, 0o755)
		f.Chmod(p, 0o600)
		f.Truncate(p, 0)
		f.Remove(p)
	}
	want := []string{"d", "d/secret", "secret"}
	var got []string
	must(t, fs.WalkDir(os.DirFS(outside), ".", func(p string, _ fs.DirEntry, err error) error {
		if p != "." {
			got = append(got, p)
		}
		return err
	}))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outside (-want +got)\n%s", diff)
	}
	if b, err := os.ReadFile(filepath.Join(outside, "secret")); string(b) != "of the host" {
		t.Errorf("outside: %q, %v", b, err)
	}
	mustRead(t, f, "/m/box", "box")
	mustRead(t, f, "/m/boxrel", "box")
	mustRead(t, f, "/m/round", "in")

	h, err := f.Open("/m", O_RDONLY, 0)
	must(t, err)
	defer h.Close()
	for _, p := range []string{"box", "boxrel", "abs/secret", "abs/", "../etc/hostname", "/etc/hostname", "sub/../../etc/hostname"} {
		_, err := h.OpenAt(p, O_RDONLY, 0, AtBeneath)
		wantErrno(t, p, err, syscall.EPERM)
	}
}

// TestSwappedSymlinkDoesNotEscape (epsilon #79): a component that becomes a
// symlink between check and use.
func TestSwappedSymlinkDoesNotEscape(t *testing.T) {
	outside, _ := hostDir(t, map[string]string{"f": "outside"})
	host, root := hostDir(t, map[string]string{"d/f": "inside"})
	f := New()
	mount(t, f, "/m", HostDir(root, false))
	link, real, tmp := filepath.Join(host, "d"), filepath.Join(host, "real"), filepath.Join(host, "tmp")
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			os.Rename(link, real)
			os.Symlink(outside, tmp)
			os.Rename(tmp, link)
			os.Remove(link)
			os.Rename(real, link)
		}
	}()
	for range 3000 {
		if b, err := f.ReadFile("/m/d/f"); err == nil && string(b) != "inside" && len(b) > 0 {
			t.Errorf("read %q", b)
			break
		}
		if h, err := f.Open("/m/d/f", O_WRONLY, 0); err == nil {
			h.WriteAt([]byte("inside"), 0)
			h.Close()
		}
		f.Chmod("/m/d/f", 0o600)
	}
	close(stop)
	<-done
	if b, err := os.ReadFile(filepath.Join(outside, "f")); string(b) != "outside" {
		t.Errorf("outside: %q, %v", b, err)
	}
}

// TestHostHandlesFollowTheFile checks that open files and directories of a host
// survive being renamed and removed.
func TestHostHandlesFollowTheFile(t *testing.T) {
	host, root := hostDir(t, map[string]string{"d/f": "f"})
	f := New()
	mount(t, f, "/m", HostDir(root, false))
	d, err := f.Open("/m/d", O_RDONLY, 0)
	must(t, err)
	defer d.Close()
	h, err := d.OpenAt("f", O_RDWR, 0, 0)
	must(t, err)
	defer h.Close()
	must(t, f.Rename("/m/d", "/m/e"))
	must(t, os.Mkdir(filepath.Join(host, "d"), 0o755))
	if s, err := d.StatAt("f", 0); err != nil || s.Size != 1 {
		t.Errorf("in a renamed directory: %+v, %v", s, err)
	}
	must(t, d.MkdirAt("made", 0o755, 0))
	must(t, d.RenameAt("made", d, "moved", 0))
	if _, err := os.Stat(filepath.Join(host, "e", "moved")); err != nil {
		t.Error(err)
	}
	must(t, d.UnlinkAt("f", 0))
	if _, err := h.WriteAt([]byte("still"), 0); err != nil {
		t.Error(err)
	}
	at := time.Unix(1_500_000_000, 123_000)
	must(t, h.Chtimes(at, at))
	if s, err := h.Stat(); err != nil || s.Size != 5 || !s.Mtime.Equal(at) || !s.Atime.Equal(at) {
		t.Errorf("removed file: %+v, %v", s, err)
	}
}

func TestHostMetadata(t *testing.T) {
	host, root := hostDir(t, map[string]string{"f": "f"})
	f := New()
	mount(t, f, "/m", HostDir(root, false))
	must(t, f.Symlink("f", "/m/l"))
	at, mt := time.Unix(1_400_000_000, 5_000), time.Unix(1_500_000_000, 7_000)
	must(t, f.Chtimes("/m/l", at, mt))
	must(t, f.Chtimes("/m/f", time.Time{}, mt))
	if s, err := f.Lstat("/m/f"); err != nil || !s.Mtime.Equal(mt) || !s.Atime.Equal(at) {
		t.Errorf("times through a symlink: %+v, %v", s, err)
	}
	r := f.Root()
	defer r.Close()
	must(t, r.ChtimesAt("m/l", at, at, AtNoFollow))
	if s, err := f.Lstat("/m/l"); err != nil || !s.Mtime.Equal(at) {
		t.Errorf("times of a symlink: %+v, %v", s, err)
	}
	must(t, f.Chmod("/m/f", 0o640|fs.ModeSetuid|fs.ModeSetgid))
	info, err := os.Stat(filepath.Join(host, "f"))
	must(t, err)
	if info.Mode() != 0o640 {
		t.Errorf("mode on the host: %v", info.Mode())
	}
	wantErrno(t, "chmod of a symlink", r.ChmodAt("m/l", 0o600, AtNoFollow), syscall.ENOTSUP)
}

func TestDevices(t *testing.T) {
	var out, errs strings.Builder
	f := New()
	mount(t, f, "/dev", Devices(DeviceSet{
		Stdin: strings.NewReader("input"), Stdout: &out, Stderr: &errs, Random: strings.NewReader(strings.Repeat("r", 100)),
	}))
	mustRead(t, f, "/dev/null", "")
	mustRead(t, f, "/dev/stdin", "input")
	must(t, f.WriteFile("/dev/stdout", []byte("to out"), 0))
	must(t, f.WriteFile("/dev/stderr", []byte("to err"), 0))
	if out.String() != "to out" || errs.String() != "to err" {
		t.Errorf("streams got %q and %q", out.String(), errs.String())
	}
	must(t, f.WriteFile("/dev/null", []byte("gone"), 0))
	wantErrno(t, "full", f.WriteFile("/dev/full", []byte("x"), 0), syscall.ENOSPC)
	for name, want := range map[string]string{"zero": "\x00\x00\x00", "full": "\x00\x00\x00", "random": "rrr", "urandom": "rrr"} {
		h, err := f.Open("/dev/"+name, O_RDWR, 0)
		must(t, err)
		b := make([]byte, 3)
		if _, err := io.ReadFull(h, b); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		must(t, h.Close())
	}
	tests := []struct {
		name string
		do   func() error
		want syscall.Errno
	}{
		{"tty", func() error { _, err := f.Open("/dev/tty", O_RDWR, 0); return err }, syscall.ENXIO},
		{"stdin to write", func() error { _, err := f.Open("/dev/stdin", O_WRONLY, 0); return err }, syscall.EACCES},
		{"stdout to read", func() error { _, err := f.Open("/dev/stdout", O_RDONLY, 0); return err }, syscall.EACCES},
		{"create", func() error { return f.WriteFile("/dev/new", nil, 0o644) }, syscall.EROFS},
		{"remove", func() error { return f.Remove("/dev/null") }, syscall.EROFS},
		{"rename", func() error { return f.Rename("/dev/null", "/dev/nil") }, syscall.EROFS},
		{"rename out", func() error { return f.Rename("/dev/null", "/null") }, syscall.EXDEV},
		{"link out", func() error { return f.Link("/dev/null", "/null") }, syscall.EXDEV},
		{"directory", func() error { _, err := f.Stat("/dev/null/x"); return err }, syscall.ENOTDIR},
		{"missing", func() error { _, err := f.Stat("/dev/sda"); return err }, syscall.ENOENT},
	}
	for _, tt := range tests {
		wantErrno(t, tt.name, tt.do(), tt.want)
	}
	if s, err := f.Stat("/dev/null"); err != nil || s.Mode != 0o666|fs.ModeDevice|fs.ModeCharDevice || s.Rdev != 1<<8|3 {
		t.Errorf("Stat(/dev/null) = %+v, %v", s, err)
	}
	h, err := f.Open("/dev/stdout", O_WRONLY, 0)
	must(t, err)
	defer h.Close()
	_, err = h.Seek(0, io.SeekStart)
	wantErrno(t, "seek in a stream", err, syscall.ESPIPE)
}

// TestStreamErrorsPass checks that what an embedding program's stream reports is
// what the caller sees, so that it can tell an interrupted read.
func TestStreamErrorsPass(t *testing.T) {
	broken := errors.New("interrupted")
	f := New()
	mount(t, f, "/dev", Devices(DeviceSet{Stdin: errReader{broken}}))
	if _, err := f.ReadFile("/dev/stdin"); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestMountErrors(t *testing.T) {
	_, root := hostDir(t, map[string]string{"f": "f", "d/x": ""})
	f := New(layerOf(t, []Entry{file("file"), symlink("loop", "loop")}, nil))
	tests := []struct {
		at   string
		src  Source
		want syscall.Errno
	}{
		{"relative", HostDir(root, false), syscall.EINVAL},
		{"/file/below", HostDir(root, false), syscall.ENOTDIR},
		{"/loop/x", HostDir(root, false), syscall.ELOOP},
		{"/x", HostFile(root, "missing", false), syscall.ENOENT},
		{"/x", HostFile(root, "d", false), syscall.EISDIR},
		{"/" + strings.Repeat("n", 256), HostDir(root, false), syscall.ENAMETOOLONG},
	}
	for _, tt := range tests {
		wantErrno(t, tt.at, f.Mount(tt.at, tt.src, MountOptions{}), tt.want)
	}
	if !slices.Equal(names(t, f), []string{"./", "file", "loop"}) {
		t.Errorf("left behind: %v", names(t, f))
	}
}

// TestDepthsOfMountTakeNoTime: the host looks up every path from its beginning, so that symlinks to deep places would keep
// one call busy for minutes, which no deadline ends.
func TestDepthsOfMountTakeNoTime(t *testing.T) {
	_, root := hostDir(t, nil)
	f := New()
	mount(t, f, "/m", HostDir(root, false))
	d, err := f.Open("/m", O_RDONLY, 0)
	must(t, err)
	for range 150 {
		must(t, d.MkdirAt("a", 0o755, 0))
		below, err := d.OpenAt("a", O_RDONLY, 0, 0)
		must(t, err)
		d.Close()
		d = below
	}
	defer d.Close()
	must(t, d.MkdirAt("reachable", 0o755, AtBeneath))
	down := "/m/" + strings.Repeat("a/", 120)
	if _, err := f.Stat(down); err != nil {
		t.Error(err)
	}
	_, err = f.Stat("/m/" + strings.Repeat("a/", 150))
	wantErrno(t, "too deep", err, syscall.ENAMETOOLONG)
	_, err = f.Stat(down + strings.Repeat("../a/", 20))
	wantErrno(t, "up and down", err, syscall.ENAMETOOLONG)
	half := "/m/" + strings.Repeat("a/", 60)
	for i := range 5 {
		must(t, f.Symlink(fmt.Sprintf("%sl%d", half, i), fmt.Sprintf("%sl%d", half, i+1)))
	}
	_, err = f.Stat(half + "l5")
	wantErrno(t, "by symlinks", err, syscall.ENAMETOOLONG)
}

// What the host takes long for ends when nobody waits for it any more: it can be a second, for a directory of 100,000 files.
func TestUntil(t *testing.T) {
	files := map[string]string{"deep/er/x": "", "many/of/x": ""}
	for i := range 2 * listPiece {
		files[fmt.Sprint("many/", i)] = ""
	}
	_, root := hostDir(t, files)
	f := New()
	mount(t, f, "/m", HostDir(root, false))
	list := func(over bool) {
		t.Helper()
		d, err := f.Open("/m", O_RDONLY, 0)
		must(t, err)
		defer d.Close()
		many, err := d.OpenAt("many", O_RDONLY, 0, 0)
		must(t, err)
		defer many.Close()
		done := make(chan struct{})
		if over {
			close(done)
			f.Until(done)
			defer f.Until(nil)
		}
		ents, err := many.ReadDirAt(0, 0)
		if _, looked := d.StatAt("deep/er/x", 0); over {
			wantErrno(t, "listing", err, syscall.EINTR)
			wantErrno(t, "looking for a file", looked, syscall.EINTR)
		} else if err != nil || len(ents) != len(files)-1 || looked != nil {
			t.Errorf("%d entries, %v, %v", len(ents), err, looked)
		}
	}
	list(false)
	list(true)
	list(false)
}
