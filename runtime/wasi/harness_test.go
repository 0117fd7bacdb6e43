package wasi

import (
	"context"
	"os"
	"testing"

	"boxer.dev/vfs"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// The tests here stand in for a program: they call the host functions with a
// real instance, whose module is nothing but a memory, and look at what arrives
// in that memory. Programs that a compiler made are in program_test.go.

// memoryModule is (module (memory (export "memory") 4 16)).
var memoryModule = []byte("\x00asm\x01\x00\x00\x00" +
	"\x05\x04\x01\x01\x04\x10" +
	"\x07\x0a\x01\x06memory\x02\x00")

const memorySize = 4 << 16

// root is the descriptor of the pre-opened root.
const root = 3

var functions = func() map[string]function {
	m := map[string]function{}
	for _, f := range preview1 {
		m[f.name] = f
	}
	for _, f := range boxer {
		m["boxer."+f.name] = f
	}
	return m
}()

// guest is a program whose next system call the test decides.
type guest struct {
	testing.TB
	*Process
	ctx  context.Context
	mod  api.Module
	next uint32 // free memory
}

func newGuest(t testing.TB, p *Process) *guest {
	t.Helper()
	return newGuestIn(t, context.Background(), p, memoryModule)
}

func newGuestIn(t testing.TB, ctx context.Context, p *Process, module []byte) *guest {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	mod, err := r.Instantiate(ctx, module)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err = NewContext(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		r.Close(context.Background())
	})
	return &guest{t, p, ctx, mod, 16}
}

// call makes a system call; functions of module boxer are named "boxer.…".
func (g *guest) call(name string, args ...uint64) errno {
	f, ok := functions[name]
	if !ok {
		g.Fatalf("no function %s", name)
	}
	params, results := valueTypes(f.signature)
	if len(params) != len(args) {
		g.Fatalf("%s takes %d arguments, not %d", name, len(params), len(args))
	}
	stack := make([]uint64, max(len(args), 1))
	copy(stack, args)
	hostFunction(f.call, len(results) > 0)(g.ctx, g.mod, stack)
	if len(results) == 0 {
		return 0
	}
	return errno(stack[0])
}

// ok makes a system call that is to succeed.
func (g *guest) ok(name string, args ...uint64) {
	g.Helper()
	g.fails(0, name, args...)
}

// fails makes a system call that is to fail with want.
func (g *guest) fails(want errno, name string, args ...uint64) {
	g.Helper()
	if got := g.call(name, args...); got != want {
		g.Fatalf("%s%v: %d (%v), want %d (%v)", name, args, got, got, want, want)
	}
}

// exits makes a system call that is to end the run and returns the exit code.
func (g *guest) exits(name string, args ...uint64) (code uint32) {
	g.Helper()
	defer func() {
		r := recover()
		if e, ok := r.(*sys.ExitError); ok {
			code = e.ExitCode()
			return
		}
		panic(r)
	}()
	g.Fatalf("%s returned %v", name, g.call(name, args...))
	return 0
}

// alloc returns the address of n bytes of memory that nothing else uses.
func (g *guest) alloc(n int) uint64 {
	at := g.next
	g.next += uint32(n+7) &^ 7
	if g.next > memorySize {
		g.Fatal("the test is out of memory")
	}
	return uint64(at)
}

func (g *guest) bytes(ptr uint64, n int) []byte {
	b, ok := g.mod.Memory().Read(uint32(ptr), uint32(n))
	if !ok {
		g.Fatalf("no %d bytes at %#x", n, ptr)
	}
	return b
}

// put stores s and returns pointer and length, the way paths are passed.
func (g *guest) put(s string) (ptr, n uint64) {
	ptr = g.alloc(len(s))
	copy(g.bytes(ptr, len(s)), s)
	return ptr, uint64(len(s))
}

func (g *guest) u32(ptr uint64) uint32 { return getU32(g.bytes(ptr, 4), 0) }
func (g *guest) u64(ptr uint64) uint64 { return getU64(g.bytes(ptr, 8), 0) }

// open is how path_open is to be called; the zero value opens a file to read
// and write it.
type open struct {
	follow  bool
	oflags  uint64
	rights  rights // 0: reading and writing
	none    bool   // no rights at all
	fdflags fdflags
}

func (g *guest) pathOpen(dir uint64, name string, o open) (fd uint64, e errno) {
	ptr, n := g.put(name)
	out := g.alloc(4)
	asked := o.rights
	if asked == 0 && !o.none {
		asked = rightFdRead | rightFdWrite
	}
	var follow uint64
	if o.follow {
		follow = lookupFollow
	}
	e = g.call("path_open", dir, follow, ptr, n, o.oflags, uint64(asked), uint64(asked), uint64(o.fdflags), out)
	return uint64(g.u32(out)), e
}

// open returns a descriptor of a file that is to be there.
func (g *guest) open(dir uint64, name string, o open) uint64 {
	g.Helper()
	fd, e := g.pathOpen(dir, name, o)
	if e != 0 {
		g.Fatalf("opening %s: %v", name, e)
	}
	return fd
}

func (g *guest) openFails(want errno, dir uint64, name string, o open) {
	g.Helper()
	if _, e := g.pathOpen(dir, name, o); e != want {
		g.Fatalf("opening %q: %d (%v), want %d (%v)", name, e, e, want, want)
	}
}

// directory makes a directory and returns a descriptor of it.
func (g *guest) directory(dir uint64, name string) uint64 {
	g.Helper()
	g.path1(0, "path_create_directory", dir, name)
	return g.open(dir, name, open{oflags: oflagDirectory, none: true})
}

