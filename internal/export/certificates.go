package export

import (
	"debug/pe"
	"io"
)

// certificates is where the signatures of an executable of Windows begin, which are the last of a file; its size if it has none.
// Data that follows the sections is what they cover, too (Microsoft, PE Format, "The Attribute Certificate Table").
func certificates(executable io.ReaderAt, size int64) int64 {
	magic := make([]byte, 2)
	if _, err := executable.ReadAt(magic, 0); err != nil || string(magic) != "MZ" {
		return size
	}
	file, err := pe.NewFile(executable)
	if err != nil {
		return size
	}
	defer file.Close()
	var table pe.DataDirectory
	switch header := file.OptionalHeader.(type) {
	case *pe.OptionalHeader64:
		table = header.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY]
	case *pe.OptionalHeader32:
		table = header.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY]
	}
	if at := int64(table.VirtualAddress); at > 0 && at+int64(table.Size) == size { // of this one it is an offset in the file
		return at
	}
	return size
}
