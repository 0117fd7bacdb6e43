package runtime

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// entry is a module's machine code as it is kept. As a file it is
//
//	checksum of the rest of the head, CRC-32C, 4 bytes
//	lengths of the stand-in, of what precedes the code and of what follows it, 4 bytes each
//	length of the code, 8 bytes
//	the module's digest, 32 bytes
//	the stand-in, what precedes the code, what follows it
//	zeros up to the next page: here ends the head
//	the code, to the end of the file
//
// with all numbers little-endian. The code begins with a page so that it can be mapped. Its own checksum, which the
// engine compares, is in what follows it. Checksums are against accidents (a full disk, a lost write); malice is kept out
// by the permissions of directory and file.
type entry struct {
	module  digest // what the code was compiled from
	standIn []byte // the module that the engine is shown; empty: the module itself
	code    engineFile
}

// engineFile is machine code in the engine's own format, in parts.
type engineFile struct {
	front   []byte // what precedes the code
	back    []byte // what follows it
	segment segment
}

// segment is the code itself: in memory, or where it lies in a file.
type segment struct {
	bytes []byte
	file  *os.File // nil: bytes has it
	at    int64
	size  int64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errDamaged = errors.New("damaged cache entry")

const (
	entryFields = 4 + 4*3 + 8 + len(digest{})
	maxHead     = 1 << 30 // bytes
)

// openEntry reads the head of an entry's file. The code is read when the engine wants it, and until close.
func openEntry(name string) (_ *entry, err error) {
	file, err := openPrivate(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	fields := make([]byte, entryFields)
	if _, err := file.ReadAt(fields, 0); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	e := &entry{module: digest(fields[24:])}
	length := func(at int) int64 { return int64(binary.LittleEndian.Uint32(fields[at:])) }
	e.code.segment = segment{file: file, size: int64(binary.LittleEndian.Uint64(fields[16:]))}
	standIn, front, back := length(4), length(8), length(12)
	end := wholePages(int64(entryFields) + standIn + front + back)
	e.code.segment.at = end
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if e.code.segment.size < 0 || end > maxHead || info.Size()-end != e.code.segment.size {
		return nil, errDamaged
	}
	head := make([]byte, end)
	if _, err := file.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if crc32.Checksum(head[4:], castagnoli) != binary.LittleEndian.Uint32(head) {
		return nil, errDamaged
	}
	rest := head[entryFields:]
	e.standIn, rest = rest[:standIn:standIn], rest[standIn:]
	e.code.front, e.code.back = rest[:front], rest[front:front+back]
	return e, nil
}

// close lets go of the file, if the entry has one.
func (e *entry) close() {
	if e.code.segment.file != nil {
		e.code.segment.file.Close()
	}
}

// head is what precedes the code in the file.
func (e *entry) head() []byte {
	parts := [][]byte{e.standIn, e.code.front, e.code.back}
	head := make([]byte, 4, wholePages(int64(entryFields+len(e.standIn)+len(e.code.front)+len(e.code.back))))
	for _, part := range parts {
		head = binary.LittleEndian.AppendUint32(head, uint32(len(part)))
	}
	head = binary.LittleEndian.AppendUint64(head, uint64(e.code.segment.size))
	head = append(head, e.module[:]...)
	for _, part := range parts {
		head = append(head, part...)
	}
	head = head[:cap(head)]
	binary.LittleEndian.PutUint32(head, crc32.Checksum(head[4:], castagnoli))
	return head
}

// write writes the entry as temporary and gives it its final name once it is on disk. A file of that name that somebody
// has mapped stays what it is.
func (e *entry) write(temporary, final string) error {
	if err := os.Remove(temporary); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(e.head())
	if err == nil {
		_, err = file.Write(e.code.segment.bytes)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(temporary, final)
	}
	if err != nil {
		os.Remove(temporary)
	}
	return err
}

func wholePages(n int64) int64 {
	page := int64(os.Getpagesize())
	return (n + page - 1) / page * page
}

// parseEngineFile finds the parts of what the engine made: in front of the code are 6 bytes, the length of a version and
// the version, the number of functions (4 bytes) and their offsets (8 each), and the length of the code (8); after it is
// its checksum. What does not look like that is all front.
func parseEngineFile(file []byte) engineFile {
	number := func(at, length int) int {
		if at < 0 || at > len(file)-length {
			return -1
		}
		var bytes [8]byte
		copy(bytes[:], file[at:at+length])
		return int(binary.LittleEndian.Uint64(bytes[:]))
	}
	whole := engineFile{front: file}
	at := 7 + number(6, 1)
	functions := number(at, 4)
	if functions < 0 || functions > len(file)/8 {
		return whole
	}
	at += 4 + 8*functions
	from, length := at+8, number(at, 8)
	if length <= 0 || length > len(file)-from-4 {
		return whole
	}
	code := file[from : from+length]
	if int(crc32.Checksum(code, castagnoli)) != number(from+length, 4) {
		return whole
	}
	return engineFile{front: file[:from], segment: segment{bytes: code, size: int64(length)}, back: file[from+length:]}
}

// engineReader gives the engine what it wrote.
type engineReader struct {
	parts engineFile
	maps  bool  // the engine reads code into a mapping of its own, which mapOver may replace
	at    int64 // how much has been read
}

func (r *engineReader) Read(p []byte) (n int, err error) {
	front, size := int64(len(r.parts.front)), r.parts.segment.size
	switch at := r.at; {
	case at < front:
		n = copy(p, r.parts.front[at:])
	case at < front+size:
		n, err = r.parts.segment.read(p, at-front, r.maps)
	case at < front+size+int64(len(r.parts.back)):
		n = copy(p, r.parts.back[at-front-size:])
	default:
		return 0, io.EOF
	}
	r.at += int64(n)
	return n, err
}

func (r *engineReader) Close() error { return nil }

// read reads from the code. With maps, what asks for all of it at once is given it without a copy if that is possible.
func (s segment) read(p []byte, at int64, maps bool) (int, error) {
	p = p[:min(int64(len(p)), s.size-at)]
	if s.file == nil {
		return copy(p, s.bytes[at:]), nil
	}
	if maps && int64(len(p)) == s.size && mapOver(p, s.file, s.at) == nil {
		return len(p), nil
	}
	return s.file.ReadAt(p, s.at+at)
}
