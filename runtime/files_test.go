package runtime

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boxer.dev/vfs"
)

func TestBringAndCollect(t *testing.T) {
	tree := vfs.New()
	err := bring(tree, "/work", []File{{Path: "in/a.txt", Data: []byte("a")}, {Path: "/b.txt", Mode: 0o600, Data: []byte("b")}, {Path: "../c", Data: []byte("c")}}, user{7, 8})
	if err != nil {
		t.Fatal(err)
	}
	stat, err := tree.Stat("/work/in/a.txt")
	if err != nil || stat.UID != 7 || stat.GID != 8 || stat.Mode != 0o644 {
		t.Errorf("%+v, %v", stat, err)
	}
	for _, err := range []error{tree.Symlink("/b.txt", "/work/link"), tree.Symlink("/work", "/work/in/loop"), tree.Mkdir("/work/dir.txt", 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c := &Collection{Patterns: []string{"**/*.txt", "/*.txt", "/{b,x}.txt", "link", "/c"}}
	if err := c.collect(tree, "/work"); err != nil {
		t.Fatal(err)
	}
	want := []File{{"/work/in/a.txt", 0o644, []byte("a")}, {"/b.txt", 0o600, []byte("b")}, {"/c", 0o644, []byte("c")}}
	if diff := cmp.Diff(want, c.Files); diff != "" || c.Omitted != 0 {
		t.Errorf("%d omitted; %s", c.Omitted, diff)
	}
}

func TestBringKeepsLimits(t *testing.T) {
	tree := vfs.New()
	tree.Configure(vfs.Config{Limits: vfs.Limits{Bytes: 10_000}})
	if err := bring(tree, "/", []File{{Path: "a", Data: make([]byte, 100_000)}}, user{}); err == nil {
		t.Error("there was room")
	}
}

// TestCollectIsBounded: a program decides about the sizes of its files, which need not have any contents.
func TestCollectIsBounded(t *testing.T) {
	tree := vfs.New()
	for i := range 5 {
		if err := tree.WriteFile(fmt.Sprint("/", i), []byte("1234"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.WriteFile("/large", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := tree.Truncate("/large", 1<<40); err != nil && err != syscall.EFBIG {
		t.Fatal(err)
	}
	for _, test := range []struct{ files, bytes, want int }{{2, 100, 2}, {100, 9, 2}, {0, 0, 5}} {
		c := &Collection{Patterns: []string{"*"}, MaxFiles: test.files, MaxBytes: int64(test.bytes)}
		if err := c.collect(tree, "/"); err != nil || len(c.Files) != test.want || c.Omitted != 6-test.want {
			t.Errorf("%+v: %d files, %d omitted, %v", test, len(c.Files), c.Omitted, err)
		}
	}
}
