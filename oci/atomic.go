package oci

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// createTemp makes a file that nothing refers to yet. Should the process die, garbage collection finds it.
func (s *Store) createTemp() (*os.File, error) {
	return os.OpenFile(s.tempName(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
}

func (s *Store) tempName() string { return filepath.Join(s.tempDir(), rand.Text()) }

// publish makes a finished temporary file appear under its name, whole or not at all, also if the power fails.
func publish(file *os.File, name string) (err error) {
	defer func() {
		if err != nil {
			os.Remove(file.Name())
		}
	}()
	err = file.Sync()
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return replace(file.Name(), name)
}

// writeFile replaces a file by data.
func (s *Store) writeFile(name string, data []byte) error {
	file, err := s.createTemp()
	if err != nil {
		return err
	}
	if _, err := file.Write(data); err != nil {
		file.Close()
		os.Remove(file.Name())
		return err
	}
	if err := publish(file, name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// writeBlob stores what source has, unless it is not what its digest and size say. size -1: unknown.
func (s *Store) writeBlob(want v1.Hash, size int64, source io.Reader) error {
	name, err := s.blobPath(want)
	if err != nil {
		return err
	}
	file, err := s.createTemp()
	if err != nil {
		return err
	}
	hash := sha256.New()
	limited := source
	if size >= 0 {
		limited = io.LimitReader(source, size+1)
	}
	n, err := io.Copy(io.MultiWriter(file, hash), limited)
	if err == nil {
		err = checkBlob(want, sumOf(hash), size, n)
	}
	if err != nil {
		file.Close()
		os.Remove(file.Name())
		return err
	}
	return publish(file, name)
}

func checkBlob(want, got v1.Hash, wantSize, size int64) error {
	if wantSize >= 0 && size != wantSize {
		return fmt.Errorf("%w: blob %s has not the %d bytes it should have", ErrCorrupt, want, wantSize)
	}
	if got != want {
		return fmt.Errorf("%w: blob %s has digest %s", ErrCorrupt, want, got)
	}
	return nil
}
