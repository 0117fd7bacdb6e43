package vfs

import (
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// TestNamesOfWindows: in a mount, names are files of that directory or nothing: no streams, drives, devices or other separators.
func TestNamesOfWindows(t *testing.T) {
	host, root := hostDir(t, map[string]string{"d/f": "f"})
	f := New()
	mount(t, f, "/m", HostDir(root, false))
	for _, name := range []string{`d\f`, `..\x`, `f:stream`, `C:`, `C:\x`, `a*`, `?`, `"`, `<`, `>`, `|`, "NUL", "con", "COM1", "lpt1.txt", "CONIN$"} {
		if b, err := f.ReadFile("/m/d/" + name); err == nil {
			t.Errorf("ReadFile(%q) = %q", name, b)
		}
		if err := f.WriteFile("/m/d/"+name, []byte("x"), 0o644); err == nil {
			t.Errorf("WriteFile(%q) worked", name)
		}
		if err := f.Mkdir("/m/d/"+name, 0o755); err == nil {
			t.Errorf("Mkdir(%q) worked", name)
		}
	}
	wantErrno(t, "a stream", f.WriteFile("/m/d/f:s", nil, 0o644), syscall.EINVAL)
	var names []string
	must(t, fs.WalkDir(os.DirFS(host), ".", func(p string, _ fs.DirEntry, err error) error {
		names = append(names, p)
		return err
	}))
	if len(names) != 3 {
		t.Errorf("the host has %q", names)
	}
}
