package wasm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// HeadSize is how many bytes of a file [Identify] wants to see; a shorter file is given whole.
const HeadSize = 4096

// Kind is what a file can be to someone who wants to run it.
type Kind int

const (
	Other     Kind = iota // something that no box runs
	Core                  // core module of version 1: what runs
	Component             // WebAssembly component
	Script                // text that starts with #!
	Text                  // text that does not
	Native                // executable or library for some processor and system
	Archive               // compressed, or several files in one
	Empty                 // no bytes
)

// Format is what [Identify] finds. Its Description is a noun phrase without article, made to stand in a sentence:
// "/bin/ls is ELF executable for x86-64".
type Format struct {
	Kind        Kind
	Description string
}

func (f Format) String() string { return f.Description }

// Identify says what kind of file starts with head, which holds its first [HeadSize] bytes, or all of it.
func Identify(head []byte) Format {
	if len(head) == 0 {
		return Format{Empty, "empty file"}
	}
	for _, try := range []func([]byte) Format{identifyWasm, identifyELF, identifyMachO, identifyPE, identifyMagic} {
		if f := try(head); f.Description != "" {
			return f
		}
	}
	return identifyText(head)
}

// identifyWasm reads the preamble (5.5.16). The second half of what was the version tells modules from components
// (component model, binary format: "layer").
func identifyWasm(head []byte) Format {
	if !bytes.HasPrefix(head, preamble[:4]) {
		return Format{}
	}
	if len(head) < len(preamble) {
		return Format{Other, "WebAssembly module cut off within its first 8 bytes"}
	}
	version, layer := binary.LittleEndian.Uint16(head[4:]), binary.LittleEndian.Uint16(head[6:])
	switch {
	case layer == 1:
		return Format{Component, "WebAssembly component (not a core module)"}
	case layer != 0:
		return Format{Other, fmt.Sprintf("WebAssembly of unknown layer %d", layer)}
	case version != 1:
		return Format{Other, fmt.Sprintf("WebAssembly module of version %d (only version 1 is supported)", version)}
	}
	return Format{Core, "WebAssembly core module"}
}

var elfMachines = map[uint16]string{
	0: "no particular machine", 2: "sparc", 3: "x86", 8: "mips", 20: "powerpc", 21: "powerpc64", 22: "s390", 40: "arm",
	43: "sparc64", 50: "ia64", 62: "x86-64", 183: "aarch64", 243: "riscv", 247: "bpf", 258: "loongarch",
}

var elfTypes = map[uint16]string{1: "object file", 2: "executable", 3: "executable or shared library", 4: "core dump"}

