package runtime

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

var errUnaligned = errors.New("not made of whole pages")

// mapOver puts a part of a file, from the offset at, in the place of memory, to be read and executed. The memory must be a
// mapping of its own that nothing else lies in; who unmaps it unmaps the file. If there is an error, the memory is as
// it was: on a file system mounted noexec, for one.
func mapOver(memory []byte, file *os.File, at int64) error {
	start := unsafe.Pointer(unsafe.SliceData(memory))
	if page := uintptr(os.Getpagesize()); uintptr(start)%page != 0 || uintptr(at)%page != 0 {
		return errUnaligned
	}
	_, err := unix.MmapPtr(int(file.Fd()), at, start, uintptr(len(memory)),
		unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_FIXED)
	return err
}
