package export

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/vfs"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		spec string
		want Output
	}{
		{"out", Output{Type: Local, Dest: "out"}},
		{"-", Output{Type: Tar, Dest: Stdout}},
		{"type=local,dest=out", Output{Type: Local, Dest: "out"}},
		{"type=tar", Output{Type: Tar, Dest: Stdout}},
		{"dest=a.tar,type=tar", Output{Type: Tar, Dest: "a.tar"}},
		{`type=oci,"dest=a,b.tar",name=app`, Output{Type: OCI, Dest: "a,b.tar", Names: []string{"app"}}},
		{"type=oci,tar=false,dest=layout", Output{Type: OCI, Dest: "layout", Layout: true}},
		{"type=exe,dest=app,boxer=boxer.exe", Output{Type: Exe, Dest: "app", Boxer: "boxer.exe"}},
		{"type=image,name=app", Output{Type: Image, Names: []string{"app"}}},
		{"type=cacheonly", Output{Type: CacheOnly}},
	} {
		got, err := Parse(test.spec)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", test.spec, err, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ spec, want string }{
		{"", "EOF"},
		{"dest=out", "no type"},
		{"type=exe", "a file is needed"},
		{"type=tar,boxer=x", "has no boxer"},
		{"type=local", "a directory is needed"},
		{"type=local,dest=-", "a directory is needed"},
		{"type=image,dest=x", "has no dest"},
		{"type=docker,dest=x", "boxer writes no archives of that type"},
		{"type=registry", "a build does not push"},
		{"type=image,push=true", "a build does not push"},
		{"type=oci,dest=x,compression=gzip", "one compression"},
		{"type=oci,tar=maybe,dest=x", "true or false"},
		{"type=oci,tar=false", "for a directory"},
		{"type=tar,name=x", "has no name"},
		{"type=zip,dest=x", `unknown type "zip"`},
		{"type=oci,tag", "no KEY=VALUE"},
		{"type=oci,dst=x", `unknown key "dst"`},
	} {
		_, err := Parse(test.spec)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.spec, err, test.want)
		}
	}
	if _, err := ParseAll([]string{"-", "type=oci"}); err == nil {
		t.Error("two outputs share standard output")
	}
}

// tree is a box's files with one of each kind.
func tree(t *testing.T) *vfs.FS {
	t.Helper()
	f := vfs.New()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(f.MkdirAll("/app/sub", 0o755))
	check(f.WriteFile("/app/run.py", []byte("print(1)\n"), 0o750))
	check(f.Chmod("/app/run.py", 0o750|fs.ModeSetuid))
	check(f.Chown("/app/run.py", 1234, 1235))
	check(f.Link("/app/run.py", "/app/again.py"))
	check(f.Symlink("/etc/passwd", "/app/link"))
	check(f.WriteFile("/app/sub/x", []byte("x"), 0o444))
	check(f.Chmod("/app/sub", 0o555))
	check(f.Chtimes("/app/run.py", time.Unix(1e9, 0), time.Unix(1e9, 0)))
	return f
}

func TestFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no owners, permissions or links that could be asked for")
	}
	dir := filepath.Join(t.TempDir(), "out")
	for range 2 { // the second time, everything is there already
		if err := Files(dir, tree(t)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "app/again.py"))
	if string(text) != "print(1)\n" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	info, err := os.Lstat(filepath.Join(dir, "app/run.py"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o750 {
		t.Errorf("mode %v: set-user-id is for the box's users", info.Mode())
	}
	if !info.ModTime().Equal(time.Unix(1e9, 0)) {
		t.Errorf("time %v", info.ModTime())
	}
	if again, err := os.Lstat(filepath.Join(dir, "app/again.py")); err != nil || !os.SameFile(info, again) {
		t.Errorf("the hard link is a file of its own: %v", err)
	}
	if target, err := os.Readlink(filepath.Join(dir, "app/link")); target != "/etc/passwd" || err != nil {
		t.Errorf("link to %q, %v", target, err)
	}
	if sub, err := os.Stat(filepath.Join(dir, "app/sub")); err != nil || sub.Mode().Perm() != 0o555 {
		t.Errorf("directory: %v, %v", sub, err)
	}
	os.Chmod(filepath.Join(dir, "app/sub"), 0o755) // or it cannot be removed
}

// TestSymlinksLeadNowhere: links that wait in the destination do not carry what is written out of it.
func TestSymlinksLeadNowhere(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "run.py"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"app": outside, "etc": "../" + filepath.Base(outside)} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	f := vfs.New()
	for _, name := range []string{"/app", "/etc"} {
		if err := errors.Join(f.Mkdir(name, 0o755), f.WriteFile(name+"/run.py", []byte("theirs"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Files(dir, f); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(outside, "run.py"))
	if string(text) != "mine" || err != nil {
		t.Errorf("outside: %q, %v", text, err)
	}
	text, err = os.ReadFile(filepath.Join(dir, "app/run.py"))
	if string(text) != "theirs" || err != nil {
		t.Errorf("inside: %q, %v", text, err)
	}
}

// TestFileOverSymlink: a link with the name of a file is replaced, not written through.
func TestFileOverSymlink(t *testing.T) {
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o600), os.Symlink(victim, filepath.Join(dir, "file"))); err != nil {
		t.Fatal(err)
	}
	f := vfs.New()
	if err := f.WriteFile("/file", []byte("theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Files(dir, f); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(victim); string(text) != "mine" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

func TestDirectoryIsNotReplacedByFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "app", "mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	f := vfs.New()
	if err := f.WriteFile("/app", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Files(dir, f); err == nil || !strings.Contains(err.Error(), "a directory is in its place") {
		t.Errorf("%v", err)
	}
}

// TestCaseCollision stands in for file systems that do not tell cases apart.
func TestCaseCollision(t *testing.T) {
	l := &local{made: map[string]bool{"readme": true}}
	var err error
	if l.root, err = os.OpenRoot(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	defer l.root.Close()
	if err := l.root.WriteFile("README", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.clear("README", false); err == nil || !strings.Contains(err.Error(), "differs only in case") {
		t.Errorf("%v", err)
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	write := func(text string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
	}
	if err := errors.Join(File(name, write("one")), File(name, write("two"))); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := File(name, func(w io.Writer) error { return errors.Join(write("thr")(w), broken) }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(name); string(text) != "two" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if names, err := filepath.Glob(filepath.Join(dir, ".*")); len(names) > 0 || err != nil {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

// TestDeviceStays: writing to /dev/null does not put a file in its place.
func TestDeviceStays(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no devices in its file system")
	}
	if err := File(os.DevNull, func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err }); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Fatalf("%v, %v", info, err)
	}
}
