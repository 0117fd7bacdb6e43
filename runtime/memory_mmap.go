//go:build (linux || darwin) && (amd64 || arm64)

package runtime

import (
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// newMemory reserves addresses for all that a linear memory may become, so that it grows without being copied, costs
// nothing where it is not touched, and is no work for the garbage collector.
func newMemory(_, max uint64) experimental.LinearMemory {
	m := &linearMemory{}
	for size := max; size > 0; size /= 2 { // less where addresses are rationed (RLIMIT_AS): growth then ends earlier
		reserved, err := unix.Mmap(-1, 0, int(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
		if err == nil {
			m.reserved = reserved
			break
		}
	}
	return m
}

type linearMemory struct {
	reserved []byte
	size     uint64
}

// Reallocate implements experimental.LinearMemory. Nil means that there is no such memory.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) {
		return nil
	}
	if size > m.size {
		if unix.Mprotect(m.reserved[m.size:size], unix.PROT_READ|unix.PROT_WRITE) != nil {
			return nil
		}
		m.size = size
	}
	return m.reserved[:size:size]
}

// Free implements experimental.LinearMemory.
func (m *linearMemory) Free() {
	if m.reserved != nil {
		_ = unix.Munmap(m.reserved)
		m.reserved = nil
	}
}
