//go:build !linux

package runtime

import (
	"errors"
	"os"
)

// mapOver is Linux's: macOS executes no file that is not signed, and Windows cannot put one mapping over another.
func mapOver([]byte, *os.File, int64) error { return errors.ErrUnsupported }
