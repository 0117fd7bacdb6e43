//go:build wasip1

// Program is a guest of the tests: what Go's standard library makes of WASI, and
// the module boxer called from a compiled program. It prints what it finds.
package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"
)

//go:wasmimport boxer cwd_get
func cwdGet(buf unsafe.Pointer, n uint32, used unsafe.Pointer) uint32

//go:wasmimport boxer fd_stat
func fdStat(fd uint32, out unsafe.Pointer) uint32

//go:wasmimport boxer path_stat
func pathStat(fd, flags uint32, path unsafe.Pointer, n uint32, out unsafe.Pointer) uint32

//go:wasmimport boxer fd_chmod
func fdChmod(fd, mode uint32) uint32

//go:wasmimport boxer path_chmod
func pathChmod(fd, flags uint32, path unsafe.Pointer, n uint32, mode uint32) uint32

//go:wasmimport boxer fd_chown
func fdChown(fd, uid, gid uint32) uint32

//go:wasmimport boxer path_chown
func pathChown(fd, flags uint32, path unsafe.Pointer, n uint32, uid, gid uint32) uint32

//go:wasmimport boxer create_mode
func createMode(mode uint32)

//go:wasmimport boxer umask
func umask(mask uint32) uint32

//go:wasmimport boxer ids_get
func idsGet(out unsafe.Pointer) uint32

//go:wasmimport boxer fd_dup
func fdDup(fd, least uint32, out unsafe.Pointer) uint32

//go:wasmimport boxer fd_dup2
func fdDup2(fd, to uint32) uint32

//go:wasmimport boxer pipe
func pipe(out unsafe.Pointer) uint32

//go:wasmimport boxer tty_size
func ttySize(fd uint32, out unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 proc_raise
func procRaise(sig uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_shutdown
func sockShutdown(fd, how uint32) uint32

var commands = map[string]func(){
	"files":  files,
	"cat":    cat,
	"boxer":  boxer,
	"sleep":  func() { time.Sleep(time.Hour) },
	"raise":  func() { procRaise(15) },
	"exit":   func() { os.Exit(7) },
	"panic":  func() { panic("as asked") },
	"random": random,
	"env":    func() { fmt.Println(strings.Join(os.Environ(), ",")) },
}

func main() {
	command, ok := commands[os.Args[1]]
	if !ok {
		fmt.Fprintln(os.Stderr, "no command", os.Args[1])
		os.Exit(2)
	}
	command()
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func files() {
	must(os.MkdirAll("/a/b/c", 0o755))
	must(os.WriteFile("/a/b/f", []byte("hello, file"), 0o644))
	must(os.Symlink("b/f", "/a/link"))
	data, err := os.ReadFile("/a/link")
	must(err)
	target, err := os.Readlink("/a/link")
	must(err)
	fmt.Printf("%s through %s\n", data, target)
	must(os.Rename("/a/b", "/a/d"))
	_, err = os.Stat("/a/link")
	fmt.Println("dangling:", errors.Is(err, fs.ErrNotExist))
	must(os.Link("/a/d/f", "/a/g"))
	f, err := os.OpenFile("/a/g", os.O_RDWR|os.O_APPEND, 0)
	must(err)
	_, err = f.WriteString("!")
	must(err)
	_, err = f.Seek(7, io.SeekStart)
	must(err)
	rest, err := io.ReadAll(f)
	must(err)
	must(f.Truncate(5))
	must(f.Close())
	when := time.Unix(1234567890, 123456789)
	must(os.Chtimes("/a/g", when, when))
	info, err := os.Stat("/a/d/f")
	must(err)
	fmt.Printf("%s, %d bytes of %s\n", rest, info.Size(), info.ModTime().UTC())
	must(filepath.WalkDir("/a", func(path string, d fs.DirEntry, err error) error {
		fmt.Println(path, d.Type())
		return err
	}))
	must(os.RemoveAll("/a"))
	left, err := os.ReadDir("/")
	must(err)
	fmt.Println("left:", len(left))
}

func cat() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		fmt.Println(in.Text())
	}
	must(in.Err())
}

func random() {
	var b [16]byte
	_, err := rand.Read(b[:])
	must(err)
	fmt.Printf("%x\n", b)
}

func boxer() {
	var buf [64]byte
	var n uint32
	fmt.Println("cwd", cwdGet(unsafe.Pointer(&buf), 64, unsafe.Pointer(&n)), string(buf[:n]))
	var ids [4]uint32
	fmt.Println("ids", idsGet(unsafe.Pointer(&ids)), ids)
	fmt.Printf("umask %o\n", umask(0o077))
	createMode(0o751)
	must(os.WriteFile("/f", nil, 0))
	name := []byte("f")
	at := unsafe.Pointer(&name[0])
	var st [20]uint32
	fmt.Printf("path_stat %d mode %o\n", pathStat(3, 0, at, 1, unsafe.Pointer(&st)), st[16])
	fmt.Println("path_chmod", pathChmod(3, 0, at, 1, 0o640), "path_chown", pathChown(3, 0, at, 1, 5, 6))
	f, err := os.Open("/f")
	must(err)
	fd := uint32(f.Fd())
	fmt.Println("fd_chmod", fdChmod(fd, 0o600), "fd_chown", fdChown(fd, 7, 1<<32-1))
	fmt.Printf("fd_stat %d mode %o owner %d:%d\n", fdStat(fd, unsafe.Pointer(&st)), st[16], st[17], st[18])
	var ends [2]uint32
	fmt.Println("pipe", pipe(unsafe.Pointer(&ends)))
	w, r := os.NewFile(uintptr(ends[1]), "w"), os.NewFile(uintptr(ends[0]), "r")
	fmt.Fprint(w, "through the pipe")
	must(w.Close())
	data, err := io.ReadAll(r)
	must(err)
	fmt.Println(string(data))
	fmt.Println("fd_dup", fdDup(1, 30, unsafe.Pointer(&n)), n, "fd_dup2", fdDup2(1, 31))
	fmt.Fprintln(os.NewFile(31, "copy"), "a copy of stdout")
	fmt.Println("tty_size", ttySize(1, unsafe.Pointer(&ends)), "sock_shutdown", sockShutdown(1, 0))
}
