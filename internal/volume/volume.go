// Package volume keeps named volumes: directories on the host that outlive the boxes that mount them.
//
// A volume's files are mounted as they are, so that the host's tools can read them. A box that has a volume mounted holds a
// lock on it, which the system drops when the process ends: a volume in use cannot be removed, and none stays "in use" after
// a crash.
package volume

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"boxer.dev/internal/lockfile"
)

var (
	// ErrNotFound says that there is no volume of the name.
	ErrNotFound = errors.New("no such volume")
	// ErrInUse says that a running box has the volume mounted.
	ErrInUse = errors.New("volume is in use")
)

// Volume is a directory with a name.
type Volume struct {
	Name       string
	Mountpoint string // of its files, on the host
	CreatedAt  time.Time
	Labels     map[string]string
	Anonymous  bool // it was created without a name
}

// Store is a directory of volumes, used by any number of processes. For each volume it has a directory of the volume's name
// with
//
//	data/         the volume's files
//	volume.json   the rest
//	in-use        locked by those who use it
//
// Names that start with a dot are the store's own. Volumes come, go and are locked under the lock .lock only.
type Store struct{ dir string }

const (
	dataDir    = "data"
	recordFile = "volume.json"
	useLock    = "in-use"
	storeLock  = ".lock"
	newPrefix  = ".new-"
	gonePrefix = ".gone-"
)

// validName has docker's grammar (moby, volume names).
func validName(name string) bool {
	const first = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	if name == "" || len(name) > 128 || strings.IndexByte(first, name[0]) < 0 {
		return false
	}
	return strings.Trim(name, first+"_.-") == ""
}

// Open opens the volumes in a directory, which is made if it is missing.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return &Store{dir}, os.MkdirAll(dir, 0o777)
}

// Create makes a volume and returns it, or the one that has the name already. Without name it gets one of 64 hexadecimal
// digits.
func (s *Store) Create(name string, labels map[string]string) (Volume, error) {
	lock, err := s.lock()
	if err != nil {
		return Volume{}, err
	}
	defer lock.Close()
	return s.create(name, labels)
}

func (s *Store) create(name string, labels map[string]string) (Volume, error) {
	v := Volume{Name: name, CreatedAt: time.Now().UTC().Truncate(time.Second), Labels: labels}
	if name == "" {
		v.Name, v.Anonymous = randomName(), true
	}
	if !validName(v.Name) {
		return Volume{}, fmt.Errorf("invalid volume name %q: only letters, digits, '_', '.' and '-', the first a letter or digit", name)
	}
	if old, err := s.read(v.Name); !errors.Is(err, ErrNotFound) {
		return old, err
	}
	temp := filepath.Join(s.dir, newPrefix+rand.Text())
	if err := s.fill(temp, v); err != nil {
		return Volume{}, fmt.Errorf("creating volume: %w", errors.Join(err, os.RemoveAll(temp)))
	}
	return s.read(v.Name)
}

// fill makes a volume's directory under a temporary name, so that it appears whole.
func (s *Store) fill(temp string, v Volume) error {
	if err := os.MkdirAll(filepath.Join(temp, dataDir), 0o777); err != nil {
		return err
	}
	record, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(temp, recordFile), record); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(s.dir, v.Name))
}

// writeSynced writes a file so that it is whole after a power failure, if it is there.
func writeSynced(name string, data []byte) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

func randomName() string {
	name := make([]byte, 32)
	rand.Read(name)
	return hex.EncodeToString(name)
}

// Get returns the volume of a name. The error is ErrNotFound if there is none.
func (s *Store) Get(name string) (Volume, error) { return s.read(name) }

func (s *Store) read(name string) (Volume, error) {
	if !validName(name) {
		return Volume{}, fmt.Errorf("%w: %q", ErrNotFound, name)
	}
	record, err := os.ReadFile(filepath.Join(s.dir, name, recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Volume{}, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	if err != nil {
		return Volume{}, fmt.Errorf("reading volume: %w", err)
	}
	v := Volume{}
	if err := json.Unmarshal(record, &v); err != nil {
		return Volume{}, fmt.Errorf("reading volume %s: %w", name, err)
	}
	v.Name, v.Mountpoint = name, filepath.Join(s.dir, name, dataDir)
	return v, nil
}

// List returns all volumes, ordered by name.
func (s *Store) List() ([]Volume, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("reading volumes: %w", err)
	}
	volumes := []Volume{}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		v, err := s.read(entry.Name())
		if errors.Is(err, ErrNotFound) { // it just went
			continue
		}
		if err != nil {
			return nil, err
		}
		volumes = append(volumes, v)
	}
	return volumes, nil
}

// Use is a volume that cannot be removed until Close.
type Use struct {
	Volume
	New  bool // it was created for this use
	lock *lockfile.Lock
}

// Close lets go of the volume.
func (u *Use) Close() error {
	now := time.Now()
	return errors.Join(os.Chtimes(u.useLock(), now, now), u.lock.Close())
}

func (v Volume) useLock() string { return filepath.Join(filepath.Dir(v.Mountpoint), useLock) }

