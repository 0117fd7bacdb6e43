package memory_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"boxer.dev/runtime/memory"
)

const wasmPage = 64 << 10

// random makes a memory of some pages of zeros and some of noise.
func random(seed uint64, pages int) []byte {
	source := rand.New(rand.NewPCG(seed, 0))
	m := make([]byte, pages*wasmPage)
	for at := 0; at < len(m); at += memory.PageSize {
		if source.IntN(3) == 0 {
			for i := range 64 {
				m[at+i*7] = byte(source.Uint32())
			}
		}
	}
	return m
}

func encode(t testing.TB, contents []byte, parent *memory.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	h := memory.Header{Module: memory.Digest{1}, Size: uint64(len(contents)), Program: "p", Files: []string{"/f"},
		Globals: []memory.Global{{Name: "g", Value: 1 << 63}}}
	if _, _, err := memory.Encode(&b, &h, contents, parent); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(t testing.TB, dir string, stored []byte, parent *memory.Image) *memory.Image {
	t.Helper()
	s, err := memory.Parse(stored)
	if err != nil {
		t.Fatal(err)
	}
	i, err := memory.Cache{Dir: dir}.Open(s, parent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func TestImageKeepsMemory(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		contents := random(1, 10)
		i := open(t, dir, encode(t, contents, nil), nil)
		if !bytes.Equal(i.Bytes(), contents) {
			t.Error("the image holds something else")
		}
		if i.Module != (memory.Digest{1}) || i.Globals[0].Value != 1<<63 || i.Files[0] != "/f" || i.Program != "p" {
			t.Errorf("header is %+v", i.Header)
		}
	}
}

// An image of a grown or shrunk memory, relative to that of another.
func TestImageRelativeToParent(t *testing.T) {
	for _, pages := range []int{5, 10, 15} {
		dir := t.TempDir()
		contents := random(1, 10)
		parent := open(t, dir, encode(t, contents, nil), nil)
		child := make([]byte, pages*wasmPage)
		copy(child, contents)
		child[3*memory.PageSize]++
		clear(child[4*memory.PageSize : 5*memory.PageSize])
		stored := encode(t, child, parent)
		if len(stored) > 8*memory.PageSize {
			t.Errorf("two pages take %d bytes", len(stored))
		}
		if i := open(t, dir, stored, parent); !bytes.Equal(i.Bytes(), child) {
			t.Errorf("%d pages: the image holds something else", pages)
		}
	}
}

func TestImageWithoutItsParent(t *testing.T) {
	dir := t.TempDir()
	parent := open(t, dir, encode(t, random(1, 4), nil), nil)
	other := open(t, dir, encode(t, random(2, 4), nil), nil)
	s, err := memory.Parse(encode(t, random(3, 4), parent))
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []*memory.Image{nil, other} {
		if _, err := (memory.Cache{Dir: dir}).Open(s, wrong); !errors.Is(err, memory.ErrForeign) {
			t.Error(err)
		}
	}
}

// Any bit of a stored image that is altered, and any byte that is missing or too many, refuses it.
func TestImageAlteredOrTruncated(t *testing.T) {
	stored := encode(t, random(1, 1), nil)
	if _, err := memory.Parse(stored); err != nil {
		t.Fatal(err)
	}
	for at := range stored {
		altered := bytes.Clone(stored)
		altered[at] ^= 1 << (at % 8)
		if _, err := memory.Parse(altered); !errors.Is(err, memory.ErrDamaged) {
			t.Fatalf("byte %d of %d altered: %v", at, len(stored), err)
		}
		if at%97 == 0 {
			if _, err := memory.Parse(stored[:at]); !errors.Is(err, memory.ErrDamaged) {
				t.Fatalf("cut after %d bytes: %v", at, err)
			}
		}
	}
	if _, err := memory.Parse(append(stored, 0)); !errors.Is(err, memory.ErrDamaged) {
		t.Errorf("a byte too many: %v", err)
	}
}

// A file of the cache that is shorter or longer than it says, or whose account of itself is damaged, is made anew.
func TestImageCacheDamaged(t *testing.T) {
	contents := random(1, 4)
	stored := encode(t, contents, nil)
	d, err := memory.DigestOf(stored)
	if err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string]func(b []byte) []byte{
		"cut":      func(b []byte) []byte { return b[:len(b)-1] },
		"half":     func(b []byte) []byte { return b[:len(b)/2] },
		"empty":    func([]byte) []byte { return nil },
		"extended": func(b []byte) []byte { return append(b, 0) },
		"altered":  func(b []byte) []byte { b[len(contents)+3] ^= 1; return b },
	} {
		dir := t.TempDir()
		open(t, dir, stored, nil)
		name := filepath.Join(dir, d.String()+".image")
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(name); err != nil { // the old one is mapped
			t.Fatal(err)
		}
		if err := os.WriteFile(name, damage(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := (memory.Cache{Dir: dir}).Lookup(d); !errors.Is(err, memory.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
		if i := open(t, dir, stored, nil); !bytes.Equal(i.Bytes(), contents) {
			t.Errorf("%s: not made anew", what)
		}
	}
}

// Under the name of one image lies another.
func TestImageCacheForeign(t *testing.T) {
	dir := t.TempDir()
	i := open(t, dir, encode(t, random(1, 1), nil), nil)
	other := memory.Digest{9}
	if err := os.Rename(filepath.Join(dir, i.Digest.String()+".image"), filepath.Join(dir, other.String()+".image")); err != nil {
		t.Fatal(err)
	}
	if _, err := (memory.Cache{Dir: dir}).Lookup(other); !errors.Is(err, memory.ErrDamaged) {
		t.Error(err)
	}
}

// Whatever is written where, a reset gives the image back and touches nobody else's memory.
func TestReset(t *testing.T) {
	contents := random(1, 64)
	i := open(t, "", encode(t, contents, nil), nil)
	neighbour, err := i.New(4 << 30)
	if err != nil {
		t.Fatal(err)
	}
	defer neighbour.Free()
	m, err := i.New(4 << 30)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	source := rand.New(rand.NewPCG(7, 7))
	for _, writes := range []int{0, 1, 10, 300, 5000} {
		b := m.Reallocate(uint64(len(contents)))
		if !bytes.Equal(b, contents) {
			t.Fatal("not as the image")
		}
		pages := map[int]bool{}
		for range writes {
			at := source.IntN(len(b))
			b[at] = ^b[at]
			pages[at/memory.PageSize] = true
		}
		touched, err := m.Reset()
		if err != nil {
			t.Fatal(err)
		}
		if touched < len(pages) && os.Getpagesize() == memory.PageSize {
			t.Errorf("%d pages were written and %d found", len(pages), touched)
		}
		if !bytes.Equal(m.Reallocate(uint64(len(contents))), contents) {
			t.Fatalf("after %d writes the memory is not as the image", writes)
		}
	}
	if !bytes.Equal(neighbour.Reallocate(uint64(len(contents))), contents) || !bytes.Equal(i.Bytes(), contents) {
		t.Error("writes are seen elsewhere")
	}
}

func TestGrownMemoryIsNotReset(t *testing.T) {
	i := open(t, "", encode(t, random(1, 2), nil), nil)
	m, err := i.New(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	if b := m.Reallocate(3 * wasmPage); len(b) != 3*wasmPage || !bytes.Equal(b[2*wasmPage:], make([]byte, wasmPage)) {
		t.Fatal("what memory grows by is not zero")
	}
	if _, err := m.Reset(); !errors.Is(err, memory.ErrGrown) {
		t.Error(err)
	}
	if b := m.Reallocate(1<<20 + wasmPage); b != nil {
		t.Error("memory grew beyond its maximum")
	}
}

// A memory without an image starts at zero, whoever had the addresses before.
func TestMemoryStartsAtZero(t *testing.T) {
	i := open(t, "", encode(t, random(1, 16), nil), nil)
	for range 8 {
		m, err := i.New(16 * wasmPage)
		if err != nil {
			t.Fatal(err)
		}
		b := m.Reallocate(16 * wasmPage)
		for at := range b {
			b[at] = 0xff
		}
		m.Free()
		fresh := memory.New(16 * wasmPage)
		if !bytes.Equal(fresh.Reallocate(16*wasmPage), make([]byte, 16*wasmPage)) {
			t.Fatal("not zero")
		}
		fresh.Free()
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f, random(1, 1), nil))
	f.Add([]byte("\x00boxer image v1\n"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		if s, err := memory.Parse(stored); err == nil && s.Pages() > len(stored)/memory.PageSize {
			t.Error("more pages than bytes")
		}
	})
}

func BenchmarkReset(b *testing.B) {
	i := open(b, "", encode(b, random(1, 320), nil), nil)
	m, err := i.New(4 << 30)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Free()
	buffer := m.Reallocate(i.Size)
	for b.Loop() {
		for page := range 70 {
			buffer[page*41*memory.PageSize%len(buffer)]++
		}
		if _, err := m.Reset(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNew maps images of different sizes.
func BenchmarkNew(b *testing.B) {
	for name, pages := range map[string]int{"20MB": 320, "200MB": 3200} {
		b.Run(name, func(b *testing.B) {
			i := open(b, "", encode(b, random(1, pages), nil), nil)
			for b.Loop() {
				m, err := i.New(4 << 30)
				if err != nil {
					b.Fatal(err)
				}
				m.Free()
			}
		})
	}
}

// FuzzCacheFile opens files of the cache whose sums are right, whatever they say of themselves.
func FuzzCacheFile(f *testing.F) {
	dir := f.TempDir()
	stored := encode(f, random(1, 1), nil)
	d, err := memory.DigestOf(stored)
	if err != nil {
		f.Fatal(err)
	}
	open(f, dir, stored, nil)
	name := filepath.Join(dir, d.String()+".image")
	whole, err := os.ReadFile(name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(len(whole)-wasmPage-8, whole[wasmPage:len(whole)-8])
	f.Add(0, []byte(`{"Size":18446744073709486080}`))
	f.Fuzz(func(t *testing.T, pages int, head []byte) {
		content := make([]byte, max(pages, 0)%(4*wasmPage))
		content = append(content, head...)
		content = binary.LittleEndian.AppendUint32(content, uint32(len(head)))
		content = binary.LittleEndian.AppendUint32(content, crc32.Checksum(head, crc32.MakeTable(crc32.Castagnoli)))
		_ = os.Remove(name)
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		i, err := (memory.Cache{Dir: dir}).Lookup(d)
		if err != nil {
			return
		}
		for _, b := range i.Bytes() {
			_ = b
		}
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
}
