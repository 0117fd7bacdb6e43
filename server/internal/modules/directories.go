package modules

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Directories are those in which modules may be named. The zero value has none; methods are safe for concurrent use.
type Directories struct {
	// Roots are the directories, opened by absolute names. They are not closed.
	Roots []*os.Root
	// MaxSize bounds modules, in bytes. 0: any size.
	MaxSize int64

	mutex sync.Mutex
	known map[string]known
}

// known is a file whose digest was computed.
type known struct {
	info   os.FileInfo
	digest Digest
}

// maxKnown bounds how many digests are remembered.
const maxKnown = 256

// Errors of Find. They say nothing of what is outside of the directories.
var (
	ErrOutside = errors.New("it is in none of the directories for modules")
	ErrMissing = errors.New("there is no such module")
)

// Find gives the digest of the module that a path names, and reads it when it is called. The path is absolute, or relative to one of
// the directories, the first that has it. No symlink and no ".." leads out of them.
func (d *Directories) Find(name string) (Digest, func() ([]byte, error), error) {
	failure := ErrOutside
	for _, root := range d.Roots {
		inside, ok := within(root, name)
		if !ok {
			continue
		}
		info, err := root.Stat(inside)
		switch {
		case errors.Is(err, fs.ErrNotExist) && failure == ErrOutside:
			failure = ErrMissing
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return Digest{}, nil, fmt.Errorf("%w: %w", ErrOutside, err)
		case !info.Mode().IsRegular():
			return Digest{}, nil, fmt.Errorf("%w: it is no file", ErrMissing)
		case d.MaxSize > 0 && info.Size() > d.MaxSize:
			return Digest{}, nil, &SizeError{info.Size(), d.MaxSize}
		default:
			return d.digest(root, inside, info)
		}
	}
	return Digest{}, nil, failure
}

// SizeError says that a module is too large.
type SizeError struct{ Size, Most int64 } // bytes

func (e *SizeError) Error() string {
	return fmt.Sprintf("the module has %d bytes, of at most %d", e.Size, e.Most)
}

// within gives a name relative to a directory, if it may be in that.
func within(root *os.Root, name string) (string, bool) {
	if filepath.IsAbs(name) {
		relative, err := filepath.Rel(root.Name(), name)
		if err != nil {
			return "", false
		}
		name = relative
	}
	return name, filepath.IsLocal(name)
}

// digest computes a file's digest, or knows it.
func (d *Directories) digest(root *os.Root, name string, info os.FileInfo) (Digest, func() ([]byte, error), error) {
	full := root.Name() + "\x00" + name
	read := func() ([]byte, error) { return d.read(root, name) }
	d.mutex.Lock()
	k, ok := d.known[full]
	d.mutex.Unlock()
	if ok && os.SameFile(k.info, info) && k.info.Size() == info.Size() && k.info.ModTime().Equal(info.ModTime()) {
		return k.digest, read, nil
	}
	module, err := read()
	if err != nil {
		return Digest{}, nil, err
	}
	digest := DigestOf(module)
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.known == nil || len(d.known) >= maxKnown {
		d.known = map[string]known{}
	}
	d.known[full] = known{info, digest}
	return digest, func() ([]byte, error) { return module, nil }, nil
}

func (d *Directories) read(root *os.Root, name string) ([]byte, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading a module: %w", err)
	}
	defer file.Close()
	most := d.MaxSize
	if most == 0 {
		most = 1<<63 - 2
	}
	module, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(module)) > most {
		err = &SizeError{int64(len(module)), most}
	}
	if err != nil {
		return nil, fmt.Errorf("reading a module: %w", err)
	}
	return module, nil
}
