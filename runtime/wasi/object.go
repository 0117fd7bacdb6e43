package wasi

import (
	"context"
	"io"
	"io/fs"

	"boxer.dev/vfs"
)

// object is what an open file description refers to: a file, directory or
// device of the tree ([node]), a standard stream ([input], [output]) or an end
// of a pipe.
type object interface {
	mode() fs.FileMode // type bits only
	rights() rights    // that descriptors of this type can have
	stat() (vfs.Stat, error)

	// read and write transfer at most len(p) bytes; at the end of the file read
	// returns 0 and no error. Where they would have to wait for the host they do
	// so if wait is set and else fail with errnoAgain. When the context ends
	// they return its error.
	read(ctx context.Context, p []byte, wait bool) (int, error)
	write(ctx context.Context, p []byte, wait bool) (int, error)

	// readable and writable tell whether a read or write would return at once,
	// as poll does, and how many bytes it could transfer.
	readable() readiness
	writable() readiness

	close() error
}

// readiness is what poll_oneoff learns about a descriptor.
type readiness struct {
	ready  bool
	bytes  uint64
	hangup bool // the other end of the pipe is closed
}

// filetype is preview 1's type of a file.
type filetype uint8

const (
	filetypeUnknown         filetype = 0
	filetypeBlockDevice     filetype = 1
	filetypeCharacterDevice filetype = 2
	filetypeDirectory       filetype = 3
	filetypeRegularFile     filetype = 4
	filetypeSocketStream    filetype = 6
	filetypeSymbolicLink    filetype = 7
)

// filetypeOf translates type bits. Preview 1 has no pipes: they are unknown.
func filetypeOf(m fs.FileMode) filetype {
	switch m & fs.ModeType {
	case 0:
		return filetypeRegularFile
	case fs.ModeDir:
		return filetypeDirectory
	case fs.ModeSymlink:
		return filetypeSymbolicLink
	case fs.ModeDevice | fs.ModeCharDevice:
		return filetypeCharacterDevice
	case fs.ModeDevice:
		return filetypeBlockDevice
	case fs.ModeSocket:
		return filetypeSocketStream
	}
	return filetypeUnknown
}

// unfit returns the error for an operation that needs r from d, whose type
// never has it.
func (d *descriptor) unfit(r rights) errno {
	switch {
	case r&directoryRights&^fileRights != 0:
		return errnoNotdir
	case d.mode().IsDir():
		return errnoIsdir
	case r&(rightFdRead|rightFdWrite) != 0:
		return errnoBadf
	case r&(rightFdSeek|rightFdTell|rightFdAdvise|rightFdAllocate) != 0:
		return errnoSpipe
	}
	return errnoInval
}

// node is an open file, directory or device of the tree.
type node struct {
	*vfs.File
	kind   fs.FileMode
	rooted bool // the program came to it through its "/"
}

func (n *node) mode() fs.FileMode { return n.kind }

func (n *node) rights() rights {
	if n.kind.IsDir() {
		return directoryRights
	}
	return fileRights
}

func (n *node) stat() (vfs.Stat, error) { return n.Stat() }
func (n *node) close() error            { return n.Close() }

func (n *node) read(_ context.Context, p []byte, _ bool) (int, error) {
	return endIsZero(n.Read(p))
}

func (n *node) write(_ context.Context, p []byte, _ bool) (int, error) {
	return n.Write(p)
}

func (n *node) bounded(p []byte) []byte {
	if n.kind&fs.ModeDevice != 0 {
		return p[:min(len(p), deviceTransfer)]
	}
	return p
}

func (n *node) readable() readiness {
	r := readiness{ready: true}
	at, err := n.Seek(0, io.SeekCurrent)
	if err != nil {
		return r
	}
	if st, err := n.Stat(); err == nil && st.Size > at {
		r.bytes = uint64(st.Size - at)
	}
	return r
}

func (n *node) writable() readiness { return readiness{ready: true, bytes: pipeCapacity} }

// endIsZero turns Go's end of file into POSIX's.
func endIsZero(n int, err error) (int, error) {
	if err == io.EOF {
		err = nil
	}
	return n, err
}
