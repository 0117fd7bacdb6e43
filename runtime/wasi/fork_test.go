package wasi

import (
	"strings"
	"testing"
)

func TestFork(t *testing.T) {
	p := callable(nil)
	p.FS = nil
	g := newGuest(t, p)
	g.file(root, "kept", "0123456789")
	g.file(root, "gone", "0123456789")
	kept := g.open(root, "kept", open{rights: rightFdRead | rightFdSeek})
	gone := g.open(root, "gone", open{rights: rightFdRead})
	g.read(kept, 3)
	copied := g.alloc(4)
	g.ok("boxer.fd_dup", kept, 0, copied)
	r, w := g.pipe()
	g.write(w, "in the pipe")
	call := g.startCall("block", "")
	name, n := g.put("gone")
	g.ok("path_unlink_file", root, name, n)

	f, err := p.Fork(p.FS.Fork())
	if err != nil {
		t.Fatal(err)
	}
	other := newGuest(t, f)
	if got := other.read(kept, 3); got != "345" {
		t.Errorf("the fork reads %q", got)
	}
	if got := other.read(uint64(g.u32(copied)), 3); got != "678" {
		t.Errorf("its duplicate reads %q", got)
	}
	if got := g.read(kept, 3); got != "345" {
		t.Errorf("the original reads %q", got)
	}
	if got := other.read(r, 100); got != "in the pipe" {
		t.Errorf("the fork's pipe gives %q", got)
	}
	if got := g.read(r, 100); got != "in the pipe" {
		t.Errorf("the original's pipe gives %q", got)
	}
	other.fails(errnoBadf, "fd_close", gone)
	other.fails(errnoBadf, "fd_close", call)
	other.file(root, "new", "")
	if _, err := p.FS.Stat("/new"); err == nil {
		t.Error("the original sees a file of the fork")
	}
}

func TestSetStreams(t *testing.T) {
	var first, second strings.Builder
	p := &Process{Stdin: strings.NewReader("old"), Stdout: &first}
	g := newGuest(t, p)
	copied := g.alloc(4)
	g.ok("boxer.fd_dup", 1, 0, copied)
	g.write(1, "a")
	p.SetStreams(strings.NewReader("new"), &second, nil)
	g.write(1, "b")
	g.write(uint64(g.u32(copied)), "c")
	if got := g.read(0, 8); got != "new" || first.String() != "a" || second.String() != "bc" {
		t.Errorf("read %q, wrote %q and %q", got, first.String(), second.String())
	}
}
