//go:build unix

package builder

import "syscall"

const nonblock = syscall.O_NONBLOCK