// file makes a file with contents.
func (g *guest) file(dir uint64, name, contents string) {
	g.Helper()
	fd := g.open(dir, name, open{oflags: oflagCreate | oflagTruncate})
	if contents != "" {
		g.write(fd, contents)
	}
	g.ok("fd_close", fd)
}

// path1 calls a function of (fd, path, path_len).
func (g *guest) path1(want errno, function string, dir uint64, name string) {
	g.Helper()
	ptr, n := g.put(name)
	if e := g.call(function, dir, ptr, n); e != want {
		g.Fatalf("%s %q: %d (%v), want %d (%v)", function, name, e, e, want, want)
	}
}

func (g *guest) symlink(want errno, target string, dir uint64, name string) {
	g.Helper()
	tp, tn := g.put(target)
	np, nn := g.put(name)
	if e := g.call("path_symlink", tp, tn, dir, np, nn); e != want {
		g.Fatalf("symlink %q -> %q: %d (%v), want %d (%v)", name, target, e, e, want, want)
	}
}

func (g *guest) rename(want errno, dir uint64, from string, to uint64, name string) {
	g.Helper()
	fp, fn := g.put(from)
	np, nn := g.put(name)
	if e := g.call("path_rename", dir, fp, fn, to, np, nn); e != want {
		g.Fatalf("rename %q to %q: %d (%v), want %d (%v)", from, name, e, e, want, want)
	}
}

func (g *guest) link(want errno, follow uint64, dir uint64, from string, to uint64, name string) {
	g.Helper()
	fp, fn := g.put(from)
	np, nn := g.put(name)
	if e := g.call("path_link", dir, follow, fp, fn, to, np, nn); e != want {
		g.Fatalf("link %q to %q: %d (%v), want %d (%v)", from, name, e, e, want, want)
	}
}

// iovec stores an array of buffers for reading, one of each length.
func (g *guest) iovec(lengths ...int) (iovs, n uint64, buffers []uint64) {
	iovs = g.alloc(8 * len(lengths))
	for i, length := range lengths {
		ptr := g.alloc(length)
		buffers = append(buffers, ptr)
		putU32(g.bytes(iovs, 8*len(lengths)), i*8, uint32(ptr))
		putU32(g.bytes(iovs, 8*len(lengths)), i*8+4, uint32(length))
	}
	return iovs, uint64(len(lengths)), buffers
}

// ciovec stores an array of buffers that hold the parts.
func (g *guest) ciovec(parts ...string) (iovs, n uint64) {
	lengths := make([]int, len(parts))
	for i, p := range parts {
		lengths[i] = len(p)
	}
	iovs, n, buffers := g.iovec(lengths...)
	for i, p := range parts {
		copy(g.bytes(buffers[i], len(p)), p)
	}
	return iovs, n
}

func (g *guest) write(fd uint64, s string) {
	g.Helper()
	iovs, n := g.ciovec(s)
	out := g.alloc(4)
	g.ok("fd_write", fd, iovs, n, out)
	if got := g.u32(out); int(got) != len(s) {
		g.Fatalf("wrote %d of %d bytes", got, len(s))
	}
}

// read reads once, up to n bytes.
func (g *guest) read(fd uint64, n int) string {
	g.Helper()
	iovs, count, buffers := g.iovec(n)
	out := g.alloc(4)
	g.ok("fd_read", fd, iovs, count, out)
	return string(g.bytes(buffers[0], int(g.u32(out))))
}

func (g *guest) seek(fd uint64, offset int64, whence uint64) uint64 {
	g.Helper()
	out := g.alloc(8)
	g.ok("fd_seek", fd, uint64(offset), whence, out)
	return g.u64(out)
}

// filestat is preview 1's filestat as a program reads it.
type filestat struct {
	dev, ino, nlink, size, atim, mtim, ctim uint64
	filetype                                filetype
}

func (g *guest) filestatAt(ptr uint64) filestat {
	b := g.bytes(ptr, filestatSize)
	return filestat{
		dev: getU64(b, 0), ino: getU64(b, 8), filetype: filetype(b[16]), nlink: getU64(b, 24),
		size: getU64(b, 32), atim: getU64(b, 40), mtim: getU64(b, 48), ctim: getU64(b, 56),
	}
}

func (g *guest) stat(fd uint64) filestat {
	g.Helper()
	out := g.alloc(filestatSize)
	g.ok("fd_filestat_get", fd, out)
	return g.filestatAt(out)
}

func (g *guest) statPath(dir, follow uint64, name string) filestat {
	g.Helper()
	ptr, n := g.put(name)
	out := g.alloc(filestatSize)
	g.ok("path_filestat_get", dir, follow, ptr, n, out)
	return g.filestatAt(out)
}

type fdstat struct {
	filetype         filetype
	flags            fdflags
	base, inheriting rights
}

func (g *guest) fdstat(fd uint64) fdstat {
	g.Helper()
	out := g.alloc(24)
	g.ok("fd_fdstat_get", fd, out)
	b := g.bytes(out, 24)
	return fdstat{filetype(b[0]), fdflags(getU16(b, 2)), rights(getU64(b, 8)), rights(getU64(b, 16))}
}

// eachTree runs test on an empty tree in memory and on an empty directory of
// the host that is mounted as the root.
func eachTree(t *testing.T, test func(t *testing.T, g *guest)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, newGuest(t, &Process{FS: vfs.New()})) })
	t.Run("host", func(t *testing.T) { test(t, newGuest(t, &Process{FS: hostTree(t)})) })
}

func hostTree(t testing.TB) *vfs.FS {
	t.Helper()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	tree := vfs.New()
	if err := tree.Mount("/", vfs.HostDir(dir, false), vfs.MountOptions{}); err != nil {
		t.Fatal(err)
	}
	return tree
}
