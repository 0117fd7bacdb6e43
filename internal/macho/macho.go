// Package macho adds data to executables of macOS, and signs them again.
//
// Data that is merely appended to such a file lies outside of what its load commands describe: codesign(1) refuses to sign it,
// and no signature covers it. So it goes to the end of the segment __LINKEDIT, where it counts as the rest of the string table, and
// in front of the signature. Processors of Apple's own design run nothing that is not signed; an ad-hoc signature, which names
// nobody and has the hashes only, is enough for them.
//
// Formats are those of <mach-o/loader.h> and, for signatures, of XNU's <kern/cs_blobs.h>.
package macho

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Numbers of <mach-o/loader.h> and <mach-o/fat.h>.
const (
	magic64      = 0xfeedfacf
	magicFat     = 0xcafebabe // big-endian; Java's classes begin so, too
	magicFat64   = 0xcafebabf
	typeExecute  = 2
	headerSize   = 32
	cmdSegment   = 0x19
	cmdSymtab    = 0x2
	cmdSignature = 0x1d
	segmentSize  = 72
	symtabSize   = 24
	linkDataSize = 16

	maxCommands = 1 << 20 // bytes; linkers write some thousand
	vmPage      = 16 << 10
)

// ErrUniversal says that a file has executables for several processors in it.
var ErrUniversal = errors.New("it is a universal binary")

// File is an executable of macOS for one processor.
type File struct {
	source io.ReaderAt
	size   int64

	head      []byte   // header and load commands
	commands  [][]byte // of head
	text      []byte   // those that matter
	linkEdit  []byte
	symbols   []byte
	signature []byte // nil: it has none
}

var order = binary.LittleEndian

// Open reads the load commands of a file. It answers nil for what is no executable of macOS.
func Open(source io.ReaderAt, size int64) (*File, error) {
	f := &File{source: source, size: size, head: make([]byte, headerSize)}
	if _, err := source.ReadAt(f.head, 0); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	switch magic := binary.BigEndian.Uint32(f.head); {
	case magic == magicFat || magic == magicFat64:
		return nil, ErrUniversal
	case order.Uint32(f.head) != magic64 || order.Uint32(f.head[12:]) != typeExecute:
		return nil, nil
	}
	count, length := order.Uint32(f.head[16:]), order.Uint32(f.head[20:])
	if length > maxCommands {
		return nil, errors.New("reading load commands: there are too many")
	}
	f.head = make([]byte, headerSize+length)
	if _, err := source.ReadAt(f.head, 0); err != nil {
		return nil, fmt.Errorf("reading load commands: %w", err)
	}
	if err := f.findCommands(count); err != nil {
		return nil, fmt.Errorf("reading load commands: %w", err)
	}
	return f, nil
}

func (f *File) findCommands(count uint32) error {
	rest := f.head[headerSize:]
	for range count {
		if len(rest) < 8 || order.Uint32(rest[4:]) < 8 || uint64(order.Uint32(rest[4:])) > uint64(len(rest)) {
			return io.ErrUnexpectedEOF
		}
		command := rest[:order.Uint32(rest[4:])]
		rest = rest[len(command):]
		f.commands = append(f.commands, command)
		switch kind := order.Uint32(command); {
		case kind == cmdSegment && len(command) >= segmentSize && segmentName(command) == "__TEXT":
			f.text = command
		case kind == cmdSegment && len(command) >= segmentSize && segmentName(command) == "__LINKEDIT":
			f.linkEdit = command
		case kind == cmdSymtab && len(command) >= symtabSize:
			f.symbols = command
		case kind == cmdSignature && len(command) >= linkDataSize:
			f.signature = command
		}
	}
	return nil
}

func segmentName(command []byte) string {
	name := command[8:24]
	for i, c := range name {
		if c == 0 {
			return string(name[:i])
		}
	}
	return string(name)
}

// End is where the signature begins, or the file ends: data that was added ends there, or up to fifteen zero bytes before.
func (f *File) End() int64 {
	if f.signature != nil {
		return int64(order.Uint32(f.signature[8:]))
	}
	return f.size
}

