//go:build !unix

package diskspace

import "io/fs"

// Of is what a file occupies, in bytes: its length, as far as is known.
func Of(info fs.FileInfo) int64 { return info.Size() }
