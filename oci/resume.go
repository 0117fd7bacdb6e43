package oci

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/lockfile"
)

// Resumable is a layer that can be read from the middle, as those of registries can. Put keeps what it got of one that breaks
// off, and asks for the rest the next time; several that want it at once, in any process, fetch it once.
type Resumable interface {
	v1.Layer
	// CompressedFrom is Compressed from an offset on.
	CompressedFrom(offset int64) (io.ReadCloser, error)
	// Context lasts as long as somebody wants the layer: Put does not wait longer for another process that fetches it.
	Context() context.Context
}

// partialSuffix is that of downloads that are not complete, in the directory of temporary files.
const partialSuffix = ".partial"

// resumeBlob stores a blob by way of a file that outlives failures, until garbage is collected.
func (s *Store) resumeBlob(want v1.Hash, size int64, layer Resumable) error {
	name, err := s.blobPath(want)
	if err != nil {
		return err
	}
	partial := filepath.Join(s.tempDir(), want.Hex+partialSuffix)
	fetching, err := lockfile.ExclusiveUntil(layer.Context(), partial+".lock")
	if err != nil {
		return err
	}
	defer fetching.Close()
	if info, err := os.Stat(name); err == nil && info.Size() == size { // somebody else was first
		return nil
	}
	file, err := os.OpenFile(partial, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	resumed, err := fillBlob(file, want, size, layer.CompressedFrom)
	if resumed && errors.Is(err, ErrCorrupt) { // what was there already may be to blame
		if err = file.Truncate(0); err == nil {
			_, err = fillBlob(file, want, size, layer.CompressedFrom)
		}
	}
	if err != nil {
		file.Close()
		var local *writeError
		if errors.Is(err, ErrCorrupt) || errors.As(err, &local) { // a full disk has no room for it
			os.Remove(partial)
		}
		return err
	}
	return publish(file, name)
}

// fillBlob completes a file that has the first part of a blob, and checks it.
func fillBlob(file *os.File, want v1.Hash, size int64, open func(int64) (io.ReadCloser, error)) (resumed bool, err error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	hash := sha256.New()
	have, err := io.Copy(hash, file)
	if err != nil {
		return false, err
	}
	if have > size {
		return true, fmt.Errorf("%w: blob %s is larger than described", ErrCorrupt, want)
	}
	source, err := open(have)
	if err != nil {
		return have > 0, err
	}
	defer source.Close()
	n, err := io.Copy(io.MultiWriter(localWriter{file}, hash), io.LimitReader(source, size-have+1))
	if err != nil {
		return have > 0, err
	}
	return have > 0, checkBlob(want, sumOf(hash), size, have+n)
}

// writeError tells what the disk does not take from what the source does not give.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

type localWriter struct{ file io.Writer }

func (w localWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if err != nil {
		err = &writeError{err}
	}
	return n, err
}
