//go:build unix

package oci

import "os"

func replace(from, to string) error { return os.Rename(from, to) }

// syncDir makes names that were created in a directory survive a power failure (fsync(2), "Notes").
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
