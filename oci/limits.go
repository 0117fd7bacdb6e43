package oci

import (
	"cmp"
	"fmt"
	"io"
	"sync/atomic"
)

// Limits bound what an image or an archive may make this machine do. Zero stands for the default.
type Limits struct {
	Bytes        int64 // of the files of an image, holes included; default 16 GiB
	Files        int64 // in an image; default a million
	Ratio        int64 // of bytes unpacked to compressed bytes; default 200
	Slack        int64 // bytes that an image may unpack to at any ratio, since holes compress to nothing; default 1 GiB
	ArchiveBytes int64 // of an archive that is loaded; default 64 GiB
	ArchiveFiles int64 // in an archive; default 100,000
}

// DefaultLimits are the limits of those who set none.
func DefaultLimits() Limits { return Limits{}.withDefaults() }

func (l Limits) withDefaults() Limits {
	return Limits{
		Bytes:        cmp.Or(l.Bytes, 16<<30),
		Files:        cmp.Or(l.Files, 1_000_000),
		Ratio:        cmp.Or(l.Ratio, 200),
		Slack:        cmp.Or(l.Slack, 1<<30),
		ArchiveBytes: cmp.Or(l.ArchiveBytes, 64<<30),
		ArchiveFiles: cmp.Or(l.ArchiveFiles, 100_000),
	}
}

// budget is what the layers of an image that are being unpacked have used of their limits together.
type budget struct {
	limits            Limits
	bytes, files      atomic.Int64 // of entries
	plain, compressed atomic.Int64 // bytes that were read
}

func newBudget(l Limits) *budget { return &budget{limits: l.withDefaults()} }

// spend charges an entry, whose size may be anything.
func (b *budget) spend(size, files int64) error {
	if size < 0 || size > b.limits.Bytes || b.bytes.Add(size) > b.limits.Bytes {
		return fmt.Errorf("%w of %d bytes in files", ErrTooLarge, b.limits.Bytes)
	}
	if b.files.Add(files) > b.limits.Files {
		return fmt.Errorf("%w of %d files", ErrTooLarge, b.limits.Files)
	}
	return nil
}

// compressedReader counts what is read of a blob.
type compressedReader struct {
	source io.Reader
	budget *budget
}

func (c *compressedReader) Read(p []byte) (int, error) {
	n, err := c.source.Read(p)
	c.budget.compressed.Add(int64(n))
	return n, err
}

// plainReader reads a blob's tar, and fails when it grows out of proportion.
type plainReader struct {
	source io.Reader
	budget *budget
}

func (r *plainReader) Read(p []byte) (int, error) {
	n, err := r.source.Read(p)
	b := r.budget
	plain := b.plain.Add(int64(n))
	if plain > b.limits.Slack && plain/b.limits.Ratio > b.compressed.Load() {
		return 0, fmt.Errorf("unpacking to over %d times the compressed size: %w", b.limits.Ratio, ErrTooLarge)
	}
	// Headers and padding take up to a few blocks for each file.
	if plain/2 > b.limits.Bytes+b.limits.Files*1024 {
		return 0, fmt.Errorf("unpacking: %w of %d bytes", ErrTooLarge, b.limits.Bytes)
	}
	return n, err
}
