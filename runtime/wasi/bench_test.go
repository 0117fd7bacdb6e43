package wasi

import (
	"fmt"
	"io"
	"os"
	"testing"

	"boxer.dev/vfs"
	"github.com/tetratelabs/wazero/api"
)

// bench prepares a host function to be called b.N times with the arguments.
func (g *guest) bench(name string, args ...uint64) func() {
	f := functions[name]
	host := api.GoModuleFunc(hostFunction(f.call, true))
	stack := make([]uint64, len(args))
	return func() {
		copy(stack, args)
		host(g.ctx, g.mod, stack)
		if stack[0] != 0 {
			g.Fatalf("%s: %v", name, errno(stack[0]))
		}
	}
}

func loop(b *testing.B, calls ...func()) {
	b.ReportAllocs()
	for b.Loop() {
		for _, call := range calls {
			call()
		}
	}
}

// BenchmarkFdWrite writes at an offset, so that the file does not grow.
func BenchmarkFdWrite(b *testing.B) {
	for _, size := range []int{16, 4096, 65536} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			g := newGuest(b, &Process{})
			fd := g.open(root, "f", open{oflags: oflagCreate})
			iovs, n, _ := g.iovec(size)
			b.SetBytes(int64(size))
			loop(b, g.bench("fd_pwrite", fd, iovs, n, 0, g.alloc(4)))
		})
	}
}

// BenchmarkFdRead is a read and the fd_seek back.
func BenchmarkFdRead(b *testing.B) {
	for _, size := range []int{16, 4096, 65536} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			g := newGuest(b, &Process{})
			fd := g.open(root, "f", open{oflags: oflagCreate})
			g.ok("fd_filestat_set_size", fd, uint64(size))
			iovs, n, _ := g.iovec(size)
			b.SetBytes(int64(size))
			loop(b, g.bench("fd_read", fd, iovs, n, g.alloc(4)), g.bench("fd_seek", fd, 0, 0, g.alloc(8)))
		})
	}
}

func BenchmarkPathOpenClose(b *testing.B) {
	g := newGuest(b, &Process{})
	g.path1(0, "path_create_directory", root, "usr")
	g.path1(0, "path_create_directory", root, "usr/lib")
	g.file(root, "usr/lib/os.py", "")
	name, n := g.put("usr/lib/os.py")
	fd := g.open(root, "usr/lib/os.py", open{})
	g.ok("fd_close", fd)
	loop(b, g.bench("path_open", root, lookupFollow, name, n, 0, uint64(rightFdRead), 0, 0, g.alloc(4)), g.bench("fd_close", fd))
}

func BenchmarkPathFilestatGet(b *testing.B) {
	g := newGuest(b, &Process{})
	g.path1(0, "path_create_directory", root, "usr")
	g.file(root, "usr/f", "")
	name, n := g.put("usr/f")
	loop(b, g.bench("path_filestat_get", root, lookupFollow, name, n, g.alloc(filestatSize)))
}

func BenchmarkPathFilestatGetMissing(b *testing.B) {
	g := newGuest(b, &Process{})
	name, n := g.put("usr/missing")
	args := []uint64{root, lookupFollow, name, n, g.alloc(filestatSize)}
	b.ReportAllocs()
	for b.Loop() {
		g.fails(errnoNoent, "path_filestat_get", args...)
	}
}

func BenchmarkClockTimeGet(b *testing.B) {
	g := newGuest(b, &Process{})
	loop(b, g.bench("clock_time_get", 1, 0, g.alloc(8)))
}

// BenchmarkStdout writes to a pipe: directly where no context can end the run,
// else through a goroutine that can be abandoned.
func BenchmarkStdout(b *testing.B) {
	for _, name := range []string{"direct", "abandonable", "discard"} {
		b.Run(name, func(b *testing.B) {
			r, w, err := os.Pipe()
			if err != nil {
				b.Fatal(err)
			}
			go io.Copy(io.Discard, r)
			defer w.Close()
			ctx, p := b.Context(), &Process{FS: vfs.New(), Stdout: w}
			switch name {
			case "direct":
				ctx = nil
			case "discard":
				p.Stdout = io.Discard
			}
			if ctx == nil {
				g := newGuest(b, p)
				iovs, n := g.ciovec("a line of text as printed by print\n")
				loop(b, g.bench("fd_write", 1, iovs, n, g.alloc(4)))
				return
			}
			g := newGuestIn(b, ctx, p, memoryModule)
			iovs, n := g.ciovec("a line of text as printed by print\n")
			loop(b, g.bench("fd_write", 1, iovs, n, g.alloc(4)))
		})
	}
}
