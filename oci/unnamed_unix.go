//go:build unix

package oci

import "os"

// createUnnamed makes a file that is gone as soon as nobody has it open.
func createUnnamed(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "layer-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
