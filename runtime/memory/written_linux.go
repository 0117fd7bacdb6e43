//go:build linux && (amd64 || arm64)

package memory

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Pages of a private file mapping that were written to are the process's own: they have become anonymous, wherever the
// system keeps them. So they are the pages that are present or swapped out, and not the file's.

// pagemap is the system's account of this process's pages.
var pagemap = sync.OnceValues(func() (*os.File, error) { return os.Open("/proc/self/pagemap") })

// scanless is set once PAGEMAP_SCAN has turned out to be missing (it came with Linux 6.7).
var scanless atomic.Bool

// pageFaults is how many page faults the process has had, those of all its threads and of system calls on its memory, or 0
// if that cannot be relied on: older kernels are not, and there are imitations of Linux that do not count.
func pageFaults() uint64 {
	var usage unix.Rusage
	if scanless.Load() || unix.Getrusage(unix.RUSAGE_SELF, &usage) != nil || usage.Minflt == 0 {
		return 0
	}
	return uint64(usage.Minflt) + uint64(usage.Majflt)
}

// written lists what was written since the image was mapped.
func (m *Memory) written() ([]span, error) {
	file, err := pagemap()
	if err != nil {
		return nil, errUnknownPages
	}
	if !scanless.Load() {
		runs, err := m.scan(file)
		if !errors.Is(err, unix.ENOTTY) && !errors.Is(err, unix.EINVAL) {
			return runs, err
		}
		scanless.Store(true)
	}
	return m.readPagemap(file)
}

// Of linux/fs.h.
const (
	pagemapScan    = 0xc0606610 // _IOWR('f', 16, struct pm_scan_arg)
	pageFile       = 1 << 2
	pagePresent    = 1 << 3
	pageSwapped    = 1 << 4
	regionsAtATime = 256
)

type scanArg struct {
	size, flags                                                   uint64
	start, end, walkEnd                                           uint64
	vec, vecLen, maxPages                                         uint64
	categoryInverted, categoryMask, categoryAnyOfMask, returnMask uint64
}

type pageRegion struct{ start, end, _ uint64 } // the last are categories

// scan asks by PAGEMAP_SCAN.
func (m *Memory) scan(file *os.File) (runs []span, err error) {
	regions := new([regionsAtATime]pageRegion)
	var pinner runtime.Pinner // the system gets its address as a number, and stacks move
	pinner.Pin(regions)
	defer pinner.Unpin()
	base := uint64(m.base())
	arg := scanArg{
		start: base, end: base + m.size,
		vec: uint64(uintptr(unsafe.Pointer(regions))), vecLen: regionsAtATime,
		categoryInverted: pageFile, categoryMask: pageFile, categoryAnyOfMask: pagePresent | pageSwapped,
	}
	arg.size = uint64(unsafe.Sizeof(arg))
	for arg.start < arg.end {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), pagemapScan, uintptr(unsafe.Pointer(&arg)))
		if errno != 0 {
			return nil, errno
		}
		for _, r := range regions[:n] {
			runs = append(runs, span{r.start - base, r.end - base})
		}
		if arg.walkEnd <= arg.start {
			return nil, errUnknownPages
		}
		arg.start = arg.walkEnd
	}
	return runs, nil
}

// Bits of an entry of /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst).
const (
	entryPresent = 1 << 63
	entrySwapped = 1 << 62
	entryShared  = 1 << 61 // a page of a file, or shared
)

// readPagemap reads an entry for each page.
func (m *Memory) readPagemap(file *os.File) (runs []span, err error) {
	var entries [8 * 512]byte
	for at := uint64(0); at < m.size; {
		n := min(uint64(len(entries)/8), (m.size-at)/hostPage)
		if _, err := file.ReadAt(entries[:n*8], int64((uint64(m.base())+at)/hostPage*8)); err != nil {
			var pathError *fs.PathError
			if errors.As(err, &pathError) {
				return nil, errUnknownPages
			}
			return nil, err
		}
		for i := range n {
			entry := binary.LittleEndian.Uint64(entries[i*8:])
			if entry&(entryPresent|entrySwapped) != 0 && entry&entryShared == 0 {
				runs = appendPage(runs, at+i*hostPage)
			}
		}
		at += n * hostPage
	}
	return runs, nil
}

// appendPage adds a page to runs that are in order.
func appendPage(runs []span, at uint64) []span {
	if last := len(runs) - 1; last >= 0 && runs[last].to == at {
		runs[last].to += hostPage
		return runs
	}
	return append(runs, span{at, at + hostPage})
}
