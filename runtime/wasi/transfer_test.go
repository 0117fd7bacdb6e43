package wasi

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/tetratelabs/wazero/sys"

	"boxer.dev/vfs"
)

// roomyModule is (module (memory (export "memory") 64 64)).
var roomyModule = []byte("\x00asm\x01\x00\x00\x00" + "\x05\x04\x01\x01\x40\x40" + "\x07\x0a\x01\x06memory\x02\x00")

// cancelling is a source that ends a context when it is read, and counts.
type cancelling struct {
	end  func()
	read int
}

func (c *cancelling) Read(p []byte) (int, error) {
	c.end()
	c.read += len(p)
	return len(p), nil
}

// TestLongTransfersEnd: one call that moves much is no way around a deadline (wasmtime-go #233).
func TestLongTransfersEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	source := &cancelling{end: cancel}
	tree := vfs.New()
	if err := tree.Mount("/dev", vfs.Devices(vfs.DeviceSet{Random: source}), vfs.MountOptions{}); err != nil {
		t.Fatal(err)
	}
	g := newGuestIn(t, ctx, &Process{FS: tree}, roomyModule)
	fd := g.open(root, "dev/urandom", open{rights: rightFdRead})
	iovec := g.alloc(8)
	binary.LittleEndian.PutUint32(g.bytes(iovec, 4), 64<<10)
	binary.LittleEndian.PutUint32(g.bytes(iovec+4, 4), 3<<20)
	if code := g.exits("fd_read", uint64(fd), iovec, 1, g.alloc(4)); code != sys.ExitCodeContextCanceled {
		t.Errorf("it ends with %#x", code)
	}
	if source.read == 0 || source.read > transferPiece {
		t.Errorf("%d bytes were read", source.read)
	}
}

// TestTransfersInPieces: what is moved in pieces arrives as it was.
func TestTransfersInPieces(t *testing.T) {
	g := newGuestIn(t, context.Background(), &Process{FS: vfs.New()}, roomyModule)
	fd := g.open(root, "file", open{oflags: oflagCreate})
	const at, size = 64 << 10, 2*transferPiece + 12345
	data := g.bytes(at, size)
	for i := range data {
		data[i] = byte(i * 7 / 3)
	}
	want := string(data)
	iovec, result := g.alloc(8), g.alloc(8)
	binary.LittleEndian.PutUint32(g.bytes(iovec, 4), at)
	binary.LittleEndian.PutUint32(g.bytes(iovec+4, 4), size)
	for _, names := range [][2]string{{"fd_write", "fd_pread"}, {"fd_pwrite", "fd_pread"}} {
		for _, name := range names {
			if name == "fd_write" {
				g.ok(name, uint64(fd), iovec, 1, result)
			} else {
				g.ok(name, uint64(fd), iovec, 1, 0, result)
			}
			if n := binary.LittleEndian.Uint32(g.bytes(result, 4)); n != size || name == "fd_pread" && string(data) != want {
				t.Errorf("%s: %d bytes, the same: %v", name, n, string(data) == want)
			}
			if name != "fd_pread" {
				clear(data)
			}
		}
	}
}
