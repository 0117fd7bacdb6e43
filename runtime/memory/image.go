package memory

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// Image is an image laid out for use: a file that holds the memory byte for byte, with holes where it is zero. Any number
// of memories may be made of it. It is safe for concurrent use.
type Image struct {
	Header
	Digest Digest

	file  *os.File // nil: this platform copies
	bytes []byte   // the memory; mapped if there is a file
}

// Bytes is a view of the memory that the image holds. It must not be written to.
func (i *Image) Bytes() []byte { return i.bytes }

// Cache keeps images that are laid out as files in a directory, each under its digest. Dir "" keeps them in files without
// a name, for this process only.
//
// What lies in the directory is trusted: an image's digest is checked when its file is made, not each time it is opened.
// So nobody else may be able to write there, and files get their name only when they are complete and on disk.
type Cache struct{ Dir string }

// A file of the cache is the memory, then meta as JSON, then the JSON's length and CRC-32C, 4 bytes each, little-endian.
type meta struct {
	Header
	Digest Digest
}

const trailerSize = 8

// maxMeta bounds the JSON, in bytes.
const maxMeta = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Lookup opens the image of that digest if it has been laid out before.
func (c Cache) Lookup(d Digest) (*Image, error) {
	if c.Dir == "" {
		return nil, os.ErrNotExist
	}
	file, err := os.Open(c.name(d))
	if err != nil {
		return nil, err
	}
	i, err := open(file)
	if err == nil && i.Digest != d {
		err = errors.Join(ErrDamaged, i.Close())
	}
	return i, err
}

// Open lays an image out, unless that has been done. parent must be the image that s.Parent names.
func (c Cache) Open(s *Stored, parent *Image) (*Image, error) {
	if i, err := c.Lookup(s.Digest); err == nil {
		return i, nil
	}
	if s.Parent != nil && (parent == nil || parent.Digest != *s.Parent || parent.Module != s.Module) {
		return nil, fmt.Errorf("%w: it differs from an image that is not there", ErrForeign)
	}
	if s.Parent == nil {
		parent = nil
	}
	file, err := os.CreateTemp(c.Dir, "image-*.tmp")
	if err != nil {
		return nil, err
	}
	err = s.layOut(file, parent)
	if err == nil && c.Dir != "" {
		err = errors.Join(file.Sync(), os.Rename(file.Name(), c.name(s.Digest)))
	}
	if err != nil || c.Dir == "" {
		// Where a file in use cannot be removed it stays until the system clears its temporary files.
		_ = os.Remove(file.Name())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("laying out a memory image: %w", err), file.Close())
	}
	return open(file)
}

func (c Cache) name(d Digest) string { return filepath.Join(c.Dir, d.String()+".image") }

// layOut writes the file of an image.
func (s *Stored) layOut(file *os.File, parent *Image) error {
	if err := file.Truncate(int64(s.Size)); err != nil {
		return err
	}
	if parent != nil {
		if err := writePages(file, parent.bytes[:min(s.Size, uint64(len(parent.bytes)))]); err != nil {
			return err
		}
	}
	for i := range s.Pages() {
		if _, err := file.WriteAt(s.page(i), int64(s.number(i))*PageSize); err != nil {
			return err
		}
	}
	head, err := json.Marshal(meta{s.Header, s.Digest})
	if err != nil {
		return err
	}
	trailer := binary.LittleEndian.AppendUint32(nil, uint32(len(head)))
	trailer = binary.LittleEndian.AppendUint32(trailer, crc32.Checksum(head, castagnoli))
	_, err = file.WriteAt(append(head, trailer...), int64(s.Size))
	return err
}

// writePages writes memory to the beginning of an empty file, leaving holes where it is zero.
func writePages(file io.WriterAt, memory []byte) error {
	for _, n := range differing(memory, nil) {
		at := int64(n) * PageSize
		if _, err := file.WriteAt(memory[at:at+PageSize], at); err != nil {
			return err
		}
	}
	return nil
}

// open maps the file of an image, which it takes over.
func open(file *os.File) (_ *Image, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	m, err := readMeta(file)
	if err != nil {
		return nil, err
	}
	i := &Image{Header: m.Header, Digest: m.Digest, file: file}
	if err := i.load(); err != nil {
		return nil, fmt.Errorf("mapping a memory image: %w", err)
	}
	return i, nil
}

// readMeta reads what follows the memory, and makes sure that the file is neither longer nor shorter than it says.
func readMeta(file *os.File) (m meta, err error) {
	info, err := file.Stat()
	if err != nil {
		return m, err
	}
	trailer := make([]byte, trailerSize)
	if _, err := file.ReadAt(trailer, info.Size()-trailerSize); err != nil {
		return m, ErrDamaged
	}
	length := int64(binary.LittleEndian.Uint32(trailer))
	start := info.Size() - trailerSize - length
	if start < 0 || length > maxMeta {
		return m, ErrDamaged
	}
	head := make([]byte, length)
	if _, err := file.ReadAt(head, start); err != nil {
		return m, ErrDamaged
	}
	if crc32.Checksum(head, castagnoli) != binary.LittleEndian.Uint32(trailer[4:]) || decodeStrictly(head, &m) != nil {
		return m, ErrDamaged
	}
	if uint64(start) != m.Size || m.Size > MaxSize || m.Size%wasmPage != 0 {
		return m, ErrDamaged
	}
	return m, nil
}