// Fields of load commands.
func (f *File) linkEditOffset() int64 { return int64(order.Uint64(f.linkEdit[40:])) }
func (f *File) linkEditEnd() int64    { return f.linkEditOffset() + int64(order.Uint64(f.linkEdit[48:])) }
func (f *File) stringsOffset() int64  { return int64(order.Uint32(f.symbols[16:])) }
func (f *File) stringsEnd() int64     { return f.stringsOffset() + int64(order.Uint32(f.symbols[20:])) }

// check refuses files that data cannot be added to.
func (f *File) check() error {
	switch end := f.End(); {
	case f.text == nil || f.linkEdit == nil || f.symbols == nil:
		return errors.New("__TEXT, __LINKEDIT or the symbol table is missing")
	case f.linkEditEnd() != f.size || f.signature != nil && end+int64(order.Uint32(f.signature[12:])) != f.size:
		return errors.New("something lies behind its last segment")
	case f.linkEditOffset() < int64(len(f.head)) || f.stringsOffset() < f.linkEditOffset() || f.stringsEnd() > end || end-f.stringsEnd() >= signatureAlign:
		return errors.New("its string table is not the last of __LINKEDIT")
	case f.linkEditIsCovered():
		return errors.New("__LINKEDIT is not its last segment")
	}
	return nil
}

// linkEditIsCovered tells whether a segment comes after __LINKEDIT in memory, which then cannot grow.
func (f *File) linkEditIsCovered() bool {
	at := order.Uint64(f.linkEdit[24:])
	return slices.ContainsFunc(f.commands, func(command []byte) bool {
		return order.Uint32(command) == cmdSegment && len(command) >= segmentSize && order.Uint64(command[24:]) > at && order.Uint64(command[32:]) > 0
	})
}

// WriteWith writes the executable with data of a known size added, which write is to write, under an ad-hoc signature by the
// name of identifier if it had a signature before. The executable must have been closed by its linker: its last part is
// __LINKEDIT, whose last part are the strings.
func (f *File) WriteWith(w io.Writer, identifier string, size int64, write func(io.Writer) error) error {
	if err := f.check(); err != nil {
		return err
	}
	end := f.End()
	limit := end + size
	signed := limit
	var directory *codeDirectory
	if f.signature != nil {
		limit = align(limit, signatureAlign)
		directory = newCodeDirectory(identifier, limit, f.text)
		signed = limit + directory.size()
	}
	if signed > math.MaxUint32 {
		return errors.New("it would be larger than 4 GiB, which the format cannot say")
	}
	f.describe(limit, end+size, signed)
	out := io.Writer(w)
	if directory != nil {
		out = io.MultiWriter(w, directory)
	}
	body := io.NewSectionReader(f.source, int64(len(f.head)), end-int64(len(f.head)))
	if _, err := out.Write(f.head); err != nil {
		return err
	}
	if _, err := io.Copy(out, body); err != nil {
		return err
	}
	counted := &counter{w: out}
	if err := write(counted); err != nil {
		return err
	}
	if counted.n != size {
		return fmt.Errorf("%d bytes were added, not %d", counted.n, size)
	}
	if directory == nil {
		return nil
	}
	if _, err := out.Write(make([]byte, limit-end-size)); err != nil {
		return err
	}
	return directory.writeTo(w)
}

// describe changes the load commands for a string table up to one offset, a signature from another, and the end of the file.
func (f *File) describe(signature, stringsEnd, end int64) {
	order.PutUint32(f.symbols[20:], uint32(stringsEnd-f.stringsOffset()))
	length := end - f.linkEditOffset()
	order.PutUint64(f.linkEdit[48:], uint64(length))
	order.PutUint64(f.linkEdit[32:], uint64(align(length, vmPage)))
	if f.signature != nil {
		order.PutUint32(f.signature[8:], uint32(signature))
		order.PutUint32(f.signature[12:], uint32(end-signature))
	}
}

func align(n, to int64) int64 { return (n + to - 1) / to * to }

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
