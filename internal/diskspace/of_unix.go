//go:build unix

package diskspace

import (
	"io/fs"
	"syscall"
)

// Of is what a file occupies, in bytes.
func Of(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int64(st.Blocks) * 512 // whatever the file system's own blocks are (stat(2))
	}
	return info.Size()
}
