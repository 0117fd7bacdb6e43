package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"boxer.dev/internal/lockfile"
)

// How much the cache keeps. What is removed and wanted again costs the time to make it anew, nothing else.
const (
	keepUnused = 30 * day
	keepBytes  = 4 << 30
	day        = 24 * time.Hour
)

// prunable are the suffixes of what lies in the cache and can be made anew: those of older versions too. Only use of machine
// code is noted, since it alone takes seconds to make; everything else goes by the time when it was made. Locks stay: to
// remove one would let two processes hold it.
var prunable = []string{".code", ".digest", ".image", ".entry", ".tmp"}

// pruneLock is held while a cache is pruned; its time is that of the last pruning.
const pruneLock = "prune.lock"

// pruned is a file that may be removed.
type pruned struct {
	name string
	size int64
	used time.Time
}

// prune keeps a cache's directory within bounds, at most once a day. It is called when something has been added. Files
// that other processes have mapped stay what they are to them.
func prune(dir string, now time.Time) error {
	stamp := filepath.Join(dir, pruneLock)
	if info, err := os.Stat(stamp); err == nil && now.Sub(info.ModTime()).Abs() < day {
		return nil
	}
	lock, err := lockfile.TryExclusive(stamp)
	if errors.Is(err, lockfile.ErrLocked) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pruning the cache: %w", err)
	}
	defer lock.Close()
	if err := os.Chtimes(stamp, now, now); err != nil {
		return fmt.Errorf("pruning the cache: %w", err)
	}
	files, err := prunableFiles(dir)
	if err != nil {
		return fmt.Errorf("pruning the cache: %w", err)
	}
	slices.SortFunc(files, func(a, b pruned) int { return b.used.Compare(a.used) })
	var kept int64
	var failures []error
	for _, file := range files {
		unused := now.Sub(file.used)
		if kept+file.size <= keepBytes && unused < keepUnused && (filepath.Ext(file.name) != ".tmp" || unused < day) {
			kept += file.size
			continue
		}
		if err := os.Remove(filepath.Join(dir, file.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

func prunableFiles(dir string) ([]pruned, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []pruned
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !slices.Contains(prunable, filepath.Ext(entry.Name())) {
			continue
		}
		if info, err := entry.Info(); err == nil { // else it has just gone
			files = append(files, pruned{entry.Name(), info.Size(), info.ModTime()})
		}
	}
	return files, nil
}

// markUsed notes in a file's time that it was used, to the day: file systems often record no accesses.
func markUsed(name string) {
	now := time.Now()
	if info, err := os.Stat(name); err == nil && now.Sub(info.ModTime()) > day {
		_ = os.Chtimes(name, now, now) // at worst it is made anew one day
	}
}
