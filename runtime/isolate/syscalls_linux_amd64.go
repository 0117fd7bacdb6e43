package isolate

import "golang.org/x/sys/unix"

// Calls that other architectures have not.
var (
	alsoNeeded  = []uint32{unix.SYS_POLL, unix.SYS_EPOLL_WAIT, unix.SYS_TIME}
	alsoHostile = []uint32{unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_MKNOD, unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT}
)

// architecture is that of the calls' numbers; those from foreign on are of x32's.
const (
	architecture = unix.AUDIT_ARCH_X86_64
	foreign      = 0x40000000
)
