//go:build !unix && !windows

package vfs

import (
	"io"
	"os"
)

// mapping is a file in memory, read-only: a copy, where nothing better is known.
type mapping struct{ bytes []byte }

func mapFile(f *os.File, size int64) (*mapping, error) {
	b := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, size), b); err != nil {
		return nil, err
	}
	return &mapping{bytes: b}, nil
}

func (m *mapping) unmap() error { return nil }
