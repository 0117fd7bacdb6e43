package oci

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/lockfile"
)

// maxOrigins bounds what is remembered of a blob: the latest repositories.
const maxOrigins = 8

// Origins are the repositories ("registry/name", the latest first) that a blob was last seen in: there it can be taken over from
// when it is wanted in another repository of the registry. They are hints; they may be wrong.
func (s *Store) Origins(blob v1.Hash) []string {
	name, err := s.originFile(blob)
	if err != nil {
		return nil
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	return strings.Fields(string(raw))
}

// NoteOrigin remembers that a repository has blobs.
func (s *Store) NoteOrigin(repository string, blobs ...v1.Hash) error {
	using, err := lockfile.Shared(s.lockFile())
	if err != nil {
		return err
	}
	defer using.Close()
	if err := os.MkdirAll(s.originDir(), 0o777); err != nil {
		return err
	}
	for _, blob := range blobs {
		if err := s.noteOrigin(repository, blob); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) noteOrigin(repository string, blob v1.Hash) error {
	name, err := s.originFile(blob)
	if err != nil {
		return err
	}
	known := s.Origins(blob)
	if len(known) > 0 && known[0] == repository {
		return nil
	}
	known = slices.Insert(slices.DeleteFunc(known, func(k string) bool { return k == repository }), 0, repository)
	return s.writeFile(name, []byte(strings.Join(known[:min(len(known), maxOrigins)], "\n")+"\n"))
}

func (s *Store) originDir() string { return filepath.Join(s.dir, "origins", "sha256") }

func (s *Store) originFile(blob v1.Hash) (string, error) {
	if _, err := blobName(blob); err != nil {
		return "", err
	}
	return filepath.Join(s.originDir(), blob.Hex), nil
}
