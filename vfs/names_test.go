package vfs

import (
	"strings"
	"syscall"
	"testing"
)

// TestOddNamesAreNamesOnly: names that mean something elsewhere are files like others, in the tree and in a mount of a system that
// has no such names; what cannot be a name is refused.
func TestOddNamesAreNamesOnly(t *testing.T) {
	host, root := hostDir(t, nil)
	f := New()
	mount(t, f, "/m", HostDir(root, false))
	odd := []string{
		"new\nline", "\x1b[2J", "\xff\xfe", "a:b", `..\..\x`, "CON", "nul", "e\u0301", "\u00e9", "\u202egnp.exe", "\u200b", " ", "...", "-rf", "self", "fd", "~", "%2e%2e", "*",
	}
	places := []string{"/"}
	if validHostName("a:b") {
		places = append(places, "/m/")
	}
	for _, place := range places {
		for _, name := range odd {
			if err := f.WriteFile(place+name, []byte(name), 0o644); err == syscall.EILSEQ {
				continue // of a host that insists on an encoding
			}
			mustRead(t, f, place+name, name)
		}
		for name, want := range map[string]syscall.Errno{
			"a\x00b": syscall.EINVAL, "": syscall.EISDIR, ".": syscall.EISDIR, "..": syscall.EISDIR, strings.Repeat("n", 256): syscall.ENAMETOOLONG,
			strings.Repeat("n/", 3000): syscall.ENAMETOOLONG, "proc/self/fd/0": syscall.ENOENT, "proc/self/root/etc/passwd": syscall.ENOENT,
		} {
			wantErrno(t, name, f.WriteFile(place+name, nil, 0o644), want)
		}
	}
	if list := hostNames(t, host); validHostName("a:b") && len(list) != 1+len(odd) {
		t.Errorf("the host has %q", list)
	}
}
