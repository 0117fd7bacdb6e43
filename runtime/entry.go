package runtime

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// entry says which file holds a module's machine code, and how to know that it is whole. As a file it is
//
//	checksum of the rest, CRC-32C, 4 bytes, little-endian
//	length of the next part, 4 bytes, little-endian
//	the exported fields as JSON
//	the stand-in, to the end of the file
//
// Checksums are against accidents (a full disk, a lost write); malice is kept out by the directory's permissions.
type entry struct {
	Module   digest // what the code was compiled from
	Code     string // file below the cache's directory
	CodeSize int64
	CodeSum  uint32 // CRC-32C of the file but for Verified
	Verified span   // what the engine itself checks when it reads the file

	standIn []byte // the module that the engine is given; empty: the module itself
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errDamaged = errors.New("damaged cache entry")

const entryHead = 8

func readEntry(file string) (*entry, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if len(data) < entryHead || crc32.Checksum(data[4:], castagnoli) != binary.LittleEndian.Uint32(data) {
		return nil, errDamaged
	}
	length, rest := int64(binary.LittleEndian.Uint32(data[4:])), data[entryHead:]
	if length > int64(len(rest)) {
		return nil, errDamaged
	}
	e := &entry{standIn: rest[length:]}
	if err := json.Unmarshal(rest[:length], e); err != nil {
		return nil, errDamaged
	}
	if !filepath.IsLocal(e.Code) {
		return nil, errDamaged
	}
	return e, nil
}

// openCode opens the machine code and checks that it is what the entry was written for.
func (e *entry) openCode(dir string) (*os.File, error) {
	file, err := os.Open(filepath.Join(dir, e.Code))
	if err != nil {
		return nil, err
	}
	if err := e.check(file); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (e *entry) check(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != e.CodeSize {
		return errDamaged
	}
	sum, err := checksum(file, e.CodeSize, e.Verified)
	if err == nil && sum != e.CodeSum {
		err = errDamaged
	}
	return err
}

// span is a part of a file: from its first byte to before its end.
type span struct{ From, To int64 }

// checksum reads the first size bytes of a file, except those of skip.
func checksum(file io.ReaderAt, size int64, skip span) (uint32, error) {
	if skip.From < 0 || skip.To < skip.From || size < skip.To {
		return 0, errDamaged
	}
	sum := crc32.New(castagnoli)
	for _, part := range []span{{0, skip.From}, {skip.To, size}} {
		if _, err := io.Copy(sum, io.NewSectionReader(file, part.From, part.To-part.From)); err != nil {
			return 0, err
		}
	}
	return sum.Sum32(), nil
}

// engineChecked finds the machine code itself in a file that the engine made. It is followed by a checksum that the
// engine compares, and is nearly all of the file: there is no need to read it twice. In front of it are 6 bytes, the
// length of a version and the version, the number of functions (4 bytes) and their offsets (8 each), and the length of
// the code (8). A file that does not look like that is checked as a whole.
func engineChecked(file io.ReaderAt, size int64) span {
	number := func(at, length int64) int64 {
		bytes := make([]byte, 8)
		if at > size {
			return -1
		}
		if n, _ := file.ReadAt(bytes[:length], at); int64(n) < length {
			return -1
		}
		return int64(binary.LittleEndian.Uint64(bytes))
	}
	at := 7 + number(6, 1)
	functions := number(at, 4)
	at += 4 + 8*functions
	length := number(at, 8)
	code := span{at + 8, at + 8 + length}
	if functions < 0 || length <= 0 || length > size || code.To > size-4 {
		return span{}
	}
	body := crc32.New(castagnoli)
	if _, err := io.Copy(body, io.NewSectionReader(file, code.From, length)); err != nil {
		return span{}
	}
	if int64(body.Sum32()) != number(code.To, 4) {
		return span{}
	}
	return code
}

// describe makes the entry of a file of machine code that will be found as name.
func describe(code string, d digest, name string, standIn []byte) (*entry, error) {
	file, err := os.Open(code)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	verified := engineChecked(file, info.Size())
	sum, err := checksum(file, info.Size(), verified)
	if err != nil {
		return nil, fmt.Errorf("reading machine code: %w", err)
	}
	return &entry{Module: d, Code: name, CodeSize: info.Size(), CodeSum: sum, Verified: verified, standIn: standIn}, nil
}

// write writes the entry as temporary, on the same file system as final, and gives it its name once it is on disk.
func (e *entry) write(temporary, final string) error {
	fields, err := json.Marshal(e)
	if err != nil {
		return err
	}
	var data bytes.Buffer
	data.Write(make([]byte, entryHead))
	data.Write(fields)
	data.Write(e.standIn)
	binary.LittleEndian.PutUint32(data.Bytes()[4:], uint32(len(fields)))
	binary.LittleEndian.PutUint32(data.Bytes(), crc32.Checksum(data.Bytes()[4:], castagnoli))

	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data.Bytes())
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing cache entry: %w", err)
	}
	return os.Rename(temporary, final)
}

// readDigest reads what writeDigest wrote: a digest and its CRC-32C.
func (c *codeCache) readDigest(key digest) (d digest, err error) {
	data, err := os.ReadFile(c.path(key, ".digest"))
	if err != nil {
		return d, err
	}
	if len(data) != len(d)+4 || crc32.Checksum(data[:len(d)], castagnoli) != binary.LittleEndian.Uint32(data[len(d):]) {
		return d, errDamaged
	}
	return digest(data[:len(d)]), nil
}

func (c *codeCache) writeDigest(key, d digest) error {
	file, err := os.CreateTemp(c.dir, "*.tmp")
	if err != nil {
		return fmt.Errorf("writing to the cache: %w", err)
	}
	_, err = file.Write(binary.LittleEndian.AppendUint32(d[:len(d):len(d)], crc32.Checksum(d[:], castagnoli)))
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), c.path(key, ".digest"))
	}
	if err != nil {
		os.Remove(file.Name())
		return fmt.Errorf("writing to the cache: %w", err)
	}
	return nil
}
