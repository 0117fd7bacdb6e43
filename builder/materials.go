package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Digest is the SHA-256 of the file's text.
func (b *Boxfile) Digest() v1.Hash {
	sum := sha256.Sum256([]byte(strings.Join(b.lines, "\n")))
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// ContextDigest is a digest of all that a build could read in a directory: names, kinds, permissions and contents, less what
// its rules (.boxignore) leave out. Times and owners do not count, for a build does not see them.
func ContextDigest(ctx context.Context, root *os.Root) (_ v1.Hash, err error) {
	tree, err := openContext(root, DefaultEpoch)
	if err != nil {
		return v1.Hash{}, err
	}
	defer func() {
		if closeErr := tree.dirs.close(); err == nil {
			err = closeErr
		}
	}()
	seen := &seenTree{sourceTree: tree, files: map[string]*seenFile{}}
	d := &digesting{ctx: ctx, hash: sha256.New(), tree: seen}
	walk := walking{from: seen, to: d}
	if err := walk.contents(ctx, &directory{path: ".", made: true}); err != nil {
		return v1.Hash{}, fmt.Errorf("digesting %s: %w", tree.name, err)
	}
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(d.hash.Sum(nil))}, nil
}
