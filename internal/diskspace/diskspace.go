// Package diskspace tells what files occupy on the disk, which is less than their length where they have holes.
package diskspace

import (
	"io/fs"
	"path/filepath"
)

// Space is what some files occupy.
type Space struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// Add counts further files.
func (s *Space) Add(other Space) {
	s.Files += other.Files
	s.Bytes += other.Bytes
}

// Below is what the regular files in a directory, and in those beneath it, occupy. What is not there, or may not be read,
// does not count.
func Below(dir string) (total Space) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil {
			total.Add(Entry(entry))
		}
		return nil
	})
	return total
}

// Entry is what a directory's entry occupies if it is a regular file.
func Entry(entry fs.DirEntry) Space {
	if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
		return Space{1, Of(info)}
	}
	return Space{}
}
