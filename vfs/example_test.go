package vfs_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"boxer.dev/vfs"
)

// A tree without layers is an empty root directory.
func ExampleNew() {
	f := vfs.New()
	f.MkdirAll("/etc/app", 0o755)
	f.WriteFile("/etc/app/name", []byte("boxer"), 0o644)
	f.Symlink("app/name", "/etc/name")
	b, err := f.ReadFile("/etc/name")
	fmt.Println(string(b), err)
	_, err = f.Open("/etc/app/missing", vfs.O_RDONLY, 0)
	fmt.Println(err)
	// Output:
	// boxer <nil>
	// open /etc/app/missing: no such file or directory
}

func ExampleFS_Fork() {
	f := vfs.New()
	f.WriteFile("/shared", []byte("as it was"), 0o644)
	g := f.Fork()
	g.WriteFile("/shared", []byte("changed"), 0o644)
	b, _ := f.ReadFile("/shared")
	fmt.Println(string(b))
	// Output: as it was
}

// A layer is written once and then mapped by every process that uses it.
func ExampleCreateLayer() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "layer")

	w, err := vfs.CreateLayer(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	body := "print('hello')\n"
	w.Add(vfs.Entry{Path: "app/main.py", Mode: 0o644, Size: int64(len(body))}, strings.NewReader(body))
	w.Add(vfs.Entry{Path: "app/run", HardLink: "app/main.py"}, nil)
	w.Add(vfs.Entry{Path: "tmp", Whiteout: true}, nil)
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}

	layer, err := vfs.OpenLayer(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer layer.Close()
	f := vfs.New(layer)
	s, _ := f.Stat("/app/run")
	fmt.Println(s.Mode, s.Size, s.Nlink)
	// Output: -rw-r--r-- 15 2
}

func ExampleDiff() {
	clock := vfs.Config{Now: func() time.Time { return time.Unix(315532800, 0) }}
	old := vfs.New()
	old.Configure(clock)
	old.MkdirAll("/app/cache", 0o755)
	old.WriteFile("/app/main.py", []byte("print(1)"), 0o644)
	old.WriteFile("/app/old.py", nil, 0o644)

	f := old.Fork()
	f.WriteFile("/app/main.py", []byte("print(2)"), 0o644)
	f.Remove("/app/old.py")
	f.WriteFile("/app/cache/x", nil, 0o644)

	changes, err := vfs.Diff(old, f)
	for _, c := range changes {
		fmt.Println(c.Path, c.Whiteout)
	}
	fmt.Println(err)
	// Output:
	// app/cache/x false
	// app/main.py false
	// app/old.py true
	// <nil>
}

func ExampleFS_Mount() {
	f := vfs.New()
	err := f.Mount("/dev", vfs.Devices(vfs.DeviceSet{Stdin: strings.NewReader("input")}), vfs.MountOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	b, _ := f.ReadFile("/dev/stdin")
	fmt.Println(string(b))
	fmt.Println(f.WriteFile("/dev/full", []byte("x"), 0))
	// Output:
	// input
	// write /dev/full: no space left on device
}

func ExampleHostDir() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	os.WriteFile(filepath.Join(dir, "data"), []byte("from the host"), 0o644)
	root, err := os.OpenRoot(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer root.Close()

	f := vfs.New()
	f.Mount("/in", vfs.HostDir(root, true), vfs.MountOptions{})
	b, _ := f.ReadFile("/in/data")
	fmt.Println(string(b))
	fmt.Println(f.Remove("/in/data"))
	// Output:
	// from the host
	// remove /in/data: read-only file system
}

// With AtBeneath, a directory handle is a capability: nothing outside of the
// directory can be reached through it.
func ExampleFile_OpenAt() {
	f := vfs.New()
	f.Mkdir("/work", 0o755)
	f.WriteFile("/secret", nil, 0o600)
	dir, _ := f.Open("/work", vfs.O_RDONLY|vfs.O_DIRECTORY, 0)
	defer dir.Close()
	_, err := dir.OpenAt("../secret", vfs.O_RDONLY, 0, vfs.AtBeneath)
	fmt.Println(err)
	// Output: open ../secret: operation not permitted
}

// The cookie of an entry stays valid while names come and go.
func ExampleFile_ReadDirAt() {
	f := vfs.New()
	for _, name := range []string{"a", "b", "c"} {
		f.WriteFile("/"+name, nil, 0o644)
	}
	dir := f.Root()
	defer dir.Close()
	var cookie uint64
	for {
		ents, err := dir.ReadDirAt(cookie, 1)
		if err != nil || len(ents) == 0 {
			break
		}
		fmt.Println(ents[0].Name)
		cookie = ents[0].Next
		f.Remove("/" + ents[0].Name)
	}
	// Output:
	// a
	// b
	// c
}

// An open file has an offset that its duplicates share.
func ExampleFile_Dup() {
	f := vfs.New()
	file, _ := f.Open("/log", vfs.O_RDWR|vfs.O_CREATE, 0o644)
	same := file.Dup()
	io.WriteString(file, "one ")
	io.WriteString(same, "two")
	file.Close()
	same.Close()
	b, _ := f.ReadFile("/log")
	fmt.Println(string(b))
	// Output: one two
}

func ExampleFS_IOFS() {
	f := vfs.New()
	f.MkdirAll("/app/lib", 0o755)
	f.WriteFile("/app/lib/x.py", nil, 0o644)
	fs.WalkDir(f.IOFS(), "app", func(p string, d fs.DirEntry, err error) error {
		fmt.Println(p)
		return err
	})
	// Output:
	// app
	// app/lib
	// app/lib/x.py
}
