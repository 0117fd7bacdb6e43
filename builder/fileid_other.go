//go:build !linux && !darwin

package builder

import "io/fs"

// hollow cannot be told here: such a file fails when the layer is opened.
func hollow(fs.FileInfo) bool { return false }

// identify knows nothing: Windows tells no time of change that a program could not set back.
func identify(fs.FileInfo) fileID { return fileID{} }
