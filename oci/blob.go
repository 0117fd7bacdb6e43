package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Bounds on JSON documents, which are read into memory whole. Registries commonly refuse manifests above 4 MiB.
const (
	maxManifest = 4 << 20
	maxConfig   = 8 << 20
	maxIndex    = 16 << 20
)

// blobName is where a layout keeps the blob (image-layout.md, "Blobs").
func blobName(h v1.Hash) (string, error) {
	if h.Algorithm != "sha256" || len(h.Hex) != sha256.Size*2 || !isHex(h.Hex) {
		return "", fmt.Errorf("%w: invalid digest %q", ErrCorrupt, h)
	}
	return path.Join("blobs", h.Algorithm, h.Hex), nil
}

// openBlob opens a blob of a layout and returns its size.
func openBlob(layout fs.FS, h v1.Hash) (fs.File, int64, error) {
	name, err := blobName(h)
	if err != nil {
		return nil, 0, err
	}
	file, err := layout.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// readBlob returns a small blob's content after checking its digest.
func readBlob(layout fs.FS, h v1.Hash, limit int64) ([]byte, error) {
	file, size, err := openBlob(layout, h)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if size > limit {
		return nil, fmt.Errorf("blob %s of %d bytes: %w", h, size, ErrTooLarge)
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("blob %s: %w", h, ErrTooLarge)
	}
	if got := digestOf(data); got != h {
		return nil, fmt.Errorf("%w: blob %s has digest %s", ErrCorrupt, h, got)
	}
	return data, nil
}

func digestOf(data []byte) v1.Hash {
	sum := sha256.Sum256(data)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

func sumOf(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// verifier reads a blob and fails, rather than report its end, if size or digest are not as described.
type verifier struct {
	source io.ReadCloser
	hash   hash.Hash
	want   v1.Hash
	left   int64
}

func verify(source io.ReadCloser, want v1.Hash, size int64) io.ReadCloser {
	return &verifier{source, sha256.New(), want, size}
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.source.Read(p)
	v.hash.Write(p[:n])
	v.left -= int64(n)
	if v.left < 0 {
		return 0, fmt.Errorf("%w: blob %s is larger than described", ErrCorrupt, v.want)
	}
	if err != io.EOF {
		return n, err
	}
	if v.left > 0 {
		return n, fmt.Errorf("%w: blob %s is truncated, %d bytes are missing", ErrCorrupt, v.want, v.left)
	}
	if got := sumOf(v.hash); got != v.want {
		return n, fmt.Errorf("%w: blob %s has digest %s", ErrCorrupt, v.want, got)
	}
	return n, io.EOF
}

func (v *verifier) Close() error { return v.source.Close() }
