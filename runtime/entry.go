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
	CodeSum  uint32 // CRC-32C

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
	size, sum, err := checksum(file)
	if err == nil && (size != e.CodeSize || sum != e.CodeSum) {
		err = errDamaged
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func checksum(file *os.File) (size int64, sum uint32, err error) {
	buffer := make([]byte, 256<<10)
	for {
		n, err := file.Read(buffer)
		size += int64(n)
		sum = crc32.Update(sum, castagnoli, buffer[:n])
		if err == io.EOF {
			return size, sum, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

// describe makes the entry of a file of machine code that will be found as name.
func describe(code string, d digest, name string, standIn []byte) (*entry, error) {
	file, err := os.Open(code)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, sum, err := checksum(file)
	if err != nil {
		return nil, fmt.Errorf("reading machine code: %w", err)
	}
	return &entry{Module: d, Code: name, CodeSize: size, CodeSum: sum, standIn: standIn}, nil
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
