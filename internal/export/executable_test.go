package export

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"

	"boxer.dev/oci"
)

// TestExecutables: whatever system it is for, an executable gives back the box that it was given, and is the same each time.
func TestExecutables(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, platform := range [][2]string{{"linux", "amd64"}, {"windows", "amd64"}, {"darwin", "amd64"}, {"darwin", "arm64"}} {
		program := filepath.Join(dir, platform[0]+platform[1])
		command := exec.Command("go", "build", "-o", program, source)
		command.Env = append(os.Environ(), "GOOS="+platform[0], "GOARCH="+platform[1], "CGO_ENABLED=0")
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		boxer, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		if carried, err := Carried(bytes.NewReader(boxer), int64(len(boxer))); carried != nil || err != nil {
			t.Fatalf("%s: it carries %v, %v", platform, carried, err)
		}
		one, two := executable(t, boxer), executable(t, boxer)
		if !bytes.Equal(one, two) {
			t.Errorf("%s: it is not the same twice", platform)
		}
		carried, err := Carried(bytes.NewReader(one), int64(len(one)))
		if err != nil || carried == nil {
			t.Fatalf("%s: it carries %v, %v", platform, carried, err)
		}
		if text, err := fs.ReadFile(carried, "oci-layout"); len(text) == 0 || err != nil {
			t.Errorf("%s: %q, %v", platform, text, err)
		}
	}
}

// TestSignedAfterwards: the table of certificates that signing for Windows puts behind everything does not hide the box.
func TestSignedAfterwards(t *testing.T) {
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program.exe")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("go", "build", "-o", program, source)
	command.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	boxer, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	signed := sign(executable(t, boxer))
	carried, err := Carried(bytes.NewReader(signed), int64(len(signed)))
	if carried == nil || err != nil {
		t.Errorf("it carries %v, %v", carried, err)
	}
	signed = sign(boxer)
	err = Executable(io.Discard, io.NewSectionReader(bytes.NewReader(signed), 0, int64(len(signed))), nil, oci.NamedImage{})
	if err == nil || !strings.Contains(err.Error(), "it is signed") {
		t.Errorf("%v", err)
	}
}

// sign puts a table of certificates behind an executable of Windows, as signing does: at a multiple of eight bytes.
func sign(program []byte) []byte {
	const securityEntry = 24 + 112 + 4*8 // from the signature PE\0\0 on: file header, optional header up to its directories, the fifth
	signed := append(bytes.Clone(program), make([]byte, -len(program)&7)...)
	entry := signed[binary.LittleEndian.Uint32(signed[0x3c:])+securityEntry:]
	binary.LittleEndian.PutUint32(entry, uint32(len(signed)))
	binary.LittleEndian.PutUint32(entry[4:], 64)
	return append(signed, bytes.Repeat([]byte{0xcc}, 64)...)
}

func executable(t *testing.T, boxer []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	section := io.NewSectionReader(bytes.NewReader(boxer), 0, int64(len(boxer)))
	nothing := func(string) bool { return false }
	if err := Executable(&out, section, nothing, oci.NamedImage{Name: "box:latest", Image: empty.Image}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
