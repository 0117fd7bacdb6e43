package vfs

import (
	"testing"
	"testing/fstest"
)

// TestIOFS runs the standard library's own checks.
func TestIOFS(t *testing.T) {
	_, root := hostDir(t, map[string]string{"h": "host", "s/x": "x"})
	f := New(layerOf(t, []Entry{dir("d"), file("d/low"), symlink("l", "d/low"), dir("d/empty")}, map[string]string{"d/low": "contents"}))
	must(t, f.WriteFile("/d/up", []byte("up"), 0o600))
	mount(t, f, "/far/m", HostDir(root, false))
	mount(t, f, "/d/file", HostFile(root, "h", true))
	if err := fstest.TestFS(f.IOFS(), "d/low", "d/up", "d/empty", "l", "far/m/s/x", "d/file"); err != nil {
		t.Error(err)
	}
}
