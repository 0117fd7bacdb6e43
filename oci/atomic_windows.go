package oci

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// replace renames. A file that somebody has open for reading cannot be replaced on Windows; readers of the store are
// quick, so it is tried for about a second.
func replace(from, to string) error {
	for wait := time.Millisecond; ; wait *= 2 {
		err := os.Rename(from, to)
		busy := errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if !busy || wait > 500*time.Millisecond {
			return err
		}
		time.Sleep(wait)
	}
}

// syncDir does nothing: directories cannot be flushed, and NTFS journals names.
func syncDir(string) error { return nil }
