package runtime

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
)

// entry is a module's machine code as it is kept. As a file it is
//
//	checksum of the rest but for Verified, CRC-32C, 4 bytes, little-endian
//	length of the next part, 4 bytes, little-endian
//	the exported fields as JSON
//	the stand-in
//	the code, in the engine's own format, to the end of the file
//
// Checksums are against accidents (a full disk, a lost write); malice is kept out by the directory's permissions.
type entry struct {
	Module   digest // what the code was compiled from
	StandIn  int    // length of the stand-in
	Verified span   // the part of the code that the engine itself checks when it reads it

	standIn []byte // the module that the engine is shown; empty: the module itself
	code    []byte
}

// span is a part of some bytes: from the first to before the end.
type span struct{ From, To int }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errDamaged = errors.New("damaged cache entry")

const entryHead = 8

// parseEntry makes an entry of a file, of which it stays a view.
func parseEntry(file []byte) (*entry, error) {
	if len(file) < entryHead {
		return nil, errDamaged
	}
	length, rest := int64(binary.LittleEndian.Uint32(file[4:])), file[entryHead:]
	if length > int64(len(rest)) {
		return nil, errDamaged
	}
	e := &entry{}
	if err := json.Unmarshal(rest[:length], e); err != nil {
		return nil, errDamaged
	}
	rest = rest[length:]
	if e.StandIn < 0 || e.StandIn > len(rest) {
		return nil, errDamaged
	}
	e.standIn, e.code = rest[:e.StandIn], rest[e.StandIn:]
	if v := e.Verified; v.From < 0 || v.To < v.From || v.To > len(e.code) {
		return nil, errDamaged
	}
	if e.checksum(file[4:len(file)-len(e.code)]) != binary.LittleEndian.Uint32(file) {
		return nil, errDamaged
	}
	return e, nil
}

// checksum is that of head, which is what precedes the code, and of the code but for Verified.
func (e *entry) checksum(head []byte) uint32 {
	sum := crc32.Checksum(head, castagnoli)
	sum = crc32.Update(sum, castagnoli, e.code[:e.Verified.From])
	return crc32.Update(sum, castagnoli, e.code[e.Verified.To:])
}

// write writes the entry as temporary and gives it its final name once it is on disk.
func (e *entry) write(temporary, final string) error {
	e.StandIn, e.Verified = len(e.standIn), engineChecked(e.code)
	fields, err := json.Marshal(e)
	if err != nil {
		return err
	}
	head := binary.LittleEndian.AppendUint32(make([]byte, 4), uint32(len(fields)))
	head = append(append(head, fields...), e.standIn...)
	binary.LittleEndian.PutUint32(head, e.checksum(head[4:]))

	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(head)
	if err == nil {
		_, err = file.Write(e.code)
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

// engineChecked finds the machine code itself in what the engine made. It is followed by a checksum that the engine
// compares, and is nearly everything: there is no need to read it twice. In front of it are 6 bytes, the length of a
// version and the version, the number of functions (4 bytes) and their offsets (8 each), and the length of the code (8).
// What does not look like that is checked as a whole.
func engineChecked(file []byte) span {
	number := func(at, length int) int {
		if at < 0 || at > len(file)-length {
			return -1
		}
		var bytes [8]byte
		copy(bytes[:], file[at:at+length])
		return int(binary.LittleEndian.Uint64(bytes[:]))
	}
	at := 7 + number(6, 1)
	functions := number(at, 4)
	at += 4 + 8*functions
	length := number(at, 8)
	code := span{at + 8, at + 8 + length}
	if functions < 0 || length <= 0 || length > len(file) || code.To > len(file)-4 {
		return span{}
	}
	if int(crc32.Checksum(file[code.From:code.To], castagnoli)) != number(code.To, 4) {
		return span{}
	}
	return code
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
