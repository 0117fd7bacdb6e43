//go:build (linux || darwin) && (amd64 || arm64)

package memory

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Memory is a linear memory (experimental.LinearMemory). Addresses are reserved for all that it may become, so that it
// grows without being copied, costs nothing where it is not touched, and is no work for the garbage collector.
type Memory struct {
	share
	reserved []byte
	size     uint64 // of what can be used
	image    *Image

	private []span // pages written by the time of faults, a reading of pageFaults; faults is 0 if that is not known
	faults  uint64
}

// New reserves a memory of up to max bytes.
func New(max uint64) *Memory {
	m := &Memory{}
	for size := max; size > 0; size /= 2 { // less where addresses are rationed (RLIMIT_AS): growth then ends earlier
		reserved, err := unix.Mmap(-1, 0, int(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
		if err == nil {
			m.reserved = reserved
			break
		}
	}
	return m
}

// Reallocate implements experimental.LinearMemory. Nil means that there is no such memory.
func (m *Memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) || !m.grow(size) {
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
func (m *Memory) Free() {
	m.Settle()
	if m.reserved != nil {
		_ = unix.Munmap(m.reserved)
		m.reserved, m.image = nil, nil
	}
}

// New reserves a memory of up to max bytes that begins as a copy of the image, whose pages are copied when they are first
// written to.
func (i *Image) New(max uint64) (*Memory, error) {
	m := New(max)
	if uint64(len(m.reserved)) < i.Size {
		m.Free()
		return nil, errNoRoom
	}
	m.image = i
	if err := m.remap(); err != nil {
		m.Free()
		return nil, err
	}
	m.size = i.Size
	return m, nil
}

var errNoRoom = errors.New("not enough address space for a memory image")

// remap puts the image's file in the place of whatever was written.
func (m *Memory) remap() error {
	m.private, m.faults = nil, 0
	if m.image.Size == 0 {
		return nil
	}
	_, err := unix.MmapPtr(int(m.image.file.Fd()), 0, unsafe.Pointer(unsafe.SliceData(m.reserved)), uintptr(m.image.Size),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE)
	return err
}

// load maps the image's file for reading.
func (i *Image) load() (err error) {
	if i.Size > 0 {
		i.bytes, err = unix.Mmap(int(i.file.Fd()), 0, int(i.Size), unix.PROT_READ, unix.MAP_SHARED)
	}
	return err
}

// Close lets go of the image. No memory made of it may be reset any more.
func (i *Image) Close() (err error) {
	if i.bytes != nil {
		err = unix.Munmap(i.bytes)
		i.bytes = nil
	}
	if i.file != nil {
		err = errors.Join(err, i.file.Close())
		i.file = nil
	}
	return err
}

// keepTouched is how many bytes of written pages a reset leaves in place for the next user. With more it costs less to
// give them back to the system.
const keepTouched = 4 << 20

// Reset makes the memory equal to its image again. It gives the number of pages, of PageSize bytes, that had been written,
// now or before an earlier reset. A memory that has grown cannot be reset; nor can one be used whose reset failed.
func (m *Memory) Reset() (touched int, err error) {
	if touched, ok := m.ResetKnown(); ok {
		return touched, nil
	}
	if m.image == nil || m.size != m.image.Size {
		return 0, ErrGrown
	}
	faults := pageFaults() // before the search: what is written during it is searched for again
	var runs []span
	runs, err = m.written()
	if errors.Is(err, errUnknownPages) {
		return 0, m.remap()
	}
	if err != nil {
		return 0, err
	}
	touched = pagesOf(runs)
	if touched > keepTouched/PageSize {
		return touched, m.remap()
	}
	m.copyBack(runs)
	m.private, m.faults = runs, faults
	return touched, nil
}

// ResetKnown is Reset where that is quick: where the pages that were written are among those of the last reset. A page
// becomes the memory's own by a page fault, so this is so if the process has had none since. ok is false if it has, or if
// the memory cannot be reset, and nothing has happened.
func (m *Memory) ResetKnown() (touched int, ok bool) {
	if m.faults == 0 || m.image == nil || m.size != m.image.Size || m.faults != pageFaults() {
		return 0, false
	}
	m.copyBack(m.private)
	return pagesOf(m.private), true
}

func (m *Memory) copyBack(runs []span) {
	for _, r := range runs {
		copy(m.reserved[r.from:r.to], m.image.bytes[r.from:r.to])
	}
}

// Touched is how many pages of PageSize bytes are the memory's own because they were written.
func (m *Memory) Touched() (int, error) {
	runs, err := m.written()
	return pagesOf(runs), err
}

func pagesOf(runs []span) (pages int) {
	for _, r := range runs {
		pages += int(r.to-r.from) / PageSize
	}
	return pages
}

func (m *Memory) length() uint64 { return m.size }

// Bytes are what the memory is now. It may grow, and on some platforms move by that.
func (m *Memory) Bytes() []byte { return m.reserved[:m.size] }

// own lists the pages that may differ from the image: where that cannot be told, all of them.
func (m *Memory) own() ([]span, error) {
	runs, err := m.written()
	if errors.Is(err, errUnknownPages) {
		return []span{{0, m.size}}, nil
	}
	return runs, err
}

var errUnknownPages = errors.New("this system does not tell which pages were written")

func (m *Memory) base() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(m.reserved))) }

var hostPage = uint64(os.Getpagesize())
