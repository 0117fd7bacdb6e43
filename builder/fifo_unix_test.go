//go:build unix

package builder

import "syscall"

func makeFIFO(name string) error { return syscall.Mkfifo(name, 0o600) }

func setUmask(mask int) int { return syscall.Umask(mask) }
