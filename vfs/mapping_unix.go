//go:build unix

package vfs

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// mapping is a file in memory, read-only.
type mapping struct {
	bytes []byte
	once  sync.Once
}

func mapFile(f *os.File, size int64) (*mapping, error) {
	b, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &mapping{bytes: b}, nil
}

func (m *mapping) unmap() (err error) {
	m.once.Do(func() { err = unix.Munmap(m.bytes) })
	return err
}
