// Package sbom tells what a box consists of, as documents that other tools read: SPDX 2.3 and CycloneDX 1.6, both as JSON.
//
// A box is described from the inside, by what any image has: the labels by which a base names the sources it was built from, the
// metadata of installed Python packages, and its WebAssembly programs. The same box gives the same bytes: times are the image's,
// and identifiers are digests of what they identify.
package sbom

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Inventory is what a box consists of.
type Inventory struct {
	Digest        v1.Hash // of the box's manifest
	Created       time.Time
	Sources       []Source
	Distributions []Distribution
	Programs      []Program
}

// Source is a Debian source package that a base was built from or by.
type Source struct {
	Name     string
	Revision string // Debian's version, which has the upstream one in it
	Tool     bool   // it made the base and is not in it
}

// Program is a WebAssembly module.
type Program struct {
	Path   string // in the box, absolute
	SHA256 string // of the file, in hexadecimal
	Size   int64  // in bytes
}

// revisionLabel is the beginning of labels that bases have: a Debian source package, and as the value its revision.
const revisionLabel = "dev.boxer.revision."

// buildTools are the beginnings of names of packages that only help to build a base.
var buildTools = []string{"clang", "lld", "llvm", "zstd"}

// maxEntries bounds how many packages and programs a document lists.
const maxEntries = 100_000

// Collect looks through a box: its configuration, and its files as fsys.
func Collect(digest v1.Hash, config *v1.ConfigFile, fsys fs.FS) (*Inventory, error) {
	inventory := &Inventory{Digest: digest, Created: config.Created.UTC(), Sources: sources(config.Config.Labels)}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) {
			return nil // what a box cannot list it cannot use either
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		return inventory.add(fsys, name)
	})
	if err != nil {
		return nil, fmt.Errorf("looking through the box: %w", err)
	}
	slices.SortFunc(inventory.Distributions, compareDistributions)
	return inventory, nil
}

func (i *Inventory) add(fsys fs.FS, name string) error {
	if len(i.Distributions)+len(i.Programs) >= maxEntries {
		return fmt.Errorf("more than %d packages and programs", maxEntries)
	}
	if isMetadata(name) {
		d, err := readDistribution(fsys, name)
		if err != nil {
			return err
		}
		if d.Name != "" {
			i.Distributions = append(i.Distributions, d)
		}
		return nil
	}
	p, err := readProgram(fsys, name)
	if p != nil {
		i.Programs = append(i.Programs, *p)
	}
	return err
}

func sources(labels map[string]string) []Source {
	var found []Source
	for label, revision := range labels {
		name, ok := strings.CutPrefix(label, revisionLabel)
		if !ok || name == "" {
			continue
		}
		tool := slices.ContainsFunc(buildTools, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		found = append(found, Source{Name: name, Revision: revision, Tool: tool})
	}
	slices.SortFunc(found, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// wasmMagic begins every WebAssembly module (core specification, 5.5.16).
const wasmMagic = "\x00asm"

// readProgram digests a file if it is a program; else there is none.
func readProgram(fsys fs.FS, name string) (*Program, error) {
	file, err := fsys.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	head := make([]byte, len(wasmMagic))
	if n, err := io.ReadFull(file, head); string(head[:n]) != wasmMagic {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil
		}
		return nil, err
	}
	hash := sha256.New()
	hash.Write(head)
	size, err := io.Copy(hash, file)
	return &Program{Path: path.Join("/", name), SHA256: hex.EncodeToString(hash.Sum(nil)), Size: size + int64(len(head))}, err
}