// identifyELF reads e_type and e_machine (System V ABI, chapter 4; elf(5)).
func identifyELF(head []byte) Format {
	if !bytes.HasPrefix(head, []byte("\x7fELF")) {
		return Format{}
	}
	if len(head) < 20 {
		return Format{Native, "ELF file cut off within its header"}
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if head[5] == 2 {
		order = binary.BigEndian
	}
	what, known := elfTypes[order.Uint16(head[16:])]
	if !known {
		what = "file"
	}
	machine, known := elfMachines[order.Uint16(head[18:])]
	if !known {
		machine = fmt.Sprintf("machine %d", order.Uint16(head[18:]))
	}
	return Format{Native, "ELF " + what + " for " + machine}
}

var machOProcessors = map[uint32]string{
	7: "x86", 12: "arm", 18: "powerpc", 7 | 1<<24: "x86-64", 12 | 1<<24: "aarch64", 18 | 1<<24: "powerpc64",
}

// identifyMachO reads the magic number and cputype (mach-o/loader.h, mach-o/fat.h). A universal binary shares its magic
// number with Java classes, whose version number stands where the number of architectures does and is above 43.
func identifyMachO(head []byte) Format {
	if len(head) < 8 {
		return Format{}
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch binary.BigEndian.Uint32(head) {
	case 0xcffaedfe, 0xcefaedfe:
	case 0xfeedfacf, 0xfeedface:
		order = binary.BigEndian
	case 0xcafebabe:
		if binary.BigEndian.Uint32(head[4:]) > 43 {
			return Format{Other, "Java class"}
		}
		return Format{Native, "Mach-O universal binary"}
	default:
		return Format{}
	}
	processor, known := machOProcessors[order.Uint32(head[4:])]
	if !known {
		processor = "unknown processor"
	}
	return Format{Native, "Mach-O binary for " + processor}
}

var peMachines = map[uint16]string{0x14c: "x86", 0x1c0: "arm", 0x1c4: "arm", 0x8664: "x86-64", 0xaa64: "aarch64"}

// identifyPE follows the pointer at 0x3c to the PE signature (PE format, "MS-DOS Stub" and "COFF File Header").
func identifyPE(head []byte) Format {
	if !bytes.HasPrefix(head, []byte("MZ")) || len(head) < 0x40 {
		return Format{}
	}
	at := int64(binary.LittleEndian.Uint32(head[0x3c:]))
	if at+6 > int64(len(head)) || !bytes.HasPrefix(head[at:], []byte("PE\x00\x00")) {
		return Format{Native, "DOS or Windows executable"}
	}
	machine, known := peMachines[binary.LittleEndian.Uint16(head[at+4:])]
	if !known {
		machine = "unknown processor"
	}
	return Format{Native, "Windows executable (PE) for " + machine}
}

// magics are formats known by a few bytes at a fixed place.
var magics = []struct {
	at     int
	bytes  string
	format Format
}{
	{0, "\x1f\x8b", Format{Archive, "gzip-compressed file"}},
	{0, "PK\x03\x04", Format{Archive, "zip archive"}},
	{0, "PK\x05\x06", Format{Archive, "empty zip archive"}},
	{0, "\x28\xb5\x2f\xfd", Format{Archive, "zstd-compressed file"}},
	{0, "\xfd7zXZ\x00", Format{Archive, "xz-compressed file"}},
	{0, "BZh", Format{Archive, "bzip2-compressed file"}},
	{0, "7z\xbc\xaf\x27\x1c", Format{Archive, "7-zip archive"}},
	{0, "!<arch>\n", Format{Archive, "ar archive (library or Debian package)"}},
	{257, "ustar", Format{Archive, "tar archive"}},
	{0, "BC\xc0\xde", Format{Other, "LLVM bitcode"}},
	{0, "SQLite format 3\x00", Format{Other, "SQLite database"}},
	{0, "\x89PNG\r\n\x1a\n", Format{Other, "PNG image"}},
	{0, "%PDF-", Format{Other, "PDF document"}},
	{0, "\xff\xfe", Format{Other, "UTF-16 text"}},
	{0, "\xfe\xff", Format{Other, "UTF-16 text"}},
	{0, "\xef\xbb\xbf#!", Format{Text, "script with a byte order mark in front of its #!"}},
	{0, "#!", Format{Script, "#! script"}},
}

func identifyMagic(head []byte) Format {
	for _, m := range magics {
		if len(head) >= m.at && bytes.HasPrefix(head[m.at:], []byte(m.bytes)) {
			return m.format
		}
	}
	return Format{}
}

// identifyText tells text, in UTF-8 without control characters but those of layout and terminals, from other data.
func identifyText(head []byte) Format {
	trimmed := bytes.TrimLeft(head, " \t\r\n")
	for _, form := range []string{"(module", "(component"} {
		if bytes.HasPrefix(trimmed, []byte(form)) {
			return Format{Text, "WebAssembly in text form (wat2wasm makes it binary)"}
		}
	}
	for i := 0; i < len(head); {
		r, size := utf8.DecodeRune(head[i:])
		cut := len(head) == HeadSize && len(head)-i < utf8.UTFMax // the last character may go on behind head
		if r == utf8.RuneError && size == 1 && !cut || r < ' ' && !bytes.ContainsRune([]byte("\a\b\t\n\v\f\r\x1b"), r) {
			return Format{Other, "data of unknown format"}
		}
		i += size
	}
	return Format{Text, "text without #!"}
}
