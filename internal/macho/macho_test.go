package macho

import (
	"bytes"
	"crypto/sha256"
	"debug/macho"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// built compiles a program that does nothing for macOS.
func built(t testing.TB, arch string) []byte {
	t.Helper()
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("go", "build", "-o", program, source)
	command.Env = append(os.Environ(), "GOOS=darwin", "GOARCH="+arch, "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func with(t testing.TB, program, data []byte) []byte {
	t.Helper()
	f, err := Open(bytes.NewReader(program), int64(len(program)))
	if err != nil || f == nil {
		t.Fatalf("%v, %v", f, err)
	}
	var out bytes.Buffer
	err = f.WriteWith(&out, "org.example.test", int64(len(data)), func(w io.Writer) error { _, err := w.Write(data); return err })
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDataIsAddedAndSigned(t *testing.T) {
	program := built(t, "arm64")
	verify(t, program)
	for _, size := range []int{0, 1, 15, 16, 4096, 100_001} {
		data := bytes.Repeat([]byte{'x'}, size)
		changed := with(t, program, data)
		verify(t, changed)
		sameSegments(t, program, changed)
		f, err := Open(bytes.NewReader(changed), int64(len(changed)))
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.TrimRight(changed[:f.End()], "\x00")
		if int(f.End())-len(before) >= signatureAlign && size > 0 || !bytes.HasSuffix(before, data) {
			t.Errorf("%d bytes are not in front of the signature", size)
		}
		if again := with(t, changed, []byte("more")); !bytes.Contains(again, append(data, "more"...)) && size%16 == 0 {
			t.Errorf("%d bytes are gone when more are added", size)
		}
	}
}

// TestUnsigned: what was not signed stays so; it runs on Intel's processors, and codesign can sign it.
func TestUnsigned(t *testing.T) {
	program, data := built(t, "amd64"), []byte("data")
	changed := with(t, program, data)
	sameSegments(t, program, changed)
	if !bytes.HasSuffix(changed, data) {
		t.Error("the data is not at the end")
	}
}

// verify does what XNU does before it maps a page that is executed: cs_validate_page, with the hashes that load_code_signature found.
func verify(t testing.TB, program []byte) {
	t.Helper()
	f, err := macho.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	var signature []byte
	for _, load := range f.Loads {
		if raw := load.Raw(); f.ByteOrder.Uint32(raw) == 0x1d {
			at, size := f.ByteOrder.Uint32(raw[8:]), f.ByteOrder.Uint32(raw[12:])
			if int(at+size) != len(program) || at%16 != 0 {
				t.Fatalf("a signature of %d bytes at %d in a file of %d", size, at, len(program))
			}
			signature = program[at:]
		}
	}
	big := binary.BigEndian.Uint32
	if big(signature) != 0xfade0cc0 || int(big(signature[4:])) > len(signature) || big(signature[8:]) != 1 || big(signature[12:]) != 0 {
		t.Fatalf("the signature begins %x", signature[:20])
	}
	directory := signature[big(signature[16:]):]
	hashes, slots, limit := directory[big(directory[16:]):], int(big(directory[28:])), int(big(directory[32:]))
	if big(directory) != 0xfade0c02 || directory[36] != 32 || directory[37] != 2 || directory[39] != 12 || big(directory[12:])&2 == 0 {
		t.Fatalf("the code directory begins %x", directory[:44])
	}
	if identifier, _, _ := strings.Cut(string(directory[big(directory[20:]):]), "\x00"); identifier == "" || int(big(directory[4:])) > len(directory) {
		t.Fatalf("identifier %q, directory of %d bytes", identifier, big(directory[4:]))
	}
	if limit != len(program)-len(signature) || slots != (limit+4095)/4096 {
		t.Fatalf("%d bytes in %d pages are signed, of %d", limit, slots, len(program)-len(signature))
	}
	for i := range slots {
		sum := sha256.Sum256(program[i*4096 : min(limit, (i+1)*4096)])
		if !bytes.Equal(sum[:], hashes[i*32:(i+1)*32]) {
			t.Fatalf("page %d is not what was signed", i)
		}
	}
	text := f.Segment("__TEXT")
	if binary.BigEndian.Uint64(directory[64:]) != text.Offset || binary.BigEndian.Uint64(directory[72:]) != text.Filesz || directory[87] != 1 {
		t.Fatal("the executable segment is not told")
	}
}

// sameSegments wants all segments as they were but __LINKEDIT, which reaches to the end of the file and covers the strings.
func sameSegments(t *testing.T, before, after []byte) {
	t.Helper()
	f, err := macho.NewFile(bytes.NewReader(before))
	if err != nil {
		t.Fatal(err)
	}
	g, err := macho.NewFile(bytes.NewReader(after))
	if err != nil {
		t.Fatal(err)
	}
	for i, load := range f.Loads {
		was, ok := load.(*macho.Segment)
		if !ok || was.Name == "__LINKEDIT" {
			continue
		}
		if is := g.Loads[i].(*macho.Segment); is.SegmentHeader != was.SegmentHeader {
			t.Errorf("%s: %+v, was %+v", was.Name, is.SegmentHeader, was.SegmentHeader)
		}
	}
	end := g.Segment("__LINKEDIT")
	if end.Offset+end.Filesz != uint64(len(after)) || end.Memsz < end.Filesz || end.Memsz%(16<<10) != 0 {
		t.Errorf("__LINKEDIT: %+v in a file of %d", end.SegmentHeader, len(after))
	}
	if len(f.Symtab.Syms) != len(g.Symtab.Syms) {
		t.Errorf("%d symbols, were %d", len(g.Symtab.Syms), len(f.Symtab.Syms))
	}
	if begin := headerSize + f.Cmdsz; !bytes.Equal(before[begin:end.Offset], after[begin:end.Offset]) {
		t.Error("code or data changed")
	}
}

func TestOthersAreNoExecutablesOfMacOS(t *testing.T) {
	for _, text := range []string{"", "\x7fELF", "MZ" + strings.Repeat("x", 100), "\xcf\xfa\xed\xfe" + strings.Repeat("\x00", 28)} {
		if f, err := Open(strings.NewReader(text), int64(len(text))); f != nil || err != nil {
			t.Errorf("%q: %v, %v", text, f, err)
		}
	}
	fat := "\xca\xfe\xba\xbe\x00\x00\x00\x02" + strings.Repeat("\x00", 100)
	if _, err := Open(strings.NewReader(fat), int64(len(fat))); !errors.Is(err, ErrUniversal) {
		t.Errorf("universal binary: %v", err)
	}
}

// FuzzOpen: whatever load commands say, nothing panics, and what is refused is refused before a byte is written.
func FuzzOpen(f *testing.F) {
	program := built(f, "arm64")
	f.Add(program[:4096])
	f.Add(program[:headerSize])
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil || file == nil {
			return
		}
		var out bytes.Buffer
		err = file.WriteWith(&out, "x", 1, func(w io.Writer) error { _, err := w.Write([]byte("x")); return err })
		if err == nil && out.Len() < len(data) {
			t.Errorf("%d bytes became %d", len(data), out.Len())
		}
	})
}
