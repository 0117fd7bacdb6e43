package wasi

// rights is a set of preview 1's rights, the bits of a descriptor that say what
// may be done with it.
//
// https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md#-rights-flagsu64
type rights uint64

const (
	rightFdDatasync rights = 1 << iota
	rightFdRead
	rightFdSeek
	rightFdFdstatSetFlags
	rightFdSync
	rightFdTell
	rightFdWrite
	rightFdAdvise
	rightFdAllocate
	rightPathCreateDirectory
	rightPathCreateFile
	rightPathLinkSource
	rightPathLinkTarget
	rightPathOpen
	rightFdReaddir
	rightPathReadlink
	rightPathRenameSource
	rightPathRenameTarget
	rightPathFilestatGet
	rightPathFilestatSetSize
	rightPathFilestatSetTimes
	rightFdFilestatGet
	rightFdFilestatSetSize
	rightFdFilestatSetTimes
	rightPathSymlink
	rightPathRemoveDirectory
	rightPathUnlinkFile
	rightPollFdReadwrite
	rightSockShutdown
	rightSockAccept
)

const (
	// Rights that only a descriptor opened for writing has.
	writeRights = rightFdWrite | rightFdAllocate | rightFdFilestatSetSize

	// What may be done with a file that has a position.
	fileRights = rightFdDatasync | rightFdRead | rightFdSeek | rightFdFdstatSetFlags | rightFdSync | rightFdTell |
		rightFdAdvise | rightFdFilestatGet | rightFdFilestatSetTimes | rightPollFdReadwrite | writeRights

	// What may be done with a terminal or a pipe. The C library takes a
	// character device without the rights to seek and tell for a terminal.
	streamRights = rightFdDatasync | rightFdRead | rightFdWrite | rightFdFdstatSetFlags | rightFdSync |
		rightFdFilestatGet | rightPollFdReadwrite

	// What may be done with a directory.
	directoryRights = rightFdDatasync | rightFdFdstatSetFlags | rightFdSync | rightFdReaddir |
		rightFdFilestatGet | rightFdFilestatSetTimes |
		rightPathCreateDirectory | rightPathCreateFile | rightPathLinkSource | rightPathLinkTarget |
		rightPathOpen | rightPathReadlink | rightPathRenameSource | rightPathRenameTarget |
		rightPathFilestatGet | rightPathFilestatSetSize | rightPathFilestatSetTimes |
		rightPathSymlink | rightPathRemoveDirectory | rightPathUnlinkFile

	// What may be done with anything opened through a directory.
	inheritedRights = fileRights | directoryRights
)

// grant returns the rights of what was opened through a directory: all that its
// type allows and the directory passes on, of reading and writing only what
// was asked for.
func grant(o object, asked, inheriting rights) rights {
	r := o.rights() & inheriting
	if asked&rightFdRead == 0 {
		r &^= rightFdRead
	}
	if asked&rightFdWrite == 0 {
		r &^= writeRights
	}
	return r
}
