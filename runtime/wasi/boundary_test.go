package wasi

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

// openCount returns how many descriptors are open.
func (g *guest) openCount() int { return g.files.max - g.files.room() }

// Out-pointers outside memory must be found before a descriptor is made: epsilon
// #57, barbacane #113. An error path must write nothing: walrus #460.
func TestResultOutsideMemory(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		g.file(root, "f", "data")
		g.symlink(0, "f", root, "link")
		fd := g.open(root, "f", open{})
		name, n := g.put("f")
		fresh, m := g.put("new")
		link, l := g.put("link")
		iovs, count, _ := g.iovec(4)
		buf := g.alloc(64)
		open := g.openCount()
		snapshot := bytes.Clone(g.bytes(0, memorySize))

		for _, bad := range []uint64{memorySize - 1, memorySize, 1<<32 - 1} {
			for _, c := range []struct {
				name string
				args []uint64
			}{
				{"path_open", []uint64{root, 0, fresh, m, oflagCreate, uint64(rightFdWrite), 0, 0, bad}},
				{"path_open", []uint64{root, 0, name, n, oflagTruncate, uint64(rightFdWrite), 0, 0, bad}},
				{"path_open", []uint64{root, 0, bad, 5, 0, 0, 0, 0, buf}},
				{"path_filestat_get", []uint64{root, 0, name, n, bad}},
				{"path_readlink", []uint64{root, link, l, buf, 8, bad}},
				{"path_readlink", []uint64{root, link, l, bad, 8, buf}},
				{"path_create_directory", []uint64{root, bad, 4}},
				{"fd_read", []uint64{fd, iovs, count, bad}},
				{"fd_read", []uint64{fd, bad, 1, buf}},
				{"fd_write", []uint64{fd, iovs, count, bad}},
				{"fd_write", []uint64{1, iovs, count, bad}},
				{"fd_pread", []uint64{fd, iovs, count, 0, bad}},
				{"fd_pwrite", []uint64{fd, iovs, count, 0, bad}},
				{"fd_seek", []uint64{fd, 2, 0, bad}},
				{"fd_tell", []uint64{fd, bad}},
				{"fd_fdstat_get", []uint64{fd, bad}},
				{"fd_filestat_get", []uint64{fd, bad}},
				{"fd_prestat_get", []uint64{root, bad}},
				{"fd_prestat_dir_name", []uint64{root, bad, 4}},
				{"fd_readdir", []uint64{root, buf, 64, 0, bad}},
				{"fd_readdir", []uint64{root, bad, 64, 0, buf}},
				{"clock_time_get", []uint64{0, 0, bad}},
				{"clock_res_get", []uint64{0, bad}},
				{"random_get", []uint64{bad, 16}},
				{"args_sizes_get", []uint64{bad, buf}},
				{"args_sizes_get", []uint64{buf, bad}},
				{"boxer.cwd_get", []uint64{buf, 8, bad}},
				{"boxer.cwd_get", []uint64{bad, 8, buf}},
				{"boxer.fd_stat", []uint64{fd, bad}},
				{"boxer.path_stat", []uint64{root, 0, name, n, bad}},
				{"boxer.ids_get", []uint64{bad}},
				{"boxer.fd_dup", []uint64{fd, 0, bad}},
				{"boxer.pipe", []uint64{bad}},
				{"boxer.tty_size", []uint64{0, bad}},
			} {
				g.fails(errnoFault, c.name, c.args...)
			}
		}
		if got := g.openCount(); got != open {
			t.Errorf("%d descriptors open, want %d", got, open)
		}
		if !bytes.Equal(snapshot, g.bytes(0, memorySize)) {
			t.Error("a call that failed wrote to memory")
		}
		if got := g.statPath(root, 0, "f").size; got != 4 {
			t.Errorf("a call that failed cut the file to %d", got)
		}
		g.openFails(errnoNoent, root, "new", open0)
		if got := g.seek(fd, 0, 1); got != 0 {
			t.Errorf("a call that failed moved the offset to %d", got)
		}
	})
}

var open0 = open{none: true}

// Pointer plus length that wraps around.
func TestLengthWraps(t *testing.T) {
	g := newGuest(t, &Process{})
	out := g.alloc(8)
	for _, c := range []struct{ ptr, n uint64 }{
		{16, 1<<32 - 1}, {16, 1<<32 - 16}, {16, 1<<32 - 8}, {1<<32 - 8, 8}, {1<<32 - 1, 1}, {1<<32 - 8, 16}, {memorySize - 4, 8},
	} {
		g.fails(errnoFault, "random_get", c.ptr, c.n)
		g.fails(errnoFault, "path_unlink_file", root, c.ptr, c.n)
		g.fails(errnoFault, "fd_readdir", root, c.ptr, c.n, 0, out)
		iovs, n, _ := g.iovec(0)
		putU32(g.bytes(iovs, 8), 0, uint32(c.ptr))
		putU32(g.bytes(iovs, 8), 4, uint32(c.n))
		g.fails(errnoFault, "fd_write", 1, iovs, n, out)
		g.fails(errnoFault, "fd_read", 0, iovs, n, out)
	}
}

