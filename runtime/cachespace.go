package runtime

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"boxer.dev/internal/diskspace"
)

// CacheSpace is what the files of a cache's directory occupy.
type CacheSpace struct {
	Code   diskspace.Space `json:"machineCode"`  // of programs
	Images diskspace.Space `json:"memoryImages"` // laid out to be mapped
	Other  diskspace.Space `json:"other"`        // notes and locks
}

// MeasureCache looks at Options.CacheDir.
func MeasureCache(dir string) (space CacheSpace, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return CacheSpace{}, nil
	}
	for _, entry := range entries {
		part := &space.Other
		switch filepath.Ext(entry.Name()) {
		case ".code":
			part = &space.Code
		case ".image":
			part = &space.Images
		}
		part.Add(diskspace.Entry(entry))
	}
	return space, err
}

// EmptyCache removes from Options.CacheDir all that can be made anew, and returns what that occupied. Programs that are running
// do not need it.
func EmptyCache(dir string) (freed diskspace.Space, err error) {
	files, err := prunableFiles(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return freed, nil
	}
	var failures []error
	for _, file := range files {
		name := filepath.Join(dir, file.name)
		info, err := os.Stat(name)
		if err == nil {
			err = os.Remove(name)
		}
		switch {
		case err == nil:
			freed.Add(diskspace.Space{Files: 1, Bytes: diskspace.Of(info)})
		case !errors.Is(err, fs.ErrNotExist):
			failures = append(failures, err)
		}
	}
	return freed, errors.Join(append(failures, err)...)
}
