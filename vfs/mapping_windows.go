package vfs

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
)

// mapping is a file in memory, read-only.
type mapping struct {
	bytes []byte
	once  sync.Once
}

func mapFile(f *os.File, size int64) (*mapping, error) {
	h, err := windows.CreateFileMapping(windows.Handle(f.Fd()), nil, windows.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		return nil, err
	}
	// A view keeps the file mapping object alive without its handle.
	defer windows.CloseHandle(h)
	addr, err := windows.MapViewOfFile(h, windows.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, err
	}
	return &mapping{bytes: unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&addr))), size)}, nil
}

func (m *mapping) unmap() (err error) {
	m.once.Do(func() { err = windows.UnmapViewOfFile(uintptr(unsafe.Pointer(unsafe.SliceData(m.bytes)))) })
	return err
}
