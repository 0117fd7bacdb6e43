//go:build linux || darwin

package builder

import (
	"io/fs"
	"syscall"
)

// hollow reports whether a file is nearly all holes, and so long that a layer with it would unpack to more than oci.Limits lets
// it, however badly the rest is compressed.
func hollow(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode().IsRegular() && st.Size > boxLimits.Slack && st.Size/boxLimits.Ratio > st.Blocks*512
}

func identify(info fs.FileInfo) fileID {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}
	}
	modified, changed := times(st)
	return fileID{uint64(st.Dev), st.Ino, st.Size, modified.Nano(), changed.Nano()}
}
