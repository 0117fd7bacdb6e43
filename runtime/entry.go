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
//	checksum of the rest of this table, CRC-32C, 4 bytes
//	for each part its length and checksum, 4 bytes each
//	length of the code, 8 bytes
//	the module's digest, 32 bytes: here ends the table
//	the parts
//	nothing of meaning up to the next page
//	the code, to the end of the file
//
// with all numbers little-endian. The code begins with a page so that it can be mapped; its own checksum, which the engine
// compares, is in the part that follows it in the engine's format. Parts that a run does not need are not read. Checksums
// are against accidents (a full disk, a lost write); malice is kept out by the permissions of directory and file.
type entry struct {
	module     digest // what the code was compiled from
	standIn    []byte // what the engine is shown in place of the module; empty: the module itself
	restorable []byte // and in place of its restorable form; empty: that form of what it is shown otherwise
	code       engineFile
}

// engineFile is machine code in the engine's own format.
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
	entryParts = 4
	entryTable = 4 + entryParts*8 + 8 + len(digest{})
)

// parts are all that an entry has besides the code.
func (e *entry) parts() [entryParts]*[]byte {
	return [...]*[]byte{&e.code.front, &e.code.back, &e.restorable, &e.standIn}
}

// openEntry opens an entry's file and reads what a program in the form needs. The code is read when the engine wants it, and
// until close.
func openEntry(name string, f form) (*entry, error) {
	file, err := openPrivate(name)
	if err != nil {
		return nil, err
	}
	e := &entry{}
	if err := e.read(file, f); err != nil {
		file.Close()
		return nil, err
	}
	return e, nil
}

func (e *entry) read(file *os.File, f form) error {
	raw := make([]byte, entryTable)
	if _, err := file.ReadAt(raw, 0); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	t, err := readTable(raw)
	if err != nil {
		return err
	}
	end := int64(entryTable)
	for _, length := range t.lengths {
		end += length
	}
	e.code.segment = segment{file: file, at: wholePages(end), size: t.code}
	e.module = t.module
	if info, err := file.Stat(); err != nil || t.code < 0 || e.code.segment.at+e.code.segment.size != info.Size() {
		return errors.Join(errDamaged, err)
	}
	wanted := &e.standIn
	if f == restorable {
		wanted = &e.restorable
	}
	at := int64(entryTable)
	for i, part := range e.parts() {
		if part == &e.code.front || part == &e.code.back || part == wanted {
			*part = make([]byte, t.lengths[i])
			if _, err := file.ReadAt(*part, at); err != nil || crc32.Checksum(*part, castagnoli) != t.sums[i] {
				return errors.Join(errDamaged, err)
			}
		}
		at += t.lengths[i]
	}
	return nil
}

// table is what an entry's file begins with.
type table struct {
	sums    [entryParts]uint32
	lengths [entryParts]int64
	code    int64 // its length
	module  digest
}

func readTable(raw []byte) (t table, err error) {
	if crc32.Checksum(raw[4:], castagnoli) != binary.LittleEndian.Uint32(raw) {
		return t, errDamaged
	}
	numbers := raw[4:]
	for i := range t.sums {
		t.lengths[i], t.sums[i] = int64(binary.LittleEndian.Uint32(numbers)), binary.LittleEndian.Uint32(numbers[4:])
		numbers = numbers[8:]
	}
	t.code = int64(binary.LittleEndian.Uint64(numbers))
	copy(t.module[:], numbers[8:])
	return t, nil
}

// shown gives what the engine is shown for the module.
func (e *entry) shown(module source) ([]byte, error) {
	if module.form == restorable && len(e.restorable) > 0 {
		return e.restorable, nil
	}
	if len(e.standIn) > 0 {
		return module.form.of(e.standIn)
	}
	metered, err := module.metered()
	if err != nil {
		return nil, err
	}
	return module.form.of(metered)
}

// close lets go of the file, if the entry has one.
func (e *entry) close() {
	if e.code.segment.file != nil {
		e.code.segment.file.Close()
	}
}

// head is what precedes the code in the file.
func (e *entry) head() []byte {
	head := make([]byte, 4, entryTable)
	size := int64(entryTable)
	for _, part := range e.parts() {
		head = binary.LittleEndian.AppendUint32(head, uint32(len(*part)))
		head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(*part, castagnoli))
		size += int64(len(*part))
	}
	head = binary.LittleEndian.AppendUint64(head, uint64(e.code.segment.size))
	head = append(head, e.module[:]...)
	binary.LittleEndian.PutUint32(head, crc32.Checksum(head[4:], castagnoli))
	for _, part := range e.parts() {
		head = append(head, *part...)
	}
	return append(head, make([]byte, wholePages(size)-size)...)
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
