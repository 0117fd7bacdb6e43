//go:build !((linux || darwin) && (amd64 || arm64))

package runtime

import "github.com/tetratelabs/wazero/experimental"

// newMemory keeps linear memories on the Go heap.
func newMemory(cap, max uint64) experimental.LinearMemory {
	return &linearMemory{make([]byte, 0, cap)}
}

type linearMemory struct{ buffer []byte }

// Reallocate implements experimental.LinearMemory.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if grow := int(size) - len(m.buffer); grow > 0 {
		m.buffer = append(m.buffer, make([]byte, grow)...)
	}
	return m.buffer
}

// Free implements experimental.LinearMemory.
func (m *linearMemory) Free() { m.buffer = nil }