// UsedAt is when the volume was last let go of; when it was created, if nobody has used it.
func (v Volume) UsedAt() time.Time {
	info, err := os.Stat(v.useLock())
	if err != nil {
		return v.CreatedAt
	}
	return info.ModTime()
}

// Size counts the bytes of the volume's files.
func (v Volume) Size() int64 { return treeSize(v.Mountpoint) }

// Use returns the volume of a name for mounting, creating it if there is none. It waits until nobody uses it alone.
func (s *Store) Use(ctx context.Context, name string, labels map[string]string) (*Use, error) {
	return s.use(ctx, name, labels, lockfile.TryShared, lockfile.Shared)
}

// UseAlone is Use for one who must be the only one: it waits until nobody else uses the volume.
func (s *Store) UseAlone(ctx context.Context, name string, labels map[string]string) (*Use, error) {
	return s.use(ctx, name, labels, lockfile.TryExclusive, lockfile.Exclusive)
}

// TryUseAlone is UseAlone that answers ErrInUse rather than wait.
func (s *Store) TryUseAlone(name string, labels map[string]string) (*Use, error) {
	return s.tryUse(name, labels, lockfile.TryExclusive)
}

type locking func(file string) (*lockfile.Lock, error)

func (s *Store) use(ctx context.Context, name string, labels map[string]string, try, wait locking) (*Use, error) {
	for {
		use, err := s.tryUse(name, labels, try)
		if !errors.Is(err, ErrInUse) {
			return use, err
		}
		if err := await(ctx, filepath.Join(s.dir, name, useLock), wait); err != nil {
			return nil, err
		}
	}
}

// await waits until a lock could be had. It does not keep it: locks are taken under the store's own, or the volume could be gone.
func await(ctx context.Context, file string, wait locking) error {
	done := make(chan error, 1)
	go func() {
		lock, err := wait(file)
		if err == nil {
			err = lock.Close()
		}
		done <- err
	}()
	select {
	case err := <-done:
		if errors.Is(err, fs.ErrNotExist) { // it was removed
			return nil
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) tryUse(name string, labels map[string]string, try locking) (*Use, error) {
	lock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	_, err = s.read(name)
	created := errors.Is(err, ErrNotFound)
	v, err := s.create(name, labels)
	if err != nil {
		return nil, err
	}
	using, err := try(filepath.Join(s.dir, v.Name, useLock))
	if errors.Is(err, lockfile.ErrLocked) {
		return nil, fmt.Errorf("%w: %s", ErrInUse, v.Name)
	}
	if err != nil {
		return nil, err
	}
	return &Use{v, created, using}, nil
}

// Remove removes a volume and its files. Errors are ErrNotFound and ErrInUse.
func (s *Store) Remove(name string) error {
	if _, err := s.read(name); err != nil {
		return err
	}
	gone, err := s.detach(name)
	if err != nil {
		return err
	}
	return removeTree(gone)
}

// detach takes a volume's name away, and returns where its files are now.
func (s *Store) detach(name string) (string, error) {
	lock, err := s.lock()
	if err != nil {
		return "", err
	}
	defer lock.Close()
	using, err := lockfile.TryExclusive(filepath.Join(s.dir, name, useLock))
	switch {
	case errors.Is(err, lockfile.ErrLocked):
		return "", fmt.Errorf("%w: %s", ErrInUse, name)
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w: %s", ErrNotFound, name)
	case err != nil:
		return "", err
	}
	using.Close() // nobody can take it before the store's lock, and Windows does not move open files
	gone := filepath.Join(s.dir, gonePrefix+rand.Text())
	return gone, os.Rename(filepath.Join(s.dir, name), gone)
}

// removeTree removes a directory whatever modes a box gave to the directories in it.
func removeTree(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			os.Chmod(name, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// Pruned tells what Prune removed.
type Pruned struct {
	Volumes []string
	Bytes   int64 // of their files
}

// Prune removes those volumes that nobody uses and that goes, which sees them by name, is true of. It also removes what
// interrupted processes left.
func (s *Store) Prune(goes func(Volume) bool) (Pruned, error) {
	pruned := Pruned{Volumes: []string{}}
	volumes, err := s.List()
	if err != nil {
		return pruned, err
	}
	for _, v := range volumes {
		if !goes(v) {
			continue
		}
		size := v.Size()
		err := s.Remove(v.Name)
		if errors.Is(err, ErrInUse) || errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return pruned, err
		}
		pruned.Volumes = append(pruned.Volumes, v.Name)
		pruned.Bytes += size
	}
	return pruned, s.removeLeftovers()
}

func (s *Store) removeLeftovers() error {
	lock, err := s.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), newPrefix) || strings.HasPrefix(entry.Name(), gonePrefix) {
			errs = append(errs, removeTree(filepath.Join(s.dir, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

func treeSize(dir string) (size int64) {
	filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil
	})
	return size
}

func (s *Store) lock() (*lockfile.Lock, error) {
	return lockfile.Exclusive(filepath.Join(s.dir, storeLock))
}
