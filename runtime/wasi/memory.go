package wasi

import (
	"encoding/binary"
	"strings"
	"unsafe"

	"boxer.dev/vfs"
	"github.com/tetratelabs/wazero/api"
)

// memory is the guest's linear memory during one call. Its views are valid
// until the guest runs again.
type memory struct{ guest api.Memory }

// view returns the n bytes at ptr, or EFAULT if they are not all in memory.
func (m memory) view(ptr, n uint32) ([]byte, errno) {
	if m.guest == nil {
		return nil, errnoFault
	}
	if n > 0 && uint64(ptr)+uint64(n) == 1<<32 {
		return m.viewToTheEnd(ptr, n)
	}
	b, ok := m.guest.Read(ptr, n)
	if !ok {
		return nil, errnoFault
	}
	return b, 0
}

// viewToTheEnd is view for a range that ends where a memory of the full 4 GiB
// does: wazero adds its bounds up in 32 bits and panics on it.
func (m memory) viewToTheEnd(ptr, n uint32) ([]byte, errno) {
	if _, ok := m.guest.ReadByte(1<<32 - 1); !ok {
		return nil, errnoFault
	}
	if n == 1 {
		ptr, n = ptr-1, 2
		b, e := m.viewToTheEnd(ptr, n)
		if e != 0 {
			return nil, e
		}
		return b[1:], 0
	}
	b, ok := m.guest.Read(ptr, n-1)
	if !ok {
		return nil, errnoFault
	}
	return unsafe.Slice(unsafe.SliceData(b), n), 0
}

// path returns a copy of the path of n bytes at ptr. A path never holds NUL.
func (m memory) path(ptr, n uint32) (string, errno) {
	b, e := m.view(ptr, n)
	if e != 0 {
		return "", e
	}
	if n > vfs.MaxPath {
		return "", errnoNametoolong
	}
	s := string(b)
	if strings.IndexByte(s, 0) >= 0 {
		return "", errnoInval
	}
	return s, 0
}

// out returns the size bytes that pointer argument arg names, for a result.
func (c call) out(arg int, size uint32) ([]byte, errno) {
	return c.mem.view(c.u32(arg), size)
}

// path returns the path given by pointer argument arg and the length after it.
func (c call) path(arg int) (string, errno) {
	return c.mem.path(c.u32(arg), c.u32(arg+1))
}

func putU16(b []byte, at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }
func putU32(b []byte, at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
func putU64(b []byte, at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
func getU16(b []byte, at int) uint16    { return binary.LittleEndian.Uint16(b[at:]) }
func getU32(b []byte, at int) uint32    { return binary.LittleEndian.Uint32(b[at:]) }
func getU64(b []byte, at int) uint64    { return binary.LittleEndian.Uint64(b[at:]) }
