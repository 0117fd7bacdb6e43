//go:build unix

package runtime

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// makePrivateDir creates dir, or checks that nobody but its user (or root) can have put something there: what it holds
// is executed without being looked at.
func makePrivateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	}
	return checkPrivate(dir, info)
}

// openPrivate opens a file of such a directory, which nobody else can have written either.
func openPrivate(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errDamaged
	}
	if err == nil {
		err = checkPrivate(name, info)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func checkPrivate(name string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s may be written to by others (mode %s); code in it would be executed", name, info.Mode().Perm())
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 && int(owner) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, not to user %d; code in it would be executed", name, owner, os.Geteuid())
	}
	return nil
}
