//go:build !windows

package wasi

import "syscall"

// nativeErrnos is empty: all of the host's errors are POSIX's.
var nativeErrnos []struct {
	host  syscall.Errno
	guest errno
}
