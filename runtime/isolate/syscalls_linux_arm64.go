package isolate

import "golang.org/x/sys/unix"

// There are no calls that amd64 has not.
var alsoNeeded, alsoHostile []uint32

// architecture is that of the calls' numbers; none are foreign.
const (
	architecture = unix.AUDIT_ARCH_AARCH64
	foreign      = 0
)
