package runtime

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/vfs"
)

func TestUser(t *testing.T) {
	tree := newTree(t, map[string]string{
		"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App,,,:/home/app:\nbad:x:-1:0::\nshort:x\n",
		"/etc/group":  "root:x:0:\nstaff:x:50:app\n",
	})
	for spec, want := range map[string]user{
		"": {}, "root": {}, "app": {1000, 1001}, "1000": {1000, 1001}, "app:staff": {1000, 50}, "app:7": {1000, 7},
		"4242": {4242, 0}, "4242:staff": {4242, 50}, ":50": {0, 50}, "app:": {1000, 1001},
	} {
		if got, err := lookupUser(tree, spec); got != want || err != nil {
			t.Errorf("%q: %+v, %v; want %+v", spec, got, err, want)
		}
	}
	for _, spec := range []string{"nobody", "app:nogroup", "-1", "4294967296", "bad", "short"} {
		if got, err := lookupUser(tree, spec); err == nil {
			t.Errorf("%q: %+v", spec, got)
		}
	}
	if got, err := lookupUser(vfs.New(), "5:6"); got != (user{5, 6}) || err != nil {
		t.Errorf("numbers without files: %+v, %v", got, err)
	}
	b := newBox(t, nil, v1.Config{User: "12:34"})
	if got, err := run(t, b, Cmd{Args: []string{"sh", "-c", "id -u; id -g"}}); got.Stdout != "12\n34\n" {
		t.Errorf("id: %+v, %v", got, err)
	}
}

func TestMounts(t *testing.T) {
	host := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	for name, data := range map[string]string{filepath.Join(host, "a"): "from the host", secret: "secret"} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := newBox(t, nil, v1.Config{})
	mounts := []Mount{
		{Source: host, Target: "/data"},
		{Source: host, Target: "/fixed/deep", ReadOnly: true},
		{Source: filepath.Join(host, "a"), Target: "/one", ReadOnly: true},
	}
	for _, test := range []struct {
		args   string
		want   string
		status int
	}{
		{"guest cat /data/a", "from the host", 0},
		{"guest cat /fixed/deep/a", "from the host", 0},
		{"guest cat /one", "from the host", 0},
		{"guest write /data/b new", "", 0},
		{"guest write /fixed/deep/c new", "", 1},
		{"guest write /one new", "", 1},
		{"guest ls /fixed", "deep\n", 0},
	} {
		got, err := run(t, b, Cmd{Args: strings.Fields(test.args), Mounts: mounts})
		if got.Stdout != test.want || got.Status != test.status {
			t.Errorf("%s: %+v, %v", test.args, got, err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(host, "b")); string(data) != "new" {
		t.Errorf("written through the mount: %q, %v", data, err)
	}
	for _, bad := range []Mount{{Source: host, Target: "relative"}, {Source: filepath.Join(host, "none"), Target: "/x"}} {
		if got, err := run(t, b, Cmd{Args: []string{"guest"}, Mounts: []Mount{bad}}); got.Status != StatusFailure {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestMountsInAnyOrder: one mount may lie in another that is named later, and "/" is where all others lie.
func TestMountsInAnyOrder(t *testing.T) {
	outer, inner := t.TempDir(), t.TempDir()
	for dir, name := range map[string]string{outer: "o", inner: "i"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range []struct{ outer, inner string }{{"/a", "/a/b"}, {"/", "/b"}, {"/", "/a/b/c"}, {"/x/long", "/x/long/er"}} {
		for _, given := range []*vfs.FS{nil, newTree(t, nil)} {
			b := newBox(t, nil, v1.Config{})
			mounts := []Mount{{Source: inner, Target: at.inner}, {Source: outer, Target: at.outer}}
			args := []string{"cat", path.Join(at.outer, "o"), path.Join(at.inner, "i"), "/dev/null"}
			got, err := run(t, b, Cmd{Args: args, Mounts: mounts, FS: given})
			if err != nil || got.Stdout != "oi" {
				t.Errorf("%q in %q: %+v, %v", at.inner, at.outer, got, err)
			}
			if given == nil {
				continue
			}
			names, err := given.ReadDir("/")
			if err != nil || len(names) != 1 || names[0].Name() != "bin" {
				t.Errorf("%q in %q: the tree afterwards: %v, %v", at.inner, at.outer, names, err)
			}
		}
	}
}

// TestSymlinkMadeByTheGuestStaysInTheMount is wazero #2321.
func TestSymlinkMadeByTheGuestStaysInTheMount(t *testing.T) {
	host, outside := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBox(t, nil, v1.Config{})
	mounts := []Mount{{Source: host, Target: "/data"}}
	up, err := filepath.Rel(host, secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{secret, up} {
		script := `guest symlink "$0" /data/link; guest cat /data/link; guest write /data/link overwritten; rm -f /data/link`
		got, _ := run(t, b, Cmd{Args: []string{"sh", "-c", script, target}, Mounts: mounts})
		if strings.Contains(got.Stdout, "secret") {
			t.Errorf("%s: read %q", target, got.Stdout)
		}
	}
	if data, err := os.ReadFile(secret); string(data) != "secret" {
		t.Errorf("the secret is now %q, %v", data, err)
	}
}

func TestPreopens(t *testing.T) {
	host := t.TempDir()
	if err := os.WriteFile(filepath.Join(host, "a"), []byte("from the host"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBox(t, map[string]string{"/etc/own": "of the box"}, v1.Config{})
	for _, test := range []struct {
		guest, args string
		want        string
		status      int
	}{
		{"/", "guest cat /a", "from the host", 0},
		{"/", "guest ls /", "a\n", 0},
		{"/", "guest cat /etc/own", "", 1},
		{"/there", "guest cat /there/a", "from the host", 0},
		{"/there", "guest cat /etc/own", "of the box", 0},
	} {
		got, err := run(t, b, Cmd{Args: strings.Fields(test.args), Preopens: []Preopen{{Source: host, Guest: test.guest}}})
		if got.Stdout != test.want || got.Status != test.status {
			t.Errorf("%s as %s: %+v, %v", test.args, test.guest, got, err)
		}
	}
	if got, _ := run(t, b, Cmd{Args: strings.Fields("guest write /b x"), Preopens: []Preopen{{Source: host, Guest: "/", ReadOnly: true}}}); got.Status != 1 {
		t.Errorf("writing to a read-only directory: %+v", got)
	}
}

// TestHostDirectoryIsNotMountedByDefault is wasmer #4267.
func TestHostDirectoryIsNotMountedByDefault(t *testing.T) {
	b := newBox(t, nil, v1.Config{})
	got, err := run(t, b, Cmd{Args: []string{"guest", "ls", "/"}})
	if err != nil || got.Stdout != "bin\ndev\ntmp\n" {
		t.Errorf("%+v, %v", got, err)
	}
}
