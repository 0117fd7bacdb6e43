// Package lockfile gives advisory locks between processes, held on a file for as long as it is open. The operating system
// drops them when their process ends, however it ends: a lock never has to be cleaned up.
//
// Two locks conflict also within one process, because each Lock opens the file anew.
package lockfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrLocked is returned by the Try functions when somebody else holds a conflicting lock.
var ErrLocked = errors.New("locked by another process")

// Lock is a held lock. Close releases it.
type Lock struct{ file *os.File }

// Exclusive waits for the file's exclusive lock, creating the file if it is missing.
func Exclusive(name string) (*Lock, error) { return acquire(name, true, true) }

// poll is how often ExclusiveUntil asks.
const poll = 20 * time.Millisecond

// ExclusiveUntil is Exclusive, but waits no longer than the context lasts, of which it then gives the cause. It asks again and
// again: a wait in the kernel could not be ended.
func ExclusiveUntil(ctx context.Context, name string) (*Lock, error) {
	for {
		lock, err := TryExclusive(name)
		if !errors.Is(err, ErrLocked) {
			return lock, err
		}
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Shared waits for a lock that others may hold too, as long as all are shared.
func Shared(name string) (*Lock, error) { return acquire(name, false, true) }

// TryExclusive is Exclusive, but answers ErrLocked rather than wait.
func TryExclusive(name string) (*Lock, error) { return acquire(name, true, false) }

// TryShared is Shared, but answers ErrLocked rather than wait.
func TryShared(name string) (*Lock, error) { return acquire(name, false, false) }

func acquire(name string, exclusive, wait bool) (*Lock, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := lock(file, exclusive, wait); err != nil {
		file.Close()
		if errors.Is(err, ErrLocked) {
			return nil, err
		}
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return &Lock{file}, nil
}

// Close releases the lock. The file stays, because removing it would let two processes hold "the same" lock.
func (l *Lock) Close() error { return l.file.Close() }
