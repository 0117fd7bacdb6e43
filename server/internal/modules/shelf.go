// Package modules keeps WebAssembly modules as boxes of one program each.
package modules

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// Digest tells modules apart: the SHA-256 of their bytes.
type Digest [sha256.Size]byte

// DigestOf is the digest of a module.
func DigestOf(module []byte) Digest { return sha256.Sum256(module) }

// Program is where the module is in its box, which has nothing else. It is the box's ENTRYPOINT.
const Program = "/program.wasm"

// Shelf keeps modules on disk, those that were used last. The zero value works; all methods are safe for concurrent use. It is to
// be closed.
type Shelf struct {
	// Dir is a directory for it, and nobody else. "": one of its own below os.TempDir, which Close removes.
	Dir string
	// Most bounds how many modules are kept that nobody uses, and Bytes what they occupy. 0: 32, and 1 GiB.
	Most  int
	Bytes int64
	// Dropped, if not nil, is told of boxes that are about to be closed.
	Dropped func(*oci.Rootfs)

	mutex  sync.Mutex
	kept   map[Digest]*kept
	unused []*kept // by the time since when
	closed bool
	remove string
}

// kept is a module, or one that is being put on the shelf until made is closed.
type kept struct {
	digest Digest
	made   chan struct{}
	root   *oci.Rootfs
	err    error
	file   string
	size   int64
	users  int
}

const (
	defaultMost  = 32
	defaultBytes = 1 << 30
)

var errClosed = errors.New("the shelf of modules is closed")

// Use gives the box of a module until it is released. If the module is not there, content is asked for it, once for all who want it
// at the same time.
func (s *Shelf) Use(ctx context.Context, digest Digest, content func() ([]byte, error)) (_ *oci.Rootfs, release func(), err error) {
	k, mine, err := s.take(digest)
	if err != nil {
		return nil, nil, err
	}
	release = sync.OnceFunc(func() { s.release(k) })
	if mine {
		s.make(k, content)
	}
	select {
	case <-k.made:
	case <-ctx.Done():
		release()
		return nil, nil, context.Cause(ctx)
	}
	if k.err != nil {
		release()
		return nil, nil, k.err
	}
	return k.root, release, nil
}

// take counts a user of a module, and says whether that one has to make it.
func (s *Shelf) take(digest Digest) (_ *kept, mine bool, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.closed {
		return nil, false, errClosed
	}
	k := s.kept[digest]
	if k == nil {
		mine, k = true, &kept{digest: digest, made: make(chan struct{})}
		if s.kept == nil {
			s.kept = map[Digest]*kept{}
		}
		s.kept[digest] = k
	}
	k.users++
	for i, u := range s.unused {
		if u == k {
			s.unused = append(s.unused[:i], s.unused[i+1:]...)
			break
		}
	}
	return k, mine, nil
}

// make puts a module on the shelf.
func (s *Shelf) make(k *kept, content func() ([]byte, error)) {
	defer close(k.made)
	module, err := content()
	if err == nil && DigestOf(module) != k.digest {
		err = errors.New("the module is another one than was asked for")
	}
	if err == nil {
		err = s.write(k, module)
	}
	if k.err = err; err == nil {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.kept, k.digest) // whoever comes next tries again
}

// write makes a box of a module.
func (s *Shelf) write(k *kept, module []byte) error {
	dir, err := s.dir()
	if err != nil {
		return fmt.Errorf("keeping a module: %w", err)
	}
	k.size, k.file = int64(len(module)), filepath.Join(dir, hex.EncodeToString(k.digest[:]))
	if err := writeLayer(k.file, module); err != nil {
		_ = os.Remove(k.file)
		return fmt.Errorf("keeping a module: %w", err)
	}
	layer, err := vfs.OpenLayer(k.file)
	if err != nil {
		return fmt.Errorf("keeping a module: %w", err)
	}
	k.root = &oci.Rootfs{
		// No digest of an image looks like this, whatever is in the module.
		Digest: v1.Hash{Algorithm: "module", Hex: hex.EncodeToString(k.digest[:])},
		Config: &v1.ConfigFile{Config: v1.Config{Entrypoint: []string{Program}}},
		Layers: []*vfs.Layer{layer},
	}
	return nil
}

func writeLayer(file string, module []byte) error {
	w, err := vfs.CreateLayer(file)
	if err != nil {
		return err
	}
	entry := vfs.Entry{Path: Program[1:], Mode: 0o755, Size: int64(len(module))}
	return errors.Join(w.Add(entry, bytes.NewReader(module)), w.Close())
}

// dir is where layers are.
func (s *Shelf) dir() (string, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case s.closed:
		return "", errClosed
	case s.Dir != "":
		return s.Dir, os.MkdirAll(s.Dir, 0o700)
	case s.remove == "":
		dir, err := os.MkdirTemp("", "boxer-modules-")
		if err != nil {
			return "", err
		}
		s.remove = dir
	}
	return s.remove, nil
}

// release counts a user out, and drops what there is too much of.
func (s *Shelf) release(k *kept) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if k.users--; k.users > 0 || k.root == nil {
		return
	}
	s.unused = append(s.unused, k)
	most, bytes := s.bounds()
	for _, u := range s.unused {
		bytes -= u.size
	}
	for len(s.unused) > 0 && (s.closed || len(s.unused) > most || bytes < 0) {
		bytes += s.unused[0].size
		s.drop(s.unused[0])
		s.unused = s.unused[1:]
	}
}

func (s *Shelf) bounds() (most int, bytes int64) {
	if most, bytes = s.Most, s.Bytes; most == 0 {
		most = defaultMost
	}
	if bytes == 0 {
		bytes = defaultBytes
	}
	return most, bytes
}

// drop takes a module that nobody uses off the shelf. The mutex is held.
func (s *Shelf) drop(k *kept) {
	delete(s.kept, k.digest)
	if s.Dropped != nil {
		s.Dropped(k.root)
	}
	_ = k.root.Close() // nothing was written through it
	_ = os.Remove(k.file)
}

// Close drops all modules; those in use, when they are released.
func (s *Shelf) Close() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.closed = true
	for _, k := range s.unused {
		s.drop(k)
	}
	s.unused = nil
	if s.remove == "" {
		return nil
	}
	return os.RemoveAll(s.remove)
}
