//go:build unix

package runtime

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapping is a file in memory.
type mapping struct{ bytes []byte }

// mapFile maps a file that is replaced but never changed.
func mapFile(name string) (mapping, error) {
	file, err := os.Open(name)
	if err != nil {
		return mapping{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return mapping{}, err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return mapping{}, errDamaged
	}
	bytes, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	return mapping{bytes}, err
}

func (m mapping) close() { _ = unix.Munmap(m.bytes) }
