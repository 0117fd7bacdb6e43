package vfs

// Flag says how a file is opened. The values are the package's own, the same
// on every host.
type Flag uint32

// Exactly one of O_RDONLY, O_WRONLY and O_RDWR, and any of the others.
const (
	O_RDONLY Flag = 0
	O_WRONLY Flag = 1
	O_RDWR   Flag = 2

	O_APPEND    Flag = 1 << 4 // every write goes to the end
	O_CREATE    Flag = 1 << 5 // make the file if it is missing
	O_EXCL      Flag = 1 << 6 // with O_CREATE: the name must not exist, not even as a symlink
	O_TRUNC     Flag = 1 << 7 // cut an existing file to nothing
	O_DIRECTORY Flag = 1 << 8 // fail unless it is a directory
	O_NOFOLLOW  Flag = 1 << 9 // fail if the last component is a symlink

	accessMode Flag = 3
)

func (f Flag) readable() bool { return f&accessMode != O_WRONLY }
func (f Flag) writable() bool { return f&accessMode != O_RDONLY }

// At modifies how a path given relative to a directory handle is looked up.
type At uint32

const (
	// AtNoFollow acts on a symlink that is the last component itself.
	AtNoFollow At = 1 << iota
	// AtBeneath confines the lookup to the starting directory: an absolute
	// path, and one that climbs out by "..", is EPERM. The absolute target of a
	// symlink resolves from the root of the tree if the lookup started there
	// and is EPERM otherwise. Mounts beneath the directory belong to it.
	AtBeneath
)
