package vfs

import (
	"io/fs"
	"sync"
	"time"
)

// treeDev is the device number of what is in the tree; mounts count up from it.
const treeDev = 1

// FS is a copy-on-write tree in memory over immutable layers, with host
// directories and devices mounted into it. It is safe for concurrent use.
type FS struct {
	mu      sync.RWMutex
	lower   *stack
	owner   *owner
	inodes  sorted[uint64, *inode] // what was made or changed
	nextIno uint64
	used    usage

	refusals int64 // of changes for want of room
	config   Config

	open    map[uint64]int    // open files of the tree
	orphans map[uint64]*inode // of those, the ones without a name
	mounts  *mounts           // nil if there are none

	done <-chan struct{} // see Until
}

// Config are the properties of a tree that are not part of its contents. The
// zero value works.
type Config struct {
	Now    func() time.Time // of file times; nil: time.Now
	Limits Limits

	ReadOnly bool // nothing can be changed (EROFS); mounts are as they are
}

// New returns a tree over layers, the lowest first. Without layers it is an
// empty root directory of mode 0755.
func New(layers ...*Layer) *FS {
	return &FS{
		lower:   newStack(layers),
		owner:   new(owner),
		nextIno: firstIno,
		open:    map[uint64]int{},
		orphans: map[uint64]*inode{},
	}
}

// Fork returns a tree that is equal now and changes independently from now on.
// It takes the same time whatever the tree holds. The configuration and what
// counts against its limits are inherited; mounts and open files, and so files
// that are only open and have no name, stay with f.
func (f *FS) Fork() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owner = new(owner)
	c := &FS{
		lower:   f.lower,
		owner:   new(owner),
		inodes:  f.inodes,
		nextIno: f.nextIno,
		used:    f.used,
		config:  f.config,
		open:    map[uint64]int{},
		orphans: map[uint64]*inode{},
	}
	for _, n := range f.orphans {
		c.refund(n.held(), 1)
	}
	return c
}

// Configure replaces the configuration. A limit below what the tree holds
// refuses what would add to it.
func (f *FS) Configure(c Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.config = c
}

// Until makes what takes long fail with EINTR once done is closed: looking for files in the depths of host directories, and
// listing large ones. Nil is never. A fork does not inherit it.
func (f *FS) Until(done <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = done
}

// over reports whether nobody waits for what takes long any more. The lock is held.
func (f *FS) over() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// Used returns what counts against the limits now.
func (f *FS) Used() Limits {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return Limits{Bytes: f.used.bytes, Files: f.used.files}
}

// Refusals is how many changes of this tree have found no room within its limits.
func (f *FS) Refusals() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.refusals
}

func (f *FS) now() instant {
	if f.config.Now != nil {
		return instantOf(f.config.Now())
	}
	return instantOf(time.Now())
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// permissions is what is left of a mode when a file is made.
func permissions(perm fs.FileMode) fs.FileMode {
	return perm & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
}
