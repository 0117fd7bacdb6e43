package main

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hostFeatures asks the kernel.
func hostFeatures() []hostFeature {
	return []hostFeature{
		compiles(),
		{"executable cache", mapsExecutable(), "machine code is mapped from the cache; without, it is copied (20 ms a start)"},
		{"PAGEMAP_SCAN", scansPages(), "what a run wrote is found at once (Linux 6.7); without, by reading /proc/self/pagemap"},
		{"/proc/self/pagemap", readsPagemap(), "used instances are reset; without, their memory is mapped anew"},
		{"userfaultfd", hasUserfaultfd(), "not needed"},
	}
}

func mapsExecutable() bool {
	dir, err := cacheDir()
	if err != nil {
		return false
	}
	file, err := os.CreateTemp(dir, "doctor-")
	if err != nil {
		return false
	}
	defer os.Remove(file.Name())
	defer file.Close()
	page := os.Getpagesize()
	if file.Truncate(int64(page)) != nil {
		return false
	}
	mapped, err := unix.Mmap(int(file.Fd()), 0, page, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	return err == nil && unix.Munmap(mapped) == nil
}

// scansPages scans no pages: the answer is another one where the call is not known.
func scansPages() bool {
	file, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return false
	}
	defer file.Close()
	argument := [12]uint64{0: 12 * 8} // struct pm_scan_arg of linux/fs.h: its size, and an empty range
	const pagemapScan = 0xc0606610    // _IOWR('f', 16, struct pm_scan_arg)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), pagemapScan, uintptr(unsafe.Pointer(&argument)))
	return errno != unix.ENOTTY && errno != unix.ENOSYS
}

func readsPagemap() bool {
	file, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return false
	}
	defer file.Close()
	_, err = file.ReadAt(make([]byte, 8), 0)
	return err == nil
}

func hasUserfaultfd() bool {
	const userModeOnly = 1 // linux/userfaultfd.h, UFFD_USER_MODE_ONLY
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|userModeOnly, 0, 0)
	return errno == 0 && unix.Close(int(fd)) == nil
}