// wasmer #1258.
func TestIovecEndsAtEndOfMemory(t *testing.T) {
	eachTree(t, func(t *testing.T, g *guest) {
		fd := g.open(root, "f", open{oflags: oflagCreate})
		iovs, out := g.alloc(8), g.alloc(4)
		putU32(g.bytes(iovs, 8), 0, memorySize-4)
		putU32(g.bytes(iovs, 8), 4, 4)
		copy(g.bytes(memorySize-4, 4), "last")
		g.ok("fd_write", fd, iovs, 1, out)
		clear(g.bytes(memorySize-4, 4))
		g.ok("fd_pread", fd, iovs, 1, 0, out)
		if got := string(g.bytes(memorySize-4, 4)); got != "last" {
			t.Errorf("read %q", got)
		}
		g.ok("fd_seek", fd, 0, 0, memorySize-8)
		g.ok("random_get", memorySize, 0)
	})
}

// hugeModule is (module (memory (export "memory") 65536)): all of 4 GiB.
var hugeModule = []byte("\x00asm\x01\x00\x00\x00" +
	"\x05\x05\x01\x00\x80\x80\x04" +
	"\x07\x0a\x01\x06memory\x02\x00")

func TestIovecEndsAtEndOfAddressSpace(t *testing.T) {
	if math.MaxInt == math.MaxInt32 {
		t.Skip("4 GiB of memory need a 64-bit host")
	}
	g := newGuestIn(t, t.Context(), &Process{Stdin: strings.NewReader("last!")}, hugeModule)
	iovs, out := g.alloc(8), g.alloc(4)
	for _, n := range []uint32{4, 1} {
		putU32(g.bytes(iovs, 8), 0, -n)
		putU32(g.bytes(iovs, 8), 4, n)
		g.ok("fd_read", 0, iovs, 1, out)
		if got := g.u32(out); got != n {
			t.Errorf("read %d of %d bytes", got, n)
		}
	}
	b, _ := g.mem().view(1<<32-4, 4)
	if string(b) != "las!" {
		t.Errorf("the end of memory holds %q", b)
	}
	g.fails(errnoFault, "random_get", 1<<32-4, 5)
}

func (g *guest) mem() memory { return memoryOf(g.mod) }

// Unlimited handles and guest-sized buffers: CVE-2026-27204, temper #374.
func TestIovecCountIsBounded(t *testing.T) {
	g := newGuest(t, &Process{Stdin: strings.NewReader("x")})
	out := g.alloc(4)
	lengths := make([]int, iovecMax+1)
	iovs, _, _ := g.iovec(lengths...)
	g.ok("fd_write", 1, iovs, iovecMax, out)
	g.fails(errnoInval, "fd_write", 1, iovs, iovecMax+1, out)
	g.fails(errnoInval, "fd_read", 0, iovs, 1<<29, out) // times 8 is 0 in 32 bits
	g.fails(errnoInval, "fd_write", 1, iovs, 1<<32-1, out)
	g.ok("fd_write", 1, iovs, 0, out)
	g.ok("fd_read", 0, iovs, 0, out)
}

func TestReadOverItsOwnIovecs(t *testing.T) {
	g := newGuest(t, &Process{})
	g.file(root, "f", strings.Repeat("\xff", 64))
	fd := g.open(root, "f", open{})
	iovs, n, _ := g.iovec(16, 16)
	putU32(g.bytes(iovs, 16), 0, uint32(iovs))
	out := g.alloc(4)
	g.ok("fd_read", fd, iovs, n, out)
	if got := g.u32(out); got != 16 {
		t.Errorf("read %d bytes", got)
	}
}

func TestTransferIsBounded(t *testing.T) {
	g := newGuest(t, &Process{})
	lengths := make([]int, iovecMax)
	iovs, n, _ := g.iovec(lengths...)
	for i := range iovecMax {
		putU32(g.bytes(iovs, 8*iovecMax), 8*i, 0)
		putU32(g.bytes(iovs, 8*iovecMax), 8*i+4, memorySize)
	}
	out := g.alloc(4)
	g.ok("fd_write", 1, iovs, n, out)
	if got := g.u32(out); got == 0 || got > transferMax {
		t.Errorf("wrote %d bytes", got)
	}
}

func TestModuleWithoutMemory(t *testing.T) {
	g := newGuestIn(t, t.Context(), &Process{Args: []string{"x"}}, memoryModule[:8])
	g.fails(errnoFault, "args_get", 0, 0)
	g.fails(errnoFault, "fd_write", 1, 0, 0, 0)
	g.fails(errnoFault, "random_get", 0, 0)
	g.ok("sched_yield")
}

func TestClosedDescriptorsAreInvalidEverywhere(t *testing.T) {
	g := newGuest(t, &Process{})
	out := g.alloc(256)
	for _, fd := range []uint64{4, 1 << 31, 1<<32 - 1} {
		for _, f := range append(append([]function(nil), preview1...), boxer...) {
			if !strings.HasPrefix(f.name, "fd_") && !strings.HasPrefix(f.name, "sock_") {
				continue
			}
			params, _ := valueTypes(f.signature)
			stack := make([]uint64, len(params))
			for i := range stack {
				stack[i] = out
			}
			stack[0] = fd
			switch f.name {
			case "fd_read", "fd_write", "fd_pread", "fd_pwrite":
				stack[2] = 1
			}
			hostFunction(f.call, true)(g.ctx, g.mod, stack)
			if errno(stack[0]) != errnoBadf {
				t.Errorf("%s of descriptor %d: %v", f.name, fd, errno(stack[0]))
			}
		}
	}
}
