// Package vfs is the file system that a box sees: a copy-on-write tree in
// memory over immutable, memory-mapped layers, with host directories and
// devices mounted into it.
//
// A [Layer] is one image layer in its opened form: a file that is mapped and
// looked up in place, so that opening it costs the same however many files it
// holds. An [FS] is a tree over a stack of layers; what is written to it stays
// in memory. [FS.Fork] copies a tree in constant time. [Diff] tells what
// changed between two trees, as the entries of a further layer.
//
// The package behaves as POSIX.1-2024 says a file system does, as far as a
// guest with one user can observe it: permissions and owners are recorded and
// never enforced. Access times are set when a file is created or on request,
// not by reading. Names are bytes: any but NUL and '/'.
//
// Errors are *fs.PathError or *os.LinkError with a syscall.Errno inside.
package vfs

// Bounds that hold whatever Limits say.
const (
	MaxName     = 255     // bytes in a name
	MaxPath     = 4096    // bytes in a path, or in the target of a symlink, with a NUL at its end
	MaxSymlinks = 40      // symlinks followed by one lookup
	MaxFileSize = 1 << 44 // bytes in a file, holes included
	MaxDepth    = 2048    // directories on the way to one that is made
)
